"""The health pages, with everything up and with things down."""

import hashlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from audit.services import counters
from audit.services.jobs import run_exclusively
from audit.services.schedules import ensure_schedule, set_job_enabled
from audit.services.switches import set_switch
from kobatela.accounts.tests.factories import make_key
from kobatela.api.health import probes, report
from kobatela.api.health.serializers import HealthOut
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest import redis as rest_redis
from kobatela.rest import throttling
from kobatela.rest.tests.client import Answer, Api
from payments.ledger.tests.helpers import give
from payments.services.coverage import watch_coverage
from proofs.models import AdvisorState

# Probes look from threads of their own, so they see only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

PUBLIC_FIELDS = {
    "status",
    "db_status",
    "migrations_status",
    "redis_status",
    "psp_webhook_secret_status",
    "stripe",
    "ai_proof_enabled",
    "ocr_enabled",
    "ai_metrics",
    "ocr_metrics",
    "scheduler_config_enabled",
    "scheduler_running",
    "scheduler_lock",
}
NOTHING_ASKED = {
    "calls": 0,
    "errors": 0,
    "skipped": 0,
    "latency_ms_total": 0,
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "breaker": "closed",
    "breaker_failures": 0,
    "breaker_opened_at": None,
}


def health(path: str = "/health", key: str | None = None) -> Answer:
    """The page, which must come within two seconds."""
    started = time.monotonic()
    answer = Api(key).get(path)
    assert time.monotonic() - started < 2
    return answer


def _no_work(heartbeat: object) -> dict[str, Any]:
    return {}


def most_frequent_job() -> str:
    return min(report.scheduled_jobs(), key=lambda job: job.every_s).name


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def database_at(port: int) -> Iterator[None]:
    """New connections go to `port` on this machine."""
    elsewhere = {"HOST": "127.0.0.1", "PORT": str(port)}
    with patch.dict(connections.settings["default"], elsewhere):
        yield


# The meter's timer may be asking one of them still; closed under its hands it would raise.
_clients: list[Any] = []


@contextmanager
def redis_at(port: int) -> Iterator[None]:
    _clients.append(rest_redis.client())
    rest_redis.client.cache_clear()
    throttling.forget()
    try:
        with override_settings(REDIS_URL=f"redis://127.0.0.1:{port}/0"):
            _clients.append(rest_redis.client())
            yield
    finally:
        rest_redis.client.cache_clear()
        throttling.forget()


def test_everything_up_is_ok() -> None:
    run_exclusively(most_frequent_job(), _no_work)
    answer = health()
    assert answer.status == 200
    assert set(answer.json) == PUBLIC_FIELDS
    assert answer.json["status"] == "ok"
    assert answer.json["db_status"] == "ok"
    assert answer.json["migrations_status"] == "up_to_date"
    assert answer.json["redis_status"] == "ok"
    assert answer.json["scheduler_running"] is True
    assert answer.json["scheduler_lock"] == {"status": "none"}
    assert answer.json["ai_metrics"] == NOTHING_ASKED


def test_a_scheduler_that_has_not_ticked_for_two_periods_is_not_running() -> None:
    assert health().json["scheduler_running"] is False
    run_exclusively(most_frequent_job(), _no_work)
    period_s = min(job.every_s for job in report.scheduled_jobs())
    with clock.frozen(clock.now() + timedelta(seconds=2 * period_s + 1)):
        assert health().json["scheduler_running"] is False


def test_a_migration_that_is_not_applied_is_degraded_and_not_ready() -> None:
    known = frozenset({*probes._known_migrations(), ("escrow", "9999_of_tomorrow")})
    with patch.object(probes, "_known_migrations", return_value=known):
        answer = health()
        ready = health("/health/ready")
    assert (answer.json["status"], answer.json["migrations_status"]) == ("degraded", "out_of_date")
    assert (ready.status, ready.code) == (503, "NOT_READY")


