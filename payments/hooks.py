"""What payments tells the floor above: the fate of payments, fundings and chargebacks.

Exactly one handler for each kind of payment, one for fundings and one for chargebacks, registered
while the installation starts. Every event comes in the transaction that makes it true, after
`lock_owner` in that transaction: the owner's rows are locked before any row of payments.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kobatela.kernel.money import Money

if TYPE_CHECKING:
    from payments.models import Chargeback, Funding, Payment


class PaymentHandler(Protocol):
    """Follows the payments of one kind."""

    def lock_owner(self, escrow_id: int, milestone_id: int | None) -> None:
        """Lock what the payment belongs to, until the transaction ends."""

    def sent(self, payment: "Payment") -> None:
        """The payment is about to be handed to the PSP."""

    def settled(self, payment: "Payment") -> None:
        """The money arrived."""

    def failed(self, payment: "Payment") -> None:
        """The payment definitely failed; its money is the payee's still, and waits."""

    def returned(self, payment: "Payment") -> None:
        """The money came back after it had arrived."""

    def paid_after_all(self, payment: "Payment") -> int:
        """The payment was taken back, and was paid all the same. Let what it belongs to bear as
        much of it as it can; how much, in minor units. The books are changed by who asks."""


class FundingHandler(Protocol):
    """Takes the money that PSPs collect."""

    def lock_owner(self, escrow_id: int) -> None:
        """Lock the escrow until the transaction ends."""

    def succeeded(self, funding: "Funding", money: Money, psp: str) -> None:
        """Book `money`, which the PSP reports as received. It is not refused."""

    def failed(self, funding: "Funding") -> None:
        """The session ended without money."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """What of a charge that a bank took back is still there.

    disputed_minor: what of it no refund has given back. held_minor: what of that is still held,
    and must not be touched until the case is decided.
    """

    disputed_minor: int
    held_minor: int


class ChargebackHandler(Protocol):
    """Follows the charges that payers' banks take back. The escrow is locked in every call."""

    def opened(self, case: "Chargeback") -> Frozen:
        """Freeze what is still held of the charge. The books are changed by who asks."""

    def won(self, case: "Chargeback") -> None:
        """The money is back: what was frozen is free again, in the books already."""

    def lost(self, case: "Chargeback") -> None:
        """The money is gone: what was frozen has left the books already."""


_payment_handlers: dict[str, PaymentHandler] = {}
_funding_handlers: list[FundingHandler] = []
_chargeback_handlers: list[ChargebackHandler] = []


def register_payment_handler(kind: str, handler: PaymentHandler) -> None:
    """Make `handler` the one for payments of `kind`. Raises RuntimeError when there is one."""
    if kind in _payment_handlers:
        raise RuntimeError(f"Payments of kind {kind} have a handler already.")
    _payment_handlers[kind] = handler


def register_funding_handler(handler: FundingHandler) -> None:
    """Make `handler` the one for fundings. Raises RuntimeError when there is one."""
    if _funding_handlers:
        raise RuntimeError("Fundings have a handler already.")
    _funding_handlers.append(handler)


def register_chargeback_handler(handler: ChargebackHandler) -> None:
    """Make `handler` the one for chargebacks. Raises RuntimeError when there is one."""
    if _chargeback_handlers:
        raise RuntimeError("Chargebacks have a handler already.")
    _chargeback_handlers.append(handler)


def payment_handler(kind: str) -> PaymentHandler:
    """The handler for payments of `kind`. Raises RuntimeError when there is none."""
    handler = _payment_handlers.get(kind)
    if handler is None:
        raise RuntimeError(f"Nobody handles payments of kind {kind}.")
    return handler


def funding_handler() -> FundingHandler:
    """The handler for fundings. Raises RuntimeError when there is none."""
    if not _funding_handlers:
        raise RuntimeError("Nobody handles fundings.")
    return _funding_handlers[0]


def chargeback_handler() -> ChargebackHandler:
    """The handler for chargebacks. Raises RuntimeError when there is none."""
    if not _chargeback_handlers:
        raise RuntimeError("Nobody handles chargebacks.")
    return _chargeback_handlers[0]


def unhandled(kinds: list[str]) -> list[str]:
    """Which of these kinds have no handler; `funding` stands for fundings, `chargeback` for
    chargebacks."""
    missing = [kind for kind in kinds if kind not in _payment_handlers]
    if not _funding_handlers:
        missing.append("funding")
    if not _chargeback_handlers:
        missing.append("chargeback")
    return missing
