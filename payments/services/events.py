"""Taking in what PSPs report: stored at once, processed by a worker, never lost and never twice."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction

from audit.actions import Action
from audit.services import entries
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.canonical import sha256_hex
from kobatela.kernel.crashpoints import crashpoint
from payments import bells, selectors
from payments.models import EventStatus, PspEvent
from payments.services import reports
from payments.services.reports import Verdict
from payments.webhooks import readers

# The doorbell has its chance before the sweeper looks.
FIRST_SWEEP_AFTER = timedelta(seconds=10)
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
WAIT_AT_MOST = timedelta(hours=72)
# With the growing waits between them these take more than four hours.
BREAKS_AT_MOST = 12
BROKEN = "PROCESSING_BREAKS"

# One statement, so that of two deliveries at once exactly one is the first.
_STORE = """
INSERT INTO payments_pspevent (provider, event_id, type, body, sha256, secret_id, status, tries,
                               next_try_at, reason, received_at)
VALUES (%s, %s, %s, %s, %s, %s, 'RECEIVED', 0, %s, '', %s)
ON CONFLICT (provider, event_id) DO NOTHING RETURNING id
"""


OPEN = frozenset({EventStatus.RECEIVED, EventStatus.WAITING})


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one delivery."""

    event_id: str
    is_duplicate: bool


@transaction.atomic
def store_event(*, body: bytes, secret_id: str, provider: str | None = None) -> Stored:
    """Keep a verified delivery as it came; a worker processes it after the commit.

    provider: whose door it came to, where a PSP has one of its own. One that is here already has
    no further effect; if it says something else than the first one of its id, staff is alerted.
    Raises WebhookBodyInvalid and MissingEventId.
    """
    report = readers.read(provider, body)
    sha256 = sha256_hex(body)
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            _STORE,
            [
                report.provider,
                report.event_id,
                report.type,
                body,
                sha256,
                secret_id,
                now + FIRST_SWEEP_AFTER,
                now,
            ],
        )
        row = cursor.fetchone()
    if row is not None:
        bells.ring_for_event(row[0])
        return Stored(report.event_id, is_duplicate=False)
    first = PspEvent.objects.get(provider=report.provider, event_id=report.event_id)
    if not readers.say_the_same(first.provider, bytes(first.body), body):
        raise_alert(
            type=AlertType.PSP_EVENT_CONTRADICTS,
            severity=Severity.CRITICAL,
            subject=first.reference,
            message="A PSP sent a second event under an id that it had used for another one.",
            payload={"first_sha256": first.sha256, "second_sha256": sha256},
        )
    return Stored(report.event_id, is_duplicate=True)


def process_event(*, event_id: int) -> EventStatus:
    """Let a stored event have its effect; what has been processed has none again.

    An event about something that is not known waits, 72 hours at most; then staff is alerted.
    Raises EventNotFound.
    """
    event = selectors.get_event(event_id)
    report = readers.read(event.provider, bytes(event.body))
    with transaction.atomic():
        # What the event is about is locked first, so two workers with one event wait there.
        target = reports.find_target(report)
        reports.lock_target(target)
        event = selectors.lock_event(event_id)
        if event.status in {EventStatus.PROCESSED, EventStatus.IGNORED}:
            return EventStatus(event.status)
        done = reports.apply(report, target, actor=f"psp:{event.provider}")
        event.payment_id, event.funding_id = target.payment_id, target.funding_id
        _finish(event, done)
        crashpoint("event.applied")
    crashpoint("event.processed")
    return EventStatus(event.status)


@transaction.atomic
def postpone_event(*, event_id: int) -> bool:
    """Count a try and set the next one, before it is made: an event whose processing breaks a
    worker must not be the next one again at once. Whether it is to be tried: one that broke every
    time has failed, and staff is alerted."""
    event = selectors.lock_event(event_id)
    if event.breaks >= BREAKS_AT_MOST and event.status in OPEN:
        _finish(event, Verdict(EventStatus.FAILED, BROKEN))
        return False
    event.tries += 1
    event.breaks += 1
    event.next_try_at = clock.now() + _wait(event.tries)
    event.save(update_fields=["tries", "breaks", "next_try_at"])
    return True


@transaction.atomic
def reprocess_event(*, event_id: int, caller: Caller) -> PspEvent:
    """Let a worker look at an event once more. Raises EventNotFound, and InvalidState for one
    that had its effect."""
    event = selectors.lock_event(event_id)
    if event.status not in OPEN:
        event.transition_to(EventStatus.WAITING)
    event.next_try_at = clock.now() + FIRST_SWEEP_AFTER
    event.reason = ""
    event.tries = event.breaks = 0
    event.save(update_fields=["status", "next_try_at", "reason", "tries", "breaks"])
    entries.record(
        actor=caller.actor,
        action=Action.PSP_EVENT_REPROCESSED,
        subject=event.reference,
        body={"provider": event.provider, "sha256": event.sha256},
    )
    bells.ring_for_event(event.pk)
    return event


def _finish(event: PspEvent, done: Verdict) -> None:
    now = clock.now()
    if done.status == EventStatus.WAITING and now - event.received_at > WAIT_AT_MOST:
        done = Verdict(EventStatus.FAILED, "NEVER_MATCHED")
    if done.status == EventStatus.WAITING:
        event.next_try_at = now + _wait(event.tries)
    if event.status != done.status:
        event.transition_to(done.status)
    event.reason = done.reason
    event.processed_at = now
    event.breaks = 0
    event.save(
        update_fields=[
            "status",
            "reason",
            "next_try_at",
            "processed_at",
            "breaks",
            "payment",
            "funding",
        ]
    )
    if done.status == EventStatus.FAILED:
        raise_alert(
            type=AlertType.PSP_EVENT_UNMATCHED,
            severity=Severity.WARNING,
            subject=event.reference,
            message="A PSP reported something that could not be taken; a person must look.",
            payload={"provider": event.provider, "type": event.type, "reason": done.reason},
        )


def _wait(tries: int) -> timedelta:
    return min(FIRST_WAIT * (1 << min(tries, 12)), LONGEST_WAIT)
