"""Jobs: one at a time, a record of each run, and a lock that can be lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Semaphore
from typing import Any

import pytest
from django.conf import settings

from audit.models import Alert, AuditEntry, JobLock, JobRun, JobRunStatus
from audit.services.jobs import Heartbeat, run_exclusively
from audit.tests.together import run_together
from kobatela.kernel import clock
from kobatela.kernel.errors import InvalidState

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOLD = timedelta(seconds=120)


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Time stands still, locks hold for two minutes."""
    monkeypatch.setattr(settings, "JOB_LOCK_HOLD_S", 120)
    with clock.frozen(AT):
        yield


def _actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


def _held_by_another(expires_at: datetime) -> JobRun:
    JobLock.objects.create(
        name="sweep",
        owner="other:1",
        acquired_at=AT - HOLD,
        heartbeat_at=AT - HOLD,
        expires_at=expires_at,
    )
    return JobRun.objects.create(name="sweep", owner="other:1", started_at=AT - HOLD)


@pytest.mark.django_db
def test_a_run_leaves_its_result_and_frees_the_lock() -> None:
    def work(_heartbeat: Heartbeat) -> dict[str, Any]:
        clock.advance(timedelta(seconds=3))
        return {"swept": 4}

    run = run_exclusively("sweep", work)

    assert run is not None
    run.refresh_from_db()
    assert (run.status, run.result, run.error) == ("DONE", {"swept": 4}, "")
    assert (run.started_at, run.finished_at) == (AT, AT + timedelta(seconds=3))
    lock = JobLock.objects.get()
    assert (lock.name, lock.owner, lock.expires_at) == ("sweep", "", None)
    assert _actions() == ["job.lock_acquired", "job.lock_released"]
    assert set(AuditEntry.objects.values_list("actor", "subject")) == {
        ("system:sweep", "job:sweep")
    }
    assert not Alert.objects.exists()


@pytest.mark.django_db
def test_a_job_that_runs_elsewhere_is_left_alone() -> None:
    other = _held_by_another(AT + timedelta(microseconds=1))
    called = []

    def work(heartbeat: Heartbeat) -> dict[str, Any]:
        called.append(heartbeat)
        return {}

    assert run_exclusively("sweep", work) is None

    assert called == []
    assert JobRun.objects.get() == other
    assert JobLock.objects.get().owner == "other:1"
    assert _actions() == []


@pytest.mark.django_db
def test_another_job_is_not_kept_waiting() -> None:
    _held_by_another(AT + HOLD)

    run = run_exclusively("count", lambda _heartbeat: {})

    assert run is not None
    assert run.status == "DONE"


@pytest.mark.django_db
def test_a_lock_that_ran_out_is_taken_over_and_its_run_is_lost() -> None:
    left_behind = _held_by_another(AT)

    run = run_exclusively("sweep", lambda _heartbeat: {})

    assert run is not None
    assert run.status == "DONE"
    left_behind.refresh_from_db()
    assert (left_behind.status, left_behind.finished_at) == ("LOST", AT)
    assert _actions() == ["job.lock_taken_over", "alert.raised", "job.lock_released"]
    alert = Alert.objects.get()
    assert (alert.type, alert.subject) == ("JOB_LOCK_STALE", "job:sweep")
    assert alert.payload == {"former": "other:1", "owner": run.owner}


@pytest.mark.django_db
def test_work_that_lost_its_lock_stops_at_its_next_heartbeat() -> None:
    steps = []

    def work(heartbeat: Heartbeat) -> dict[str, Any]:
        steps.append("before")
        JobLock.objects.update(owner="other:2", expires_at=AT + 2 * HOLD)
        clock.advance(HOLD)
        heartbeat.beat()
        steps.append("after")
        return {}

    run = run_exclusively("sweep", work)

    assert steps == ["before"]
    assert run is not None
    assert (run.status, run.result) == ("LOST", {})
    assert JobLock.objects.get().owner == "other:2"
    assert _actions() == ["job.lock_acquired", "job.lock_lost", "alert.raised"]
    assert Alert.objects.get().type == "JOB_LOCK_LOST"


@pytest.mark.django_db
def test_work_that_ends_after_its_lock_was_taken_is_not_done() -> None:
    def work(_heartbeat: Heartbeat) -> dict[str, Any]:
        JobLock.objects.update(owner="other:2", expires_at=AT + HOLD)
        return {"swept": 1}

    run = run_exclusively("sweep", work)

    assert run is not None
    assert run.status == "LOST"
    assert JobLock.objects.get().owner == "other:2"
    assert Alert.objects.get().type == "JOB_LOCK_LOST"


@pytest.mark.django_db
def test_a_heartbeat_keeps_the_lock_once_in_a_third_of_its_time() -> None:
    def work(heartbeat: Heartbeat) -> dict[str, Any]:
        clock.advance(timedelta(seconds=39))
        heartbeat.beat()
        unchanged = JobLock.objects.get()
        assert (unchanged.heartbeat_at, unchanged.expires_at) == (AT, AT + HOLD)
        clock.advance(timedelta(seconds=1))
        heartbeat.beat()
        heartbeat.beat()
        kept = JobLock.objects.get()
        assert kept.heartbeat_at == AT + timedelta(seconds=40)
        assert kept.expires_at == AT + timedelta(seconds=160)
        return {}

    run_exclusively("sweep", work)

    assert _actions() == ["job.lock_acquired", "job.lock_refreshed", "job.lock_released"]


@pytest.mark.django_db
def test_work_that_raises_fails_with_an_alert_and_frees_the_lock() -> None:
    def work(_heartbeat: Heartbeat) -> dict[str, Any]:
        raise ZeroDivisionError("a secret detail")

    with pytest.raises(ZeroDivisionError):
        run_exclusively("sweep", work)

    run = JobRun.objects.get()
    assert (run.status, run.error) == ("FAILED", "ZeroDivisionError")
    assert JobLock.objects.get().owner == ""
    alert = Alert.objects.get()
    assert (alert.type, alert.payload) == (
        "JOB_FAILED",
        {"error": "ZeroDivisionError", "run": run.pk},
    )


@pytest.mark.parametrize("current", JobRunStatus)
@pytest.mark.parametrize("target", JobRunStatus)
def test_a_run_moves_only_where_the_table_says(current: JobRunStatus, target: JobRunStatus) -> None:
    run = JobRun(pk=1, status=current)
    ends = {JobRunStatus.DONE, JobRunStatus.FAILED, JobRunStatus.LOST}

    if current is JobRunStatus.RUNNING and target in ends:
        run.transition_to(target)
        assert run.status == target
    else:
        with pytest.raises(InvalidState):
            run.transition_to(target)
        assert run.status == current


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_of_sixteen_that_start_at_once_one_runs() -> None:
    JobLock.objects.create(name="sweep", owner="")
    turned_away = Semaphore(0)

    def work(_heartbeat: Heartbeat) -> dict[str, Any]:
        return {"all_turned_away": all(turned_away.acquire(timeout=10) for _ in range(15))}

    def start() -> bool:
        run = run_exclusively("sweep", work)
        if run is None:
            turned_away.release()
        return run is not None

    results = run_together([start] * 16)

    assert sorted(results) == [False] * 15 + [True]
    assert JobRun.objects.get().result == {"all_turned_away": True}
    assert _actions() == ["job.lock_acquired", "job.lock_released"]
