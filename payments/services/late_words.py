"""A PSP that has a payment after all, of which it had said that it never got it."""

from datetime import timedelta

from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from payments import hooks
from payments.models import Attempt, Hold, Payment, PaymentStatus
from payments.psp.base import OrderState, Outcome, Reason
from payments.services import books
from payments.services.kept import owe_again, rest_was_sent
from payments.services.rows import save, tell

_TURNED_UP = "The PSP has a payment that it was said never to have got; it is in transit again."
_HAS_IT = frozenset({OrderState.ACCEPTED, OrderState.SETTLED, OrderState.RETURNED})


def reopen_if_it_turned_up(
    payment: Payment, attempt: Attempt, outcome: Outcome, *, actor: str, lease: timedelta
) -> None:
    """Let a locked payment go on as if it had never been given up, should the PSP have it.

    Not once it is tried again: then the first order contradicts what is known. Nor once it was
    kept, because the payer's bank gave the money back itself, and what was left of it was sent.
    """
    if _turned_up(payment, attempt, outcome):
        reopen(payment, attempt, actor=actor, lease=lease, message=_TURNED_UP)


def _turned_up(payment: Payment, attempt: Attempt, outcome: Outcome) -> bool:
    was_given_up = attempt.reason == Reason.NEVER_RECEIVED and attempt.number == payment.attempt
    waits = payment.status == PaymentStatus.ERROR
    may_be = was_given_up and waits and outcome.state in _HAS_IT
    return may_be and not rest_was_sent(payment)


def reopen(
    payment: Payment, attempt: Attempt, *, actor: str, lease: timedelta, message: str
) -> None:
    """Put a locked payment that had failed in transit again, on the attempt that it is on.

    What was kept of it for a debt is owed again. message: what the critical alert says. Raises
    InvalidState as `owe_again` does.
    """
    owe_again(payment, actor=actor)
    if payment.hold_reason != Hold.NONE:
        tell(payment, Action.PAYMENT_HOLD_LIFTED, actor)
    attempt.result, attempt.reason, attempt.finished_at = "", Reason.NONE, None
    attempt.save(update_fields=["result", "reason", "finished_at"])
    payment.transition_to(PaymentStatus.SENT)
    payment.hold_reason, payment.reason = Hold.NONE, Reason.NONE
    payment.lease_until = clock.now() + lease
    save(payment, "status", "hold_reason", "reason", "lease_until")
    books.book_found(payment)
    tell(payment, Action.PAYMENT_FOUND, actor)
    hooks.payment_handler(payment.kind).sent(payment)
    raise_alert(
        type=AlertType.PSP_EVENT_CONTRADICTS,
        severity=Severity.CRITICAL,
        subject=payment.reference,
        message=message,
        payload={"escrow": payment.escrow_id, "attempt": attempt.number, "psp": attempt.psp},
    )
