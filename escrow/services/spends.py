"""Free money of an escrow that is spent on others than its provider, and that comes back."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.actions import Action
from escrow import rules, selectors
from escrow.errors import InsufficientEscrowBalance
from escrow.models import Escrow, EscrowStatus
from escrow.services import chargebacks
from escrow.services.journal import Acting, record, save_escrow
from escrow.services.outcomes import refund, refundable_minor
from kobatela.kernel.money import Money, format_minor
from payments import cases
from payments.errors import PaymentOnHold
from payments.services import spends
from payments.services.spends import Recipient

if TYPE_CHECKING:
    from payments.models import Payment

__all__ = ["Purse", "Recipient", "open_purse", "pay_from", "put_back", "spend_after_all"]

_NOT_DISPUTED = frozenset(EscrowStatus) - {EscrowStatus.DISPUTED}


@dataclass(frozen=True, slots=True)
class Purse:
    """A locked escrow and what of it may be spent: what no open milestone needs."""

    escrow: Escrow
    free_minor: int

    @property
    def is_closed(self) -> bool:
        """Whether the escrow has ended."""
        return self.escrow.status in rules.TERMINAL

    @property
    def is_disputed(self) -> bool:
        """Whether the escrow is frozen."""
        return self.escrow.status == EscrowStatus.DISPUTED


def open_purse(escrow: Escrow) -> Purse:
    """What may be spent of an escrow that the caller has locked."""
    return Purse(escrow, selectors.free_minor(escrow))


def pay_from(
    purse: Purse, *, kind: str, recipient: Recipient, amount_minor: int, origin: str, by: Acting
) -> "Payment":
    """Pay a merchant or a payee; the escrow's released total grows with it.

    kind, origin: as in `request_spend`. Raises InsufficientEscrowBalance (`details.free`) when the
    free money is less; what milestones need is never touched.
    """
    escrow = purse.escrow
    if amount_minor > purse.free_minor:
        free = format_minor(purse.free_minor, escrow.currency)
        raise InsufficientEscrowBalance(free=free)
    payment = spends.request_spend(
        escrow_id=escrow.pk,
        kind=kind,
        payer_id=escrow.client_id,
        recipient=recipient,
        money=Money(amount_minor, escrow.currency),
        origin=origin,
        actor=by.actor,
    )
    escrow.released_minor += amount_minor
    save_escrow(escrow, "released_minor")
    record(
        escrow,
        Action.ESCROW_SPENT,
        by,
        event="escrow.spent",
        spent_minor=amount_minor,
        currency=escrow.currency,
        origin=origin,
        payment_id=payment.pk,
    )
    return payment


def put_back(*, escrow: Escrow, origin: str, is_given_back: bool, by: Acting) -> "Payment":
    """Take back what was paid for `origin`, into a locked escrow.

    It is free there again. An escrow that has ended holds nothing: then the money goes on to the
    client, the way the deposits came. As far as the client owes for what their bank took back
    after it was spent, it pays that, and neither is free nor goes back. Raises InvalidState while
    the escrow is disputed, PaymentOnHold while a chargeback on it is open,
    InsufficientEscrowBalance when the payer's bank has taken the deposits back already, and what
    `take_back` raises.
    """
    rules.require_status(escrow, _NOT_DISPUTED)
    if cases.has_open_chargeback(escrow.pk):
        # The bank may be about to give the payer this money: free here, it would be spent a
        # second time, and that of others.
        raise PaymentOnHold
    set_off = chargebacks.parts_to_set_off(escrow, spends.amount_paid_for(origin))
    payment = spends.take_back(
        origin=origin,
        is_given_back=is_given_back,
        actor=by.actor,
        on_behalf_of=by.on_behalf_of,
        set_off=set_off,
    )
    escrow.released_minor -= payment.amount_minor
    rest_minor = payment.amount_minor - chargebacks.take_set_off(escrow, set_off)
    if escrow.status in rules.TERMINAL and rest_minor:
        _require_refundable(escrow, rest_minor)
        refund(escrow, rest_minor, by, business_key=f"{origin}:back:refund")
    save_escrow(escrow, "released_minor", "refunded_minor", "funded_minor")
    record(
        escrow,
        Action.ESCROW_SPENT_PUT_BACK,
        by,
        event="escrow.spent_put_back",
        put_back_minor=payment.amount_minor,
        set_off_minor=payment.amount_minor - rest_minor,
        currency=escrow.currency,
        origin=origin,
        payment_id=payment.pk,
    )
    return payment


def spend_after_all(payment: "Payment") -> int:
    """Spend again, as far as it is free, what was put back of a payment that was paid all the same;
    how much. The escrow is locked, and the books are changed by payments."""
    escrow = selectors.lock_escrow(payment.escrow_id)
    part_minor = min(payment.amount_minor, selectors.free_minor(escrow))
    if part_minor:
        escrow.released_minor += part_minor
        save_escrow(escrow, "released_minor")
        record(
            escrow,
            Action.ESCROW_SPENT_AFTER_ALL,
            Acting("system:payments"),
            spent_minor=part_minor,
            currency=escrow.currency,
            origin=payment.origin,
            payment_id=payment.pk,
        )
    return part_minor


def _require_refundable(escrow: Escrow, amount_minor: int) -> None:
    if refundable_minor(escrow) < amount_minor:
        raise InsufficientEscrowBalance("The deposits were charged back.")