@pytest.mark.parametrize("is_silent", [True, False])
def test_d42_a_database_that_is_down_is_degraded_within_two_seconds(
    is_silent: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    with silent_port() as silent, database_at(silent if is_silent else closed_port()):
        answer = health()
        ready = health("/health/ready")
    assert answer.status == 200
    assert set(answer.json) == PUBLIC_FIELDS
    assert answer.json["status"] == "degraded"
    assert answer.json["db_status"] == "error"
    assert answer.json["migrations_status"] == "unknown"
    assert answer.json["scheduler_lock"] == {"status": "unknown"}
    assert answer.json["redis_status"] == "ok"
    assert (ready.status, ready.code) == (503, "NOT_READY")
    assert health().json["status"] == "ok"


@pytest.mark.parametrize("is_silent", [True, False])
def test_d42_a_redis_that_is_down_is_degraded_within_two_seconds(
    is_silent: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    with silent_port() as silent, redis_at(silent if is_silent else closed_port()):
        answer = health()
    assert answer.status == 200
    assert answer.json["status"] == "degraded"
    assert answer.json["redis_status"] == "error"
    assert answer.json["db_status"] == "ok"
    assert answer.json["ai_metrics"] == NOTHING_ASKED
    assert health().json["status"] == "ok"


def test_d42_with_everything_down_the_page_still_answers() -> None:
    with database_at(closed_port()), redis_at(closed_port()):
        answer = health()
    assert (answer.status, answer.json["status"]) == (200, "degraded")


def test_many_questions_to_a_hanging_database_are_all_answered() -> None:
    with silent_port() as silent, database_at(silent):
        answers = [health().json for _ in range(6)]
        # All its threads hang by now, and still only the database is said to be down.
        assert [answer["db_status"] for answer in answers] == ["error"] * 6
        assert [answer["redis_status"] for answer in answers] == ["ok"] * 6


@pytest.mark.parametrize("is_public", [True, False])
def test_metrics_come_within_two_seconds_with_what_there_is(
    is_public: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    _, secret = make_key(Scope.SUPPORT)
    with (
        override_settings(KOBATELA_METRICS_PUBLIC=is_public),
        silent_port() as silent,
        database_at(silent),
    ):
        connections.close_all()
        answer = health("/metrics", secret)
    if is_public:
        assert answer.status == 200
        assert b"kobatela_queue_depth" in answer.body
        assert b"kobatela_alerts_open" not in answer.body
    else:
        assert (answer.status, answer.code) == (503, "DATABASE_UNAVAILABLE")


def test_a_job_that_is_not_due_yet_is_not_late() -> None:
    ensure_schedule(report.scheduled_jobs())
    _, secret = make_key(Scope.SUPPORT)
    jobs = health(key=secret).json["jobs"]
    assert [name for name, job in jobs.items() if job["late"]] == []
    assert {job["age_s"] for job in jobs.values()} == {None}


def test_a_live_process_answers_whatever_is_down() -> None:
    with database_at(closed_port()), redis_at(closed_port()):
        answer = health("/health/live")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_a_ready_installation_says_so() -> None:
    answer = health("/health/ready")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("scope", [Scope.SUPPORT, Scope.ADMIN])
def test_a_staff_key_is_told_more(scope: Scope) -> None:
    _, secret = make_key(scope)
    name = most_frequent_job()
    run_exclusively(name, _no_work)
    answer = health(key=secret)
    assert answer.json["jobs"][name]["late"] is False
    assert {"every_s", "age_s", "enabled", "late"} == set(answer.json["jobs"][name])
    assert isinstance(answer.json["queue_depth"], int)
    assert isinstance(answer.json["outbox_age_s"], int)
    assert set(answer.json) == set(HealthOut().fields)


def test_a_job_that_is_switched_off_is_told_and_is_neither_late_nor_in_time() -> None:
    call_command("ensure_schedule")
    jobs = report.scheduled_jobs()
    frequent = [job.name for job in jobs if job.every_s == min(job.every_s for job in jobs)]
    other = max(jobs, key=lambda job: job.every_s).name
    for name in frequent:
        set_job_enabled(name=name, is_on=False, reason="Quiet.", actor="staff:1")
    for job in jobs:
        run_exclusively(job.name, _no_work)
    answer = health(key=make_key(Scope.SUPPORT)[1])
    assert answer.json["jobs_off"] == sorted(frequent)
    facts = answer.json["jobs"][other]
    assert (facts["enabled"], facts["late"]) == (True, False)
    facts = answer.json["jobs"][frequent[0]]
    assert (facts["enabled"], facts["late"]) == (False, None)
    assert answer.json["scheduler_running"] is True


def test_d09_who_holds_a_lock_is_told_to_staff_and_nobody_else() -> None:
    _, secret = make_key(Scope.SUPPORT)
    seen: list[Answer] = []

    def look(_heartbeat: object) -> dict[str, Any]:
        seen.extend([health(), health(key=secret)])
        return {}

    run = run_exclusively(most_frequent_job(), look)

    assert run is not None
    anyone, staff = seen
    assert anyone.json["scheduler_lock"] == {"status": "held"}
    assert run.owner.encode() not in anyone.body
    (held,) = staff.json["job_locks"].values()
    assert held["owner"] == run.owner
    assert (held["heartbeat_age_s"] >= 0, held["expires_in_s"] > 0) == (True, True)


def test_staff_reads_the_coverage_of_the_last_look() -> None:
    _, secret = make_key(Scope.SUPPORT)
    assert health(key=secret).json["coverage"] == {}
    give(1, 70_000)
    give(2, 5_000, currency="XOF", source="collector:7")
    run_exclusively("coverage", lambda _heartbeat: watch_coverage())
    give(1, 1)

    covered = health(key=secret).json["coverage"]

    assert covered["EUR"] == {
        "owed": "700.00",
        "at_psps": "700.00",
        "at_collectors": "0.00",
        "shortfall": "0.00",
        "covered": True,
    }
    assert (covered["XOF"]["at_psps"], covered["XOF"]["at_collectors"]) == ("0", "5000")
    assert "coverage" not in health().json


def test_d09_a_secret_is_known_by_its_fingerprint_and_to_staff_only() -> None:
    _, secret = make_key(Scope.SUPPORT)
    with override_settings(
        PSP_WEBHOOK_SECRETS_FILE="", PSP_WEBHOOK_SECRET="canary", PSP_WEBHOOK_SECRET_NEXT=""
    ):
        told, public = health(key=secret), health()
    fingerprint = hashlib.sha256(b"canary").hexdigest()[:8]
    assert told.json["psp_webhook_secret_fingerprints"] == {"primary": fingerprint}
    assert public.json["psp_webhook_secret_status"] == "partial"
    assert fingerprint not in public.body.decode()
    assert b"canary" not in told.body + public.body


@pytest.mark.parametrize("make", [lambda: make_key(Scope.SENDER)[1], lambda: "junk", lambda: None])
def test_d09_nobody_else_is(make: Any) -> None:
    answer = health(key=make())
    assert answer.status == 200
    assert set(answer.json) == PUBLIC_FIELDS


def test_counters_outlive_the_processes_that_count() -> None:
    counters.count("ocr.calls", 7)
    counters.count("ocr.errors")
    counters.count("ocr.errors")
    counters.count("ocrother.calls", 9)

    assert health().json["ocr_metrics"] == {"calls": 7, "errors": 2}
    assert health().json["ai_metrics"] == NOTHING_ASKED


def test_a_staff_key_is_told_what_waits_in_all_queues_together() -> None:
    _, secret = make_key(Scope.SUPPORT)
    before = health(key=secret).json["queue_depth"]
    client = rest_redis.client()
    client.lpush("documents", "one", "two")
    client.lpush("payments", "three")
    try:
        assert health(key=secret).json["queue_depth"] == before + 3
    finally:
        client.delete("documents", "payments")


def test_ai1_anyone_sees_what_the_advisor_costs_and_that_its_breaker_is_open() -> None:
    AdvisorState.objects.update(
        breaker="open", failures=5, opened_at=clock.now(), calls=9, errors=5, skipped=2
    )

    found = health().json["ai_metrics"]

    assert (found["breaker"], found["breaker_failures"]) == ("open", 5)
    assert (found["calls"], found["errors"], found["skipped"]) == (9, 5, 2)
    assert found["breaker_opened_at"] is not None


@pytest.mark.parametrize(
    ("enabled", "provider", "switch", "said"),
    [
        (True, "rapidocr", True, True),
        (False, "rapidocr", True, False),
        (True, "none", True, False),
        (True, "tesseract", False, False),
    ],
)
def test_ocr_is_said_to_be_on_where_pictures_are_really_read(
    provider: str, *, enabled: bool, switch: bool, said: bool
) -> None:
    if not switch:
        set_switch(name="ocr", is_on=False, reason="too slow", actor="staff:1")
    with override_settings(INVOICE_OCR_ENABLED=enabled, INVOICE_OCR_PROVIDER=provider):
        assert health().json["ocr_enabled"] is said
