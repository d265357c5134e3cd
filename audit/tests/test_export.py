"""The trail as a file: whole, in order, byte for byte, and in little memory."""

import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import reverse

from audit.actions import Action
from audit.models import AuditEntry
from audit.selectors import transaction_horizon
from audit.services import exports
from audit.services.entries import record
from audit.tests.together import run_together
from conftest import Scaled
from kobatela.accounts.tests.factories import make_key, make_staff
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.canonical import canonical_json
from kobatela.rest.tests.client import Answer, Api

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
# An entry is exported once no older transaction runs; inside a test's own it never would be.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def admin() -> Api:
    return Api(make_key(Scope.ADMIN)[1])


def write(subject: str = "escrow:1", action: Action = Action.SWITCH_SET, **body: Any) -> None:
    with transaction.atomic():
        record(actor="staff:1", action=action, subject=subject, body=body)


def lines(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200, answer.body
    return [json.loads(line) for line in answer.body.splitlines()]


def test_every_entry_is_a_line_with_the_exact_text_of_its_body(admin: Api) -> None:
    write(z=1, a="é")

    answer = admin.get("/audit/export?subject=escrow:1")

    assert answer.headers["Content-Type"] == "application/jsonl"
    entry = AuditEntry.objects.get(subject="escrow:1")
    assert lines(answer) == [
        {
            "id": entry.pk,
            "at": entry.at.isoformat(),
            "actor": "staff:1",
            "on_behalf_of": None,
            "action": "switch.set",
            "subject": "escrow:1",
            "stream": "escrow:1",
            "stream_seq": 1,
            "request_id": "",
            "transaction_id": entry.transaction_id,
            "body": {"a": "é", "z": 1},
        }
    ]
    assert f'"body":{entry.body}}}\n'.encode() in answer.body
    assert canonical_json(lines(answer)[0]["body"]) == entry.body


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ("?actor=staff:1", ["escrow:1", "user:1", "escrow:2"]),
        ("?subject=user:1", ["user:1"]),
        ("?action=switch.set&subject=escrow:2", ["escrow:2"]),
        ("?actor=staff:1&since=2026-01-31T12:00:01Z", ["user:1", "escrow:2"]),
        ("?actor=staff:1&until=2026-01-31T12:00:01Z", ["escrow:1"]),
        ("?actor=staff:2", []),
    ],
)
def test_it_is_filtered_like_the_list_oldest_first(
    admin: Api, query: str, subjects: list[str]
) -> None:
    with clock.frozen(AT):
        for subject in ("escrow:1", "user:1", "escrow:2"):
            write(subject)
            clock.advance(timedelta(seconds=1))

    assert [line["subject"] for line in lines(admin.get(f"/audit/export{query}"))] == subjects


def test_who_exports_is_in_the_trail_and_only_admins_do(admin: Api) -> None:
    admin.get("/audit/export?subject=user:1")

    entry = AuditEntry.objects.get(action="audit.exported")
    assert entry.actor.startswith("apikey:")
    assert json.loads(entry.body)["filters"] == {"subject": "user:1"}
    for scope in (Scope.SUPPORT, Scope.SENDER):
        answer = Api(make_key(scope)[1]).get("/audit/export")
        assert (answer.status, answer.code) == (403, "INSUFFICIENT_SCOPE")
    assert admin.get("/audit/export?colour=red").status == 422
    # All that matches or nothing: a part that looks like the whole would mislead.
    assert admin.get("/audit/export?limit=1").status == 422
    assert AuditEntry.objects.filter(action="audit.exported").count() == 1


def _subjects() -> list[str]:
    chunks = exports.export_lines(horizon=transaction_horizon(), actor="staff:1")
    return [json.loads(line)["subject"] for chunk in chunks for line in chunk.splitlines()]


def test_nothing_is_told_beside_which_an_unfinished_transaction_may_yet_write() -> None:
    write("escrow:1")
    seen: list[list[str]] = []

    def later() -> None:
        write("escrow:3")
        seen.append(_subjects())

    with transaction.atomic():
        # Its id is given out now; what another writes meanwhile has a later one and commits first.
        record(actor="staff:1", action=Action.SWITCH_SET, subject="escrow:2")
        run_together([later])

    assert seen == [["escrow:1"]]
    assert _subjects() == ["escrow:1", "escrow:2", "escrow:3"]


def test_a_restored_trail_is_told_though_its_transactions_were_counted_elsewhere() -> None:
    write("escrow:1")
    restored = transaction_horizon().next_number + 1_000_000
    _insert("escrow:2", restored)
    horizon = transaction_horizon()
    # What begins now is left for the next time, whatever is restored.
    write("escrow:3")

    chunks = exports.export_lines(horizon=horizon, actor="staff:1")
    told = [json.loads(line)["subject"] for chunk in chunks for line in chunk.splitlines()]

    assert told == ["escrow:1", "escrow:2"]
    assert _subjects() == ["escrow:1", "escrow:2", "escrow:3"]


def _insert(subject: str, transaction_id: int) -> None:
    """An entry as a restored dump brings it, past the function that numbers."""
    AuditEntry.objects.create(
        transaction_id=transaction_id,
        stream=subject,
        stream_seq=1,
        at=AT,
        actor="staff:1",
        action=Action.SWITCH_SET,
        subject=subject,
        body="{}",
    )


@pytest.fixture
def many(scaled: Scaled) -> Iterator[int]:
    """Entries as if written long ago."""
    rows = scaled(ci=20_000, soak=1_000_000)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO audit_auditentry (transaction_id, stream, stream_seq, at, actor, action,
                                          subject, request_id, body)
            SELECT 1, 'bulk', n, now(), 'staff:1', 'switch.set', 'bulk:1', 'req_1',
                   '{"note":"' || repeat('x', 400) || '"}'
              FROM generate_series(1, %s) AS n
            """,
            [rows],
        )
    yield rows
    connections.close_all()


def test_a_long_trail_takes_the_memory_of_one_batch(many: int) -> None:
    horizon = transaction_horizon()
    next(exports.export_lines(horizon=horizon))
    written = counted = 0
    tracemalloc.start()
    for chunk in exports.export_lines(horizon=horizon, actor="staff:1"):
        written += len(chunk)
        counted += chunk.count(b"\n")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert counted == many
    assert written > 500 * many
    assert peak_bytes < 8_000_000
    assert peak_bytes < written


@pytest.mark.console
def test_an_admin_exports_at_the_console_and_support_does_not() -> None:
    write("escrow:1")
    write("escrow:2")
    client, support = Client(), Client()
    client.force_login(make_staff("admin"))
    support.force_login(make_staff("support"))
    page = reverse("admin:audit_auditentry_export")

    got = client.get(f"{page}?subject=escrow:2")

    told = [json.loads(line)["subject"] for line in got.getvalue().splitlines()]
    assert told == ["escrow:2"]
    assert b"Export" in client.get(reverse("admin:audit_auditentry_changelist")).content
    assert support.get(page).status_code == 403
