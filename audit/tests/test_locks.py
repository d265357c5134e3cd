"""Locks of jobs, the same for both places where they may live."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from audit.models import Alert, AuditEntry, JobLock, JobRun
from audit.services import locks
from audit.services.jobs import Heartbeat, run_exclusively
from audit.services.locks import DatabaseLocks, LockBackend, RedisLocks, lock_backend
from audit.tests.together import run_together
from kobatela.kernel import clock
from kobatela.rest.redis import client

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOLD = timedelta(seconds=120)


@pytest.fixture(autouse=True)
def _ground(settings: Settings) -> Iterator[None]:
    """Time stands still, and Redis holds no lock before or after."""
    settings.JOB_LOCK_HOLD_S = 120
    client().delete("kobatela:joblock:sweep")
    with clock.frozen(AT):
        yield
    client().delete("kobatela:joblock:sweep")


@pytest.fixture(params=["database", "redis"])
def backend(request: pytest.FixtureRequest, settings: Settings) -> LockBackend:
    settings.KOBATELA_JOB_LOCK_BACKEND = request.param
    found = lock_backend()
    assert isinstance(found, {"database": DatabaseLocks, "redis": RedisLocks}[request.param])
    return found


@pytest.mark.django_db
def test_a_free_lock_is_taken_and_a_held_one_is_not(backend: LockBackend) -> None:
    assert backend.acquire("sweep", "a") == ""
    assert backend.acquire("sweep", "b") is None
    assert backend.acquire("sweep", "a") is None

    row = JobLock.objects.get()
    assert (row.owner, row.heartbeat_at, row.expires_at) == ("a", AT, AT + HOLD)


@pytest.mark.django_db
def test_a_lock_that_ran_out_tells_whose_it_was(backend: LockBackend) -> None:
    backend.acquire("sweep", "a")
    clock.advance(HOLD - timedelta(milliseconds=1))
    assert backend.acquire("sweep", "b") is None
    clock.advance(timedelta(milliseconds=1))

    assert backend.acquire("sweep", "b") == "a"
    assert not backend.refresh("sweep", "a")
    assert not backend.release("sweep", "a")
    assert JobLock.objects.get().owner == "b"


@pytest.mark.django_db
def test_a_heartbeat_keeps_it_and_a_release_frees_it(backend: LockBackend) -> None:
    backend.acquire("sweep", "a")
    clock.advance(HOLD / 2)
    assert backend.refresh("sweep", "a")
    clock.advance(HOLD * 3 / 4)
    assert backend.acquire("sweep", "b") is None

    assert backend.release("sweep", "a")
    assert JobLock.objects.get().owner == ""
    assert backend.acquire("sweep", "b") == ""


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_of_sixteen_at_once_one_has_it(backend: LockBackend) -> None:
    results = run_together([partial(backend.acquire, "sweep", f"owner:{n}") for n in range(16)])

    assert sorted(map(str, results)) == ["", *["None"] * 15]


@pytest.mark.django_db
def test_a_job_runs_is_taken_over_and_is_audited_with_either(backend: LockBackend) -> None:
    backend.acquire("sweep", "other:1")
    left_behind = JobRun.objects.create(name="sweep", owner="other:1", started_at=AT)
    assert run_exclusively("sweep", lambda _heartbeat: {}) is None
    clock.advance(HOLD)

    run = run_exclusively("sweep", lambda _heartbeat: {"swept": 1})

    assert run is not None
    assert (run.status, run.result) == ("DONE", {"swept": 1})
    left_behind.refresh_from_db()
    assert left_behind.status == "LOST"
    assert Alert.objects.get().type == "JOB_LOCK_STALE"
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["job.lock_taken_over", "alert.raised", "job.lock_released"]


@pytest.mark.django_db
def test_d43_work_that_lost_its_lock_stops_and_alerts_with_either(backend: LockBackend) -> None:
    steps = []

    def work(heartbeat: Heartbeat) -> dict[str, Any]:
        steps.append("before")
        clock.advance(HOLD)
        assert backend.acquire("sweep", "other:2") is not None
        heartbeat.beat()
        steps.append("after")
        return {}

    run = run_exclusively("sweep", work)

    assert run is not None
    assert (run.status, steps) == ("LOST", ["before"])
    assert Alert.objects.get().type == "JOB_LOCK_LOST"
    assert JobLock.objects.get().owner == "other:2"


@pytest.mark.django_db
def test_a_run_that_could_not_be_written_leaves_no_lock(
    backend: LockBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
        broken.setattr("audit.services.jobs._audit", lambda *_args, **_body: 1 / 0)
        run_exclusively("sweep", lambda _heartbeat: {})

    assert not JobRun.objects.exists()
    assert backend.acquire("sweep", "next") == ""


@pytest.mark.django_db
def test_without_redis_no_job_begins_and_one_that_runs_stops(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KOBATELA_JOB_LOCK_BACKEND = "redis"

    def down() -> None:
        raise ConnectionError("Redis is down.")

    def work(heartbeat: Heartbeat) -> dict[str, Any]:
        monkeypatch.setattr(locks, "redis_client", down)
        clock.advance(HOLD / 2)
        heartbeat.beat()
        raise AssertionError("it went on without a lock")

    run = run_exclusively("sweep", work)

    assert run is not None
    assert run.status == "LOST"
    with pytest.raises(ConnectionError), transaction.atomic():
        run_exclusively("sweep", lambda _heartbeat: {})
    assert JobRun.objects.count() == 1
