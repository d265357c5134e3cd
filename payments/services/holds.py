"""Keeping a payment from being sent until staff has looked at it."""

from django.db import transaction

from audit.actions import Action
from kobatela.accounts.selectors import is_independent
from kobatela.accounts.services.approvals import require_two
from kobatela.kernel.caller import Caller
from kobatela.kernel.crashpoints import crashpoint
from kobatela.kernel.errors import InvalidState
from payments import bells, selectors
from payments.errors import OwnPaymentForbidden
from payments.models import Hold, Payment, PaymentMethod, PaymentStatus
from payments.psp.base import Reason
from payments.services.rows import hold_after, put_on_hold, save, tell

LIFT_COMMAND = "lift_contradiction"
MAY_BE_HELD = frozenset({PaymentStatus.PENDING, PaymentStatus.ERROR})
# These end with the chargeback, or never.
OF_CHARGEBACKS = frozenset({Hold.CHARGEBACK, Hold.CHARGED_BACK})


@transaction.atomic
def hold_payment(*, payment_id: int, caller: Caller) -> Payment:
    """Keep a payment that is not in transit where it is. Again, or while a contradiction holds it,
    which is the stronger hold: no change.

    Raises PaymentNotFound, and InvalidState once it was sent.
    """
    payment = _locked(payment_id, caller)
    if payment.hold_reason in {Hold.STAFF, Hold.CONTRADICTION}:
        return payment
    payment.hold_reason = Hold.STAFF
    payment.reason = Reason.ON_HOLD
    save(payment, "hold_reason", "reason")
    tell(payment, Action.PAYMENT_HELD, caller.actor, body={"hold": str(Hold.STAFF)})
    return payment


@transaction.atomic
def lift_hold(*, payment_id: int, caller: Caller) -> Payment:
    """Let a payment go its way again; one that failed still needs to be executed.

    What a contradiction holds may have been paid already: there the second person's word lifts the
    hold, and after the first the payment is answered as it stands. While a chargeback on its escrow
    is open it waits for the end of that instead. Raises PaymentNotFound, InvalidState for one that
    is not on hold, or held by a chargeback, and for a contradiction OwnPaymentForbidden and
    ApprovalNeedsUser.
    """
    payment = _locked(payment_id, caller)
    if payment.hold_reason == Hold.NONE:
        raise InvalidState("It is not on hold.")
    if payment.hold_reason in OF_CHARGEBACKS:
        raise InvalidState("A chargeback holds it; that ends by the bank's decision alone.")
    if payment.hold_reason == Hold.CONTRADICTION and not _two_say_so(payment, caller):
        return payment
    put_on_hold(payment, hold_after(payment, Hold.NONE))
    save(payment, "hold_reason", "reason")
    tell(payment, Action.PAYMENT_HOLD_LIFTED, caller.actor)
    if payment.status == PaymentStatus.PENDING and payment.hold_reason == Hold.NONE:
        bells.ring_for_payment(payment.pk)
    crashpoint("hold.lift_written")
    return payment


def require_no_stake(payment: Payment, caller: Caller) -> None:
    """Raise OwnPaymentForbidden for a party of the payment, and for somebody close to one."""
    sides = [side for side in (payment.payer_id, payment.payee_id) if side is not None]
    if not is_independent(caller, *sides):
        raise OwnPaymentForbidden


def _two_say_so(payment: Payment, caller: Caller) -> bool:
    require_no_stake(payment, caller)
    return require_two(
        caller=caller,
        command=LIFT_COMMAND,
        subject=payment.reference,
        money=payment.money,
        figures={"attempt": payment.attempt},
    ).granted


def _locked(payment_id: int, caller: Caller) -> Payment:
    selectors.get_payment(caller, payment_id)
    payment = selectors.lock_payment(payment_id)
    if payment.status not in MAY_BE_HELD or payment.method != PaymentMethod.PSP:
        raise InvalidState(f"A payment that is {payment.status} cannot be held.")
    if payment.hold_reason == Hold.CHARGED_BACK:
        raise InvalidState("The bank gave this money back itself; it is never sent.")
    return payment
