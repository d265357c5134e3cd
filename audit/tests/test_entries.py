"""Entries: in the transaction of the change, numbered in their stream, never changed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from audit.actions import Action
from audit.models import AuditEntry, AuditStream, OutboxEvent
from audit.selectors import entries, stream_gaps, timeline
from audit.services.entries import record, record_apart
from kobatela.kernel import clock, context, trace

SWITCHED = Action.SWITCH_SET


@pytest.mark.django_db
def test_an_entry_keeps_exactly_what_was_said() -> None:
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    with clock.frozen(at), context.working_for("req-7"):
        written = record(
            actor="staff:3",
            action=SWITCHED,
            subject="payment:8",
            stream="escrow:12",
            body={"b": 2, "a": "é"},
            on_behalf_of=5,
        )

    stored = AuditEntry.objects.get(pk=written.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        (transaction_id,) = cursor.fetchone()
    assert (stored.stream, stored.stream_seq) == ("escrow:12", 1)
    assert stored.at == at
    assert (stored.actor, stored.on_behalf_of) == ("staff:3", 5)
    assert (stored.action, stored.subject) == ("switch.set", "payment:8")
    assert stored.request_id == "req-7"
    assert stored.body == '{"a":"é","b":2}'
    assert stored.transaction_id == written.transaction_id == transaction_id
    assert not OutboxEvent.objects.exists()


@pytest.mark.django_db
def test_the_stream_is_the_subjects_own_unless_given() -> None:
    assert record(actor="a:1", action=SWITCHED, subject="user:5").stream == "user:5"


@pytest.mark.django_db
def test_each_stream_counts_for_itself() -> None:
    written = [
        record(actor="a:1", action=SWITCHED, subject=subject)
        for subject in ("user:1", "user:2", "user:1", "user:1")
    ]

    assert [entry.stream_seq for entry in written] == [1, 1, 2, 3]


@pytest.mark.django_db
def test_an_entry_takes_one_round_trip() -> None:
    with CaptureQueriesContext(connection) as queries:
        record(actor="a:1", action=SWITCHED, subject="user:1", event="user.told", audience=[1])

    assert len(queries) == 1


@pytest.mark.django_db
def test_an_event_goes_to_the_outbox_with_its_audience() -> None:
    entry = record(
        actor="a:1",
        action=SWITCHED,
        subject="milestone:4",
        stream="escrow:12",
        body={"milestone": 4},
        event="milestone.released",
        audience=[7, 9],
    )

    event = OutboxEvent.objects.get()
    assert event.entry_id == entry.pk
    assert event.transaction_id == entry.transaction_id
    assert (event.event, event.subject, event.audience) == (
        "milestone.released",
        "milestone:4",
        [7, 9],
    )
    assert event.body == entry.body
    assert event.created_at == entry.at
    assert event.relayed_at is None


@pytest.mark.django_db(transaction=True)
def test_an_entry_outside_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        record(actor="a:1", action=SWITCHED, subject="user:1")

    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("body", [{"amount": 1.5}, {"when": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_a_body_without_canonical_form_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        record(actor="a:1", action=SWITCHED, subject="user:1", body=body)

    assert not AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_change_leaves_neither_entry_nor_gap() -> None:
    with transaction.atomic():
        record(actor="a:1", action=SWITCHED, subject="user:1")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record(actor="a:1", action=SWITCHED, subject="user:1")
        raise ZeroDivisionError
    with transaction.atomic():
        second = record(actor="a:1", action=SWITCHED, subject="user:1")

    assert second.stream_seq == 2
    assert AuditEntry.objects.count() == 2
    assert stream_gaps() == []


@pytest.mark.django_db(transaction=True, databases=["default", "apart"])
def test_an_entry_written_apart_survives_the_rollback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "AUDIT_APART_DATABASE", "apart")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record(actor="a:1", action=SWITCHED, subject="escrow:1")
        record_apart(actor="a:1", action=Action.ACCESS_REFUSED, subject="escrow:1")
        raise ZeroDivisionError

    kept = AuditEntry.objects.get()
    assert (kept.action, kept.subject) == ("access.refused", "escrow:1")
    assert kept.stream == "apart:escrow:1"
    assert stream_gaps() == []


@pytest.mark.django_db
def test_a_simulation_writes_nothing_apart() -> None:
    with trace.recording():
        record_apart(actor="a:1", action=Action.ACCESS_REFUSED, subject="escrow:1")

    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_auditentry SET body = '{}'",
        "DELETE FROM audit_auditentry",
        "TRUNCATE audit_auditentry CASCADE",
        "DELETE FROM audit_auditstream",
        "TRUNCATE audit_auditstream",
    ],
)
def test_the_application_role_may_not_change_what_was_written(change: str) -> None:
    record(actor="a:1", action=SWITCHED, subject="user:1", body={"a": 1})

    with (
        pytest.raises(DatabaseError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change)

    assert AuditEntry.objects.get().body == '{"a":1}'
    assert AuditStream.objects.get().last_seq == 1


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_auditentry SET body = '{}'",
        "DELETE FROM audit_auditentry",
        "TRUNCATE audit_auditentry CASCADE",
        "DELETE FROM audit_auditstream",
        "TRUNCATE audit_auditstream",
    ],
)
def test_a_trigger_stops_the_owner_too(change: str) -> None:
    with transaction.atomic():
        record(actor="a:1", action=SWITCHED, subject="user:1", body={"a": 1})

    with (
        pytest.raises(DatabaseError, match="audit entries are never changed"),
        transaction.atomic(using="owner"),
        connections["owner"].cursor() as cursor,
    ):
        cursor.execute(change)

    assert AuditEntry.objects.get().body == '{"a":1}'


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        ("SELECT 1", []),
        ("DELETE FROM audit_auditentry WHERE stream = 'user:1' AND stream_seq = 1", ["user:1"]),
        ("DELETE FROM audit_auditentry WHERE stream = 'user:1' AND stream_seq = 2", ["user:1"]),
        ("DELETE FROM audit_auditentry WHERE stream = 'user:1' AND stream_seq = 3", ["user:1"]),
        ("DELETE FROM audit_auditentry WHERE stream = 'user:1'", ["user:1"]),
        ("DELETE FROM audit_auditstream WHERE stream = 'user:2'", ["user:2"]),
        ("UPDATE audit_auditentry SET stream_seq = 9 WHERE stream = 'user:2'", ["user:2"]),
    ],
)
def test_a_missing_entry_shows_in_its_stream(damage: str, broken: list[str]) -> None:
    with transaction.atomic():
        for subject in ("user:1", "user:1", "user:1", "user:2"):
            record(actor="a:1", action=SWITCHED, subject=subject)
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(damage)

    assert stream_gaps() == broken


@pytest.mark.django_db
def test_an_escrow_finds_its_whole_stream_and_what_was_refused() -> None:
    record(actor="a:1", action=SWITCHED, subject="escrow:1")
    record(actor="a:1", action=SWITCHED, subject="payment:3", stream="escrow:1")
    record_apart(actor="a:1", action=Action.ACCESS_REFUSED, subject="escrow:1")
    record(actor="a:1", action=SWITCHED, subject="escrow:12")

    found = entries(subject="escrow:1").order_by("pk")

    assert [entry.subject for entry in found] == ["escrow:1", "payment:3", "escrow:1"]
    assert [entry.subject for entry in entries(subject="payment:3")] == ["payment:3"]


@pytest.mark.django_db
def test_entries_are_found_by_actor_action_and_time() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    with clock.frozen(early):
        first = record(actor="a:1", action=SWITCHED, subject="user:1")
    with clock.frozen(late):
        second = record(actor="a:2", action=Action.USER_READ, subject="user:1")

    assert list(entries(actor="a:1")) == [first]
    assert list(entries(action="user.read")) == [second]
    assert list(entries(since=late)) == [second]
    assert entries(actor="a:1", since=late).count() == 0


@pytest.mark.django_db
def test_a_timeline_shows_the_named_actions_in_order() -> None:
    for action in (Action.USER_CREATED, Action.USER_READ, Action.USER_UPDATED):
        record(actor="a:1", action=action, subject="user:1")

    shown = timeline("user:1", [Action.USER_CREATED, Action.USER_UPDATED])

    assert [entry.action for entry in shown] == ["user.created", "user.updated"]


def test_action_names_are_namespaced_and_unique() -> None:
    names = [action.value for action in Action]

    assert len(set(names)) == len(names)
    assert all(name.count(".") == 1 and name == name.lower() for name in names)
    assert max(map(len, names)) <= 60
