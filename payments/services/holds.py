"""Keeping a payment from being sent until staff has looked at it."""

from django.db import transaction

from audit.actions import Action
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState
from payments import bells, selectors
from payments.models import Hold, Payment, PaymentMethod, PaymentStatus
from payments.psp.base import Reason
from payments.services.rows import save, tell

MAY_BE_HELD = frozenset({PaymentStatus.PENDING, PaymentStatus.ERROR})


@transaction.atomic
def hold_payment(*, payment_id: int, caller: Caller) -> Payment:
    """Keep a payment that is not in transit where it is. Again: no change.

    Raises PaymentNotFound, and InvalidState once it was sent.
    """
    payment = _locked(payment_id, caller)
    if payment.hold_reason == Hold.STAFF:
        return payment
    payment.hold_reason = Hold.STAFF
    payment.reason = Reason.ON_HOLD
    save(payment, "hold_reason", "reason")
    tell(payment, Action.PAYMENT_HELD, caller.actor, body={"hold": str(Hold.STAFF)})
    return payment


@transaction.atomic
def lift_hold(*, payment_id: int, caller: Caller) -> Payment:
    """Let a payment go its way again; one that failed still needs to be executed.

    Raises PaymentNotFound, and InvalidState for one that is not on hold.
    """
    payment = _locked(payment_id, caller)
    if payment.hold_reason == Hold.NONE:
        raise InvalidState("It is not on hold.")
    payment.hold_reason = Hold.NONE
    payment.reason = Reason.NONE
    save(payment, "hold_reason", "reason")
    tell(payment, Action.PAYMENT_HOLD_LIFTED, caller.actor)
    if payment.status == PaymentStatus.PENDING:
        bells.ring_for_payment(payment.pk)
    return payment


def _locked(payment_id: int, caller: Caller) -> Payment:
    selectors.get_payment(caller, payment_id)
    payment = selectors.lock_payment(payment_id)
    if payment.status not in MAY_BE_HELD or payment.method != PaymentMethod.PSP:
        raise InvalidState(f"A payment that is {payment.status} cannot be held.")
    return payment
