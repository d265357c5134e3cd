"""Giving up a payment that its PSP never got, where only people can find out."""

from django.db import transaction

from kobatela.accounts.services.approvals import ApprovalState, require_two
from kobatela.kernel.caller import Caller
from kobatela.kernel.crashpoints import crashpoint
from kobatela.rest.errors import InsufficientScope
from payments import selectors
from payments.errors import PaymentMayBeKnown
from payments.models import Attempt, Payment, PaymentMethod, PaymentStatus
from payments.psp import registry
from payments.psp.base import OrderState, Outcome, Reason
from payments.services.holds import require_no_stake
from payments.services.outcomes import record_outcome
from payments.services.rows import lock_owner
from payments.services.sending import ask_about, may_give_up

GIVE_UP_COMMAND = "never_received"
# The PSP knows no such order, or cannot be asked: then people's word is all there is.
_LEFT_TO_PEOPLE = frozenset({OrderState.NOT_FOUND, OrderState.UNKNOWN, OrderState.BLOCKED})


def say_never_received(*, payment_id: int, caller: Caller) -> ApprovalState:
    """Say that the PSP never got a payment; the second person's word lets it fail for good.

    A worker finds the same out by itself where the PSP can be asked, and before anybody's word
    counts it is asked once more: its answer stands above theirs. So call it outside a transaction.
    What is executed after that has a new key. Raises PaymentNotFound, InsufficientScope for who is
    not staff, OwnPaymentForbidden, ApprovalNeedsUser, and PaymentMayBeKnown while the PSP has
    confirmed it once, has it now, or could still get it.
    """
    payment = selectors.get_payment(caller, payment_id)
    attempt = _require_may_say(payment, caller)
    if attempt.psp in registry.reachable():
        found = ask_about(payment, attempt)
        crashpoint("never_received.asked")
        if found.state is not OrderState.NOT_FOUND:
            record_outcome(attempt_id=attempt.pk, outcome=found, actor=f"psp:{attempt.psp}")
        if found.state not in _LEFT_TO_PEOPLE:
            raise PaymentMayBeKnown
    state = _count(payment, caller)
    crashpoint("never_received.said")
    return state


@transaction.atomic
def _count(seen: Payment, caller: Caller) -> ApprovalState:
    lock_owner(seen)
    payment = selectors.lock_payment(seen.pk)
    attempt = _require_may_say(payment, caller)
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
    crashpoint("never_received.written")
    return state


def _require_may_say(payment: Payment, caller: Caller) -> Attempt:
    """The open attempt of a payment of which the caller may say so."""
    if not caller.is_staff:
        raise InsufficientScope
    require_no_stake(payment, caller)
    attempt = selectors.current_attempt(payment)
    is_online = payment.method == PaymentMethod.PSP and payment.psp in registry.ONLINE
    is_open = payment.status == PaymentStatus.SENT and is_online
    if attempt is None or not is_open or not may_give_up(attempt):
        raise PaymentMayBeKnown
    return attempt
