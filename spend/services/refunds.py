"""Giving a purchase back: the budget returns, and the money with it."""

from django.db import transaction

from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from escrow import selectors as escrow_selectors
from escrow.services import spends
from escrow.services.journal import Acting
from kobatela.accounts.services.approvals import ApprovalState, require_approval
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState, ValidationFailed
from kobatela.kernel.money import Money
from payments.errors import PaymentNotGivenBack
from spend import selectors
from spend.errors import PurchaseAlreadyRefunded, SpendRoleForbidden
from spend.models import Purchase, PurchaseStatus
from spend.services.independence import require_no_stake
from spend.services.mandates import restore
from spend.services.purchases import PurchaseResult, tell

COMMAND = "purchase_refund"


@transaction.atomic(savepoint=False)
def refund_purchase(*, caller: Caller, purchase_id: int, note: str = "") -> PurchaseResult:
    """Give a purchase back: its budget returns, and its money to the escrow's free money, or to
    the sender once the escrow has ended.

    What was not paid yet is simply not paid. What the merchant has received is back only when
    support says so: until then the sender's word returns neither (REFUND_PENDING). Staff must say
    why, and above a figure two people must.

    Raises PurchaseNotFound, SpendRoleForbidden, OwnSpendForbidden, PurchaseAlreadyRefunded,
    InvalidState while the escrow is disputed, PaymentInTransit and ValidationFailed.
    """
    seen = selectors.get_purchase(caller, purchase_id)
    if not (caller.is_staff or caller.may_act_for(seen.sender_id)):
        raise SpendRoleForbidden
    if caller.is_staff and not note:
        raise ValidationFailed.of("note", "required", "Staff must say why.")
    require_no_stake(caller, seen.sender_id, seen.beneficiary_id)
    escrow = escrow_selectors.lock_escrow(seen.escrow_id) if seen.escrow_id else None
    mandate = selectors.lock_mandate(seen.mandate_id)
    purchase = selectors.lock_purchase(purchase_id)
    if purchase.status == PurchaseStatus.REFUNDED:
        raise PurchaseAlreadyRefunded
    if escrow is not None:
        missing = _missing_approval(caller, purchase, note)
        if missing is not None:
            return PurchaseResult(purchase, approvals=missing)
        try:
            spends.put_back(
                escrow=escrow,
                origin=purchase.reference,
                is_given_back=caller.is_staff,
                by=Acting.of(caller),
            )
        except PaymentNotGivenBack:
            _ask_back(caller, purchase, note)
            return PurchaseResult(purchase)
    _finish(caller, purchase, note)
    restore(mandate, caller.actor)
    return PurchaseResult(purchase)


@transaction.atomic(savepoint=False)
def deny_refund(*, caller: Caller, purchase_id: int, note: str) -> Purchase:
    """Support says, and why, that the money which a sender had announced never came: the purchase
    stands as it was made. No money and no budget moves; the sender may ask again.

    Raises PurchaseNotFound, SpendRoleForbidden, OwnSpendForbidden, InvalidState where nobody asked
    and ValidationFailed without a note.
    """
    seen = selectors.get_purchase(caller, purchase_id)
    if not caller.is_staff:
        raise SpendRoleForbidden
    if not note:
        raise ValidationFailed.of("note", "required", "Staff must say why.")
    require_no_stake(caller, seen.sender_id, seen.beneficiary_id)
    if seen.escrow_id:
        escrow_selectors.lock_escrow(seen.escrow_id)
    selectors.lock_mandate(seen.mandate_id)
    purchase = selectors.lock_purchase(purchase_id)
    if purchase.status != PurchaseStatus.REFUND_PENDING:
        raise InvalidState(current=str(purchase.status))
    purchase.transition_to(PurchaseStatus.COMPLETED)
    _save(purchase, note)
    # The note stands on the purchase: words are not in the trail, nor sent with an event.
    tell(
        purchase,
        Action.PURCHASE_REFUND_DENIED,
        caller,
        event="purchase.refund_denied",
        has_note=True,
    )
    return purchase


def _missing_approval(caller: Caller, purchase: Purchase, note: str) -> ApprovalState | None:
    if not (caller.is_staff or caller.on_behalf_of is not None):
        return None
    assert purchase.escrow_id is not None, "only money is approved"
    state = require_approval(
        caller=caller,
        command=COMMAND,
        subject=purchase.reference,
        escrow_id=purchase.escrow_id,
        money=Money(purchase.amount_minor, purchase.currency),
        figures={},
        note=note,
    )
    return None if state.granted else state


def _finish(caller: Caller, purchase: Purchase, note: str) -> None:
    before = str(purchase.status)
    purchase.transition_to(PurchaseStatus.REFUNDED)
    purchase.refunded_at = clock.now()
    _save(purchase, note)
    tell(purchase, Action.PURCHASE_REFUNDED, caller, event="purchase.refunded", before=before)


def _ask_back(caller: Caller, purchase: Purchase, note: str) -> None:
    """The sender's word alone: support hears of it. Again: no change."""
    if purchase.status == PurchaseStatus.REFUND_PENDING:
        return
    purchase.transition_to(PurchaseStatus.REFUND_PENDING)
    _save(purchase, note)
    tell(purchase, Action.PURCHASE_REFUND_ASKED, caller, event="purchase.refund_asked")
    raise_alert(
        type=AlertType.PURCHASE_REFUND_ASKED,
        severity=Severity.INFO,
        subject=purchase.reference,
        message="A sender says that a merchant gives a purchase back; see whether the money came.",
        payload={"amount_minor": purchase.amount_minor, "currency": purchase.currency},
        actor_user_id=caller.user_id,
    )


def _save(purchase: Purchase, note: str) -> None:
    purchase.refund_note = note or purchase.refund_note
    purchase.updated_at = clock.now()
    purchase.save(update_fields=["status", "refund_note", "refunded_at", "updated_at"])
