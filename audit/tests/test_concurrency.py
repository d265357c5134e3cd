"""Many at once: numbers without gaps, alerts folded into one."""

from functools import partial

import pytest
from django.db import transaction

from audit.actions import Action
from audit.alert_types import AlertType, Severity
from audit.models import Alert, AuditEntry
from audit.selectors import stream_gaps
from audit.services.alerts import raise_alert
from audit.services.entries import record
from audit.tests.together import run_together

THREADS = 16
EACH = 20


def _write_and_sometimes_undo(number: int) -> None:
    for turn in range(EACH):
        with transaction.atomic():
            record(actor=f"a:{number}", action=Action.SWITCH_SET, subject="escrow:1")
            transaction.set_rollback(turn % 5 == 4)


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_sixteen_writers_of_one_stream_leave_no_gap_and_no_double() -> None:
    results = run_together([partial(_write_and_sometimes_undo, n) for n in range(THREADS)])

    assert results == [None] * THREADS
    kept = THREADS * EACH * 4 // 5
    numbers = AuditEntry.objects.filter(stream="escrow:1").order_by("pk")
    assert [entry.stream_seq for entry in numbers] == list(range(1, kept + 1))
    assert stream_gaps() == []


def _raise(number: int) -> None:
    raise_alert(
        type=AlertType.PAYOUT_FAILED,
        severity=Severity.WARNING,
        subject="payment:1",
        message=f"Payout failed, told by {number}.",
    )


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_one_alert_raised_by_sixteen_at_once_is_one_alert() -> None:
    results = run_together([partial(_raise, n) for n in range(THREADS)])

    assert results == [None] * THREADS
    alert = Alert.objects.get()
    assert alert.count == THREADS
    assert AuditEntry.objects.filter(action=Action.ALERT_RAISED).count() == 1
