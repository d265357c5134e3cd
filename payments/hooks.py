"""What payments tells the floor above: the fate of payments and fundings.

Exactly one handler for each kind of payment and one for fundings, registered while the
installation starts. Every event comes in the transaction that makes it true, after `lock_owner` in
that transaction: the owner's rows are locked before any row of payments.
"""

from typing import TYPE_CHECKING, Protocol

from kobatela.kernel.money import Money

if TYPE_CHECKING:
    from payments.models import Funding, Payment


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


class FundingHandler(Protocol):
    """Takes the money that PSPs collect."""

    def lock_owner(self, escrow_id: int) -> None:
        """Lock the escrow until the transaction ends."""

    def succeeded(self, funding: "Funding", money: Money, psp: str) -> None:
        """Book `money`, which the PSP reports as received. It is not refused."""

    def failed(self, funding: "Funding") -> None:
        """The session ended without money."""


_payment_handlers: dict[str, PaymentHandler] = {}
_funding_handlers: list[FundingHandler] = []


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


def unhandled(kinds: list[str]) -> list[str]:
    """Which of these kinds have no handler; `funding` stands for fundings."""
    missing = [kind for kind in kinds if kind not in _payment_handlers]
    return missing if _funding_handlers else [*missing, "funding"]
