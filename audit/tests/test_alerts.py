"""Alerts: folded while open, kept apart where asked, silent in simulations."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest
from django.conf import settings
from django.db import transaction

from audit.alert_types import AlertStatus, AlertType, Severity
from audit.models import Alert, AuditEntry
from audit.services.alerts import raise_alert
from kobatela.kernel import clock, trace
from kobatela.kernel.errors import InvalidState

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _raise(
    subject: str = "payment:1",
    message: str = "It failed.",
    payload: Mapping[str, int] = MappingProxyType({"attempt": 1}),
    **options: bool,
) -> Alert:
    return raise_alert(
        type=AlertType.PAYOUT_FAILED,
        severity=Severity.WARNING,
        subject=subject,
        message=message,
        payload=payload,
        actor_user_id=4,
        **options,
    )


@pytest.mark.django_db
def test_an_alert_says_what_happened() -> None:
    with clock.frozen(AT):
        _raise()

    alert = Alert.objects.get()
    assert (alert.type, alert.severity, alert.subject) == ("PAYOUT_FAILED", "warning", "payment:1")
    assert (alert.message, alert.payload, alert.actor_user_id) == ("It failed.", {"attempt": 1}, 4)
    assert (alert.status, alert.count) == ("OPEN", 1)
    assert alert.created_at == alert.last_seen_at == AT
    assert (alert.acknowledged_by, alert.acknowledged_at) == ("", None)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject) == ("alert.raised", f"alert:{alert.pk}")
    assert entry.body == '{"about":"payment:1","severity":"warning","type":"PAYOUT_FAILED"}'


@pytest.mark.django_db
def test_a_repeated_alert_folds_into_the_open_one() -> None:
    with clock.frozen(AT):
        first = _raise()
        clock.advance(timedelta(hours=1))
        second = _raise(message="It failed again.")

    alert = Alert.objects.get()
    assert first.pk == second.pk == alert.pk
    assert (alert.count, alert.message) == (2, "It failed again.")
    assert (alert.created_at, alert.last_seen_at) == (AT, AT + timedelta(hours=1))
    assert AuditEntry.objects.count() == 1


@pytest.mark.django_db
def test_a_folded_alert_keeps_the_last_ten_things_that_were_said() -> None:
    for receiver in (1, 1, *range(2, 14)):
        _raise(payload={"receiver": receiver})

    alert = Alert.objects.get()
    assert (alert.count, alert.payload["receiver"]) == (14, 13)
    assert alert.payload["earlier"] == [{"receiver": number} for number in range(12, 2, -1)]


@pytest.mark.django_db
def test_another_subject_is_another_alert() -> None:
    _raise("payment:1")
    _raise("payment:2")

    assert sorted(Alert.objects.values_list("subject", "count")) == [
        ("payment:1", 1),
        ("payment:2", 1),
    ]


@pytest.mark.django_db
def test_after_an_acknowledged_one_a_new_alert_opens() -> None:
    first = _raise()
    first.transition_to(AlertStatus.ACKNOWLEDGED)
    first.save(update_fields=["status"])

    second = _raise()

    assert second.pk != first.pk
    assert (second.status, second.count) == ("OPEN", 1)
    first.refresh_from_db()
    assert first.count == 1


@pytest.mark.parametrize("current", AlertStatus)
@pytest.mark.parametrize("target", AlertStatus)
def test_an_alert_moves_only_where_the_table_says(
    current: AlertStatus, target: AlertStatus
) -> None:
    alert = Alert(pk=1, status=current)
    allowed = {(AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED)}

    if (current, target) in allowed:
        alert.transition_to(target)
        assert alert.status == target
    else:
        with pytest.raises(InvalidState):
            alert.transition_to(target)
        assert alert.status == current


@pytest.mark.django_db(transaction=True, databases=["default", "apart"])
def test_an_alert_raised_apart_survives_the_rollback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "AUDIT_APART_DATABASE", "apart")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        _raise("payment:1")
        _raise("payment:2", apart=True)
        raise ZeroDivisionError

    assert Alert.objects.get().subject == "payment:2"
    assert AuditEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True, databases=["default", "apart"])
def test_a_simulation_alerts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "AUDIT_APART_DATABASE", "apart")
    with trace.recording(), pytest.raises(ZeroDivisionError), transaction.atomic():
        _raise(apart=True)
        raise ZeroDivisionError

    assert not Alert.objects.exists()
    assert not AuditEntry.objects.exists()
