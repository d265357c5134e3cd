"""A PSP that has our money and cannot pay it out yet: what payers put in by card is pending there
for days. A payment waits for that by itself, and is tried again under a new key: under the old one
the PSP would only repeat its refusal."""

from datetime import datetime, timedelta

from audit import selectors as audit_selectors
from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from payments import waiting
from payments.models import Attempt, Hold, Payment
from payments.psp.base import Reason
from payments.services.rows import hold_after, put_on_hold, save_started_over, start_over, tell

# A quarter of an hour after the first try, twice as long after each other, and then twice a day.
FIRST_WAIT = timedelta(minutes=15)
LONGEST_WAIT = timedelta(hours=12)
WAITS_TOO_LONG = timedelta(days=7)
_ALERTED_ONCE = timedelta(days=400)
_BATCH = 200


def wait_for_funds(payment: Payment, *, actor: str) -> None:
    """Let a locked payment whose try has just failed for want of money wait for the next one. What
    it had in transit is booked back, and the try has its end."""
    tries = Attempt.objects.filter(payment=payment, reason=Reason.FUNDS_PENDING).count()
    wait = min(FIRST_WAIT * (1 << min(tries - 1, 10)), LONGEST_WAIT)
    tell(payment, Action.PAYMENT_FUNDS_PENDING, actor, body={"psp": payment.psp, "tries": tries})
    start_over(payment)
    payment.reason = Reason.FUNDS_PENDING
    payment.lease_until = clock.now() + wait
    put_on_hold(payment, hold_after(payment, Hold.NONE))
    save_started_over(payment)
    tell(payment, Action.PAYMENT_RETRIED, "system:payments")


def must_wait_for_funds(payment: Payment) -> bool:
    """Whether a payment that waits for the PSP's money is not to be tried again yet."""
    next_try_at: datetime | None = payment.lease_until
    is_early = next_try_at is not None and next_try_at > clock.now()
    return payment.reason == Reason.FUNDS_PENDING and is_early


def alert_funds_pending() -> int:
    """Tell once of each payment that has waited too long; how many wait so long."""
    now = clock.now()
    late = waiting.payments_without_funds_since(now - WAITS_TOO_LONG, _BATCH)
    type_, names = AlertType.COVERAGE_SHORTFALL, [payment.reference for payment in late]
    told = audit_selectors.alerted_since(type_, names, now - _ALERTED_ONCE)
    for payment in late:
        if payment.reference not in told:
            raise_alert(
                type=type_,
                severity=Severity.WARNING,
                subject=payment.reference,
                message="A PSP has had no money available for a payment for seven days.",
                payload={
                    "escrow": payment.escrow_id,
                    "psp": payment.psp,
                    "amount_minor": payment.amount_minor,
                    "currency": payment.currency,
                    "attempt": payment.attempt,
                },
            )
    return len(late)
