"""Giving up a payment that its PSP never got, where only people can find out."""

from django.db import transaction

from kobatela.accounts.selectors import is_independent
from kobatela.accounts.services.approvals import ApprovalState, require_two
from kobatela.kernel.caller import Caller
from kobatela.rest.errors import InsufficientScope
from payments import selectors
from payments.errors import OwnPaymentForbidden, PaymentMayBeKnown
from payments.models import PaymentMethod, PaymentStatus
from payments.psp.base import OrderState, Outcome, Reason
from payments.psp.registry import ONLINE
from payments.services.outcomes import record_outcome
from payments.services.rows import lock_owner
from payments.services.sending import may_give_up

GIVE_UP_COMMAND = "never_received"


@transaction.atomic
def say_never_received(*, payment_id: int, caller: Caller) -> ApprovalState:
    """Say that the PSP never got a payment; the second person's word lets it fail for good.

    A worker finds the same out by itself where the PSP can be asked. What is executed after that
    has a new key. Raises PaymentNotFound, InsufficientScope for who is not staff,
    OwnPaymentForbidden, ApprovalNeedsUser, and PaymentMayBeKnown while the PSP has confirmed it
    once, or could still get it.
    """
    if not caller.is_staff:
        raise InsufficientScope
    seen = selectors.get_payment(caller, payment_id)
    lock_owner(seen)
    payment = selectors.lock_payment(payment_id)
    sides = [side for side in (payment.payer_id, payment.payee_id) if side is not None]
    if not is_independent(caller, *sides):
        raise OwnPaymentForbidden
    attempt = selectors.current_attempt(payment)
    is_online = payment.method == PaymentMethod.PSP and payment.psp in ONLINE
    is_open = payment.status == PaymentStatus.SENT and is_online
    if attempt is None or not is_open or not may_give_up(attempt):
        raise PaymentMayBeKnown
    state = require_two(
        caller=caller,
        command=GIVE_UP_COMMAND,
        subject=payment.reference,
        money=payment.money,
        figures={"attempt": attempt.number},
    )
    if state.granted:
        outcome = Outcome(OrderState.FAILED, reason=Reason.NEVER_RECEIVED)
        record_outcome(attempt_id=attempt.pk, outcome=outcome, actor=caller.actor)
    return state
