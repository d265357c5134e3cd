"""Finding the work that no doorbell told of, or whose worker died."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings

from audit import selectors as audit_selectors
from audit.services import switches
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from kobatela.kernel.crashpoints import crashpoint
from payments import selectors, sessions
from payments.batches import overdue_batches
from payments.psp import registry
from payments.services.cover import payments_to_sort, sort_payment
from payments.services.events import postpone_event, process_event
from payments.services.fundings import (
    LOOK_AT_ENDED_FOR,
    look_up_ended_funding,
    look_up_fee,
    look_up_funding,
)
from payments.services.funds_pending import alert_funds_pending
from payments.services.sending import send_payment
from payments.waiting import payments_to_try_again

logger = logging.getLogger(__name__)

# The doorbell has its chance first.
PATIENCE = timedelta(seconds=10)
UNKNOWN_TOO_LONG = timedelta(hours=1)
# A transfer takes a working day, and there are weekends.
STATEMENT_WITHIN = timedelta(days=3)
# Who was told today is told again tomorrow.
TOLD_EVERY = timedelta(days=1)
BATCH = 200
# Nearly all of these were never paid.
ENDED_BATCH = 50
# A PSP that does not answer makes every call last; the next run goes on with what is overdue most.
TIME_FOR_EACH = timedelta(seconds=45)


def sweep(beat: Callable[[], None] = lambda: None) -> dict[str, int]:
    """Send what was never sent, look up what is in transit, process what waits; how much of each.

    Safe to run at any time, also twice at once. `beat` is called between the steps.
    """
    now = clock.now()
    paused = switches.is_on(switches.SwitchName.PAYOUTS_PAUSED)
    unsent = [] if paused else selectors.payments_to_send(now - PATIENCE, BATCH)
    unsorted = [] if paused else payments_to_sort(BATCH)
    waiting = [] if paused else selectors.payments_to_route(now, BATCH)
    short = [] if paused else payments_to_try_again(now, BATCH)
    return {
        "events": _each(_event, selectors.events_to_process(now, BATCH), beat),
        "sent": _each(_send, unsent, beat),
        "covered": _each(_sort, unsorted, beat),
        "routed": _each(_send, waiting, beat),
        "tried_again": _each(_send, short, beat),
        "looked_up": _each(_send, selectors.payments_to_look_up(now, BATCH), beat),
        "fundings": _each(_look_up, sessions.fundings_to_look_up(now, BATCH), beat),
        "ended_fundings": _each(_look_up_ended, _ended_fundings(now), beat),
        "fees": _each(_look_up_fee, _without_fee(now), beat),
        "unknown": _alert_unknown(),
        "without_funds": alert_funds_pending(),
        "overdue": _alert_overdue(),
        "overdue_refunds": _alert_overdue_refunds(),
    }


def _each(work: Callable[[int], None], row_ids: list[int], beat: Callable[[], None]) -> int:
    ends_at = clock.now() + TIME_FOR_EACH
    for done, row_id in enumerate(row_ids):
        if clock.now() > ends_at:
            return done
        beat()
        try:
            work(row_id)
        except Exception:
            # One row that breaks must not keep the others waiting.
            logger.exception("Row %s could not be worked on", row_id)
    return len(row_ids)


def _send(payment_id: int) -> None:
    send_payment(payment_id=payment_id)


def _sort(payment_id: int) -> None:
    sort_payment(payment_id=payment_id)


def _look_up(funding_id: int) -> None:
    look_up_funding(funding_id=funding_id)


def _look_up_ended(funding_id: int) -> None:
    look_up_ended_funding(funding_id=funding_id)


def _ended_fundings(now: datetime) -> list[int]:
    since = now - LOOK_AT_ENDED_FOR
    return sessions.ended_fundings_to_look_up(now, registry.reachable(), since, ENDED_BATCH)


def _look_up_fee(funding_id: int) -> None:
    look_up_fee(funding_id=funding_id)


def _without_fee(now: datetime) -> list[int]:
    psps = set(registry.FEE_ON_RECORD) & set(registry.reachable())
    return sessions.fundings_without_fee(now, psps, BATCH) if psps else []


def _event(event_id: int) -> None:
    is_to_be_tried = postpone_event(event_id=event_id)
    crashpoint("event.postponed")
    if is_to_be_tried:
        process_event(event_id=event_id)


def _alert_unknown() -> int:
    unknown = selectors.payments_unknown_since(clock.now() - UNKNOWN_TOO_LONG, BATCH)
    for payment in unknown:
        raise_alert(
            type=AlertType.PAYOUT_UNKNOWN,
            severity=Severity.CRITICAL,
            subject=payment.reference,
            message="The PSP has not said for an hour whether it has a payment.",
            payload={
                "escrow": payment.escrow_id,
                "amount_minor": payment.amount_minor,
                "currency": payment.currency,
                "attempt": payment.attempt,
            },
        )
    return len(unknown)


def _alert_overdue() -> int:
    overdue = overdue_batches(clock.now() - STATEMENT_WITHIN)
    for batch in overdue:
        raise_alert(
            type=AlertType.BATCH_OVERDUE,
            severity=Severity.WARNING,
            subject=batch.reference,
            message="No statement has told for three days what became of some lines of a batch.",
            payload={"total_minor": batch.total_minor, "currency": batch.currency},
        )
    return len(overdue)


def _alert_overdue_refunds() -> int:
    now = clock.now()
    within = timedelta(days=settings.KOBATELA_EXTERNAL_REFUND_DAYS)
    overdue = selectors.overdue_external(now - within, BATCH)
    names = [payment.reference for payment in overdue]
    type_ = AlertType.EXTERNAL_REFUND_OVERDUE
    told = audit_selectors.alerted_since(type_, names, now - TOLD_EVERY)
    for payment in overdue:
        if payment.reference not in told:
            raise_alert(
                type=type_,
                severity=Severity.WARNING,
                subject=payment.reference,
                message="A refund that is paid outside the PSP has not been confirmed in time.",
                payload={
                    "escrow": payment.escrow_id,
                    "collector": payment.collector_id,
                    "amount_minor": payment.amount_minor,
                    "currency": payment.currency,
                },
            )
    return len(overdue)
