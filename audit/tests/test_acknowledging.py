"""Alerts over the API and at the console: filtered, acknowledged once, then opened anew."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.actions import Action
from audit.alert_types import AlertType, Severity
from audit.errors import AlertNotFound
from audit.models import Alert, AuditEntry
from audit.services.alerts import acknowledge_alert, raise_alert
from audit.tests.together import run_together
from kobatela.accounts.tests.factories import make_key, make_staff, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Api

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _raise(
    subject: str = "payment:1",
    kind: AlertType = AlertType.PAYOUT_FAILED,
    severity: Severity = Severity.WARNING,
) -> Alert:
    return raise_alert(type=kind, severity=severity, subject=subject, message="It failed.")


def _acknowledged() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action=Action.ALERT_ACKNOWLEDGED).order_by("pk"))


@pytest.mark.django_db
def test_an_alert_is_acknowledged_with_a_note_that_the_trail_does_not_repeat() -> None:
    key, secret = make_key(Scope.SUPPORT)
    alert, other = _raise(), _raise("payment:2")
    _raise()

    with clock.frozen(AT):
        answer = Api(secret).post(
            f"/alerts/{alert.pk}/acknowledge", json={"note": "Called Ama, she waits."}
        )

    assert answer.status == 200
    assert answer.json["status"] == "ACKNOWLEDGED"
    assert answer.json["acknowledged_by"] == f"apikey:{key.public_id}"
    assert answer.json["acknowledged_at"] == "2026-01-31T12:00:00Z"
    assert answer.json["payload"] == {"note": "Called Ama, she waits."}
    (entry,) = _acknowledged()
    assert (entry.actor, entry.subject) == (f"apikey:{key.public_id}", f"alert:{alert.pk}")
    assert entry.body == '{"about":"payment:1","count":2,"has_note":true,"type":"PAYOUT_FAILED"}'
    other.refresh_from_db()
    assert (other.status, other.acknowledged_by) == ("OPEN", "")


@pytest.mark.django_db
def test_acknowledging_again_changes_nothing() -> None:
    alert = _raise()
    with clock.frozen(AT):
        acknowledge_alert(alert_id=alert.pk, actor="staff:1", note="First.")
    before = Alert.objects.values().get()

    with clock.frozen(AT + timedelta(hours=1)):
        acknowledge_alert(alert_id=alert.pk, actor="staff:2", note="Second.")

    assert Alert.objects.values().get() == before
    assert len(_acknowledged()) == 1


@pytest.mark.django_db
def test_what_is_raised_after_it_opens_a_new_alert() -> None:
    first = _raise()
    acknowledge_alert(alert_id=first.pk, actor="staff:1")

    second = _raise()

    assert second.pk != first.pk
    assert list(Alert.objects.order_by("pk").values_list("status", "count")) == [
        ("ACKNOWLEDGED", 1),
        ("OPEN", 1),
    ]


@pytest.mark.django_db
def test_an_alert_that_is_not_there_is_not_found() -> None:
    with pytest.raises(AlertNotFound):
        acknowledge_alert(alert_id=1, actor="staff:1")
    answer = Api(make_key(Scope.ADMIN)[1]).post("/alerts/1/acknowledge", json={})
    assert (answer.status, answer.code) == (404, "ALERT_NOT_FOUND")
    assert _acknowledged() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ("", ["job:a", "payment:2", "payment:1"]),
        ("?type=PAYOUT_FAILED", ["payment:2", "payment:1"]),
        ("?status=ACKNOWLEDGED", ["payment:2"]),
        ("?severity=critical", ["job:a"]),
        ("?type=PAYOUT_FAILED&status=OPEN&severity=warning", ["payment:1"]),
        ("?type=JOB_LATE&severity=warning", []),
    ],
)
def test_the_list_is_filtered_newest_first(query: str, subjects: list[str]) -> None:
    _raise("payment:1")
    acknowledge_alert(alert_id=_raise("payment:2").pk, actor="staff:1")
    _raise("job:a", AlertType.JOB_LATE, Severity.CRITICAL)

    answer = Api(make_key(Scope.SUPPORT)[1]).get(f"/alerts{query}")

    assert [item["subject"] for item in answer.json["items"]] == subjects


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "field"),
    [("?type=NOISE", "type"), ("?status=open", "status"), ("?severity=bad", "severity"),
     ("?subject=payment:1", "subject")],
)  # fmt: skip
def test_a_filter_that_is_not_known_is_refused(query: str, field: str) -> None:
    answer = Api(make_key(Scope.SUPPORT)[1]).get(f"/alerts{query}")

    assert answer.status == 422
    assert [item["field"] for item in answer.json["error"]["details"]["fields"]] == [field]


@pytest.mark.django_db
@pytest.mark.parametrize("scope", [Scope.SENDER, Scope.PROVIDER])
def test_a_partys_key_neither_reads_nor_acknowledges(scope: Scope) -> None:
    alert = _raise()
    api = Api(make_key(scope, user=make_user())[1])

    for answer in (api.get("/alerts"), api.post(f"/alerts/{alert.pk}/acknowledge", json={})):
        assert (answer.status, answer.code) == (403, "INSUFFICIENT_SCOPE")
    alert.refresh_from_db()
    assert alert.status == "OPEN"


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_nothing_that_is_raised_while_somebody_acknowledges_is_lost() -> None:
    first = _raise()
    raising: list[Any] = [_raise] * 12
    acknowledging = [
        partial(acknowledge_alert, alert_id=first.pk, actor=f"staff:{n}") for n in (1, 2)
    ]

    results = run_together([*raising, *acknowledging])

    assert [result for result in results if isinstance(result, Exception)] == []
    counts = dict(Alert.objects.values_list("status", "count"))
    assert sum(counts.values()) == 13
    assert set(counts) <= {"ACKNOWLEDGED", "OPEN"}
    assert len(_acknowledged()) == 1


def _console(role: str = "support") -> tuple[Client, str]:
    staff, client = make_staff(role), Client()
    client.force_login(staff)
    return client, f"staff:{staff.pk}"


@pytest.mark.console
@pytest.mark.django_db
def test_support_acknowledges_one_alert_at_the_console_with_or_without_a_note() -> None:
    client, actor = _console()
    alert = _raise()
    page = reverse("admin:audit_alert_acknowledge", args=[alert.pk])

    answer = client.post(page, {"note": ""}, follow=True)

    assert b"The alert is acknowledged." in answer.content
    alert.refresh_from_db()
    assert (alert.status, alert.acknowledged_by) == ("ACKNOWLEDGED", actor)
    shown = client.get(reverse("admin:audit_alert_change", args=[alert.pk])).content
    assert b"Somebody has acknowledged it already." in shown


@pytest.mark.console
@pytest.mark.django_db
def test_support_acknowledges_those_that_are_ticked_and_no_others() -> None:
    client, actor = _console()
    ticked, left = [_raise("payment:1"), _raise("payment:2")], _raise("payment:3")
    done = _raise("payment:4")
    acknowledge_alert(alert_id=done.pk, actor="staff:9")
    chosen = [alert.pk for alert in (*ticked, done)]

    answer = client.post(
        reverse("admin:audit_alert_changelist"),
        {"action": "acknowledge_selected", "index": "0", "_selected_action": chosen},
        follow=True,
    )

    assert b"Alerts acknowledged: 2." in answer.content
    left.refresh_from_db()
    assert left.status == "OPEN"
    by = dict(Alert.objects.exclude(pk=left.pk).values_list("pk", "acknowledged_by"))
    assert by == {ticked[0].pk: actor, ticked[1].pk: actor, done.pk: "staff:9"}
    assert [entry.subject for entry in _acknowledged()[1:]] == [f"alert:{a.pk}" for a in ticked]


@pytest.mark.console
@pytest.mark.django_db
def test_the_list_offers_nothing_but_to_acknowledge() -> None:
    client, _ = _console("admin")
    alert = _raise()

    listed = client.get(reverse("admin:audit_alert_changelist")).content
    client.post(
        reverse("admin:audit_alert_changelist"),
        {"action": "delete_selected", "index": "0", "_selected_action": [alert.pk]},
    )

    assert b"Acknowledge the selected alerts" in listed
    assert b"delete_selected" not in listed
    assert Alert.objects.filter(pk=alert.pk, status="OPEN").exists()
