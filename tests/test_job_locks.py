"""Two schedulers, and a holder of a lock that is killed, with real processes: no harm is done."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from audit.models import Alert, AuditEntry, JobLock, JobRun
from kobatela.celery import app
from kobatela.kernel import clock
from kobatela.rest.redis import client

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]
_PATIENCE_S = 90.0
_HOLD_S = 3
_HOLDER = """
import pathlib, sys, time
import django
django.setup()
from audit.services.jobs import run_exclusively

def work(heartbeat):
    print("working", flush=True)
    for _ in range(int(sys.argv[2])):
        time.sleep(0.05)
        heartbeat.beat()
    with pathlib.Path(sys.argv[1]).open("a") as effects:
        effects.write("done\\n")
    return {}

run = run_exclusively("sweep", work)
print(run.status if run else "turned away", flush=True)
"""


@contextmanager
def process(*command: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of this checkout on the tests' database; killed in the end."""
    started = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "KOBATELA_JOB_LOCK_HOLD_S": str(_HOLD_S), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait(10)
        assert started.stdout is not None, "it was asked for"
        started.stdout.close()


def said(started: "subprocess.Popen[str]") -> str:
    """The next line of a process."""
    assert started.stdout is not None, "it was asked for"
    return started.stdout.readline().strip()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    give_up_at = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up_at, f"waited in vain for {what}"
        time.sleep(0.1)


def _has_carried_an_id() -> bool:
    """Ring as a request does, until a run was not turned away."""
    app.send_task("audit.tasks.watch_jobs", headers={"kobatela_request_id": "order-77"})
    return AuditEntry.objects.filter(request_id="order-77").exists()


def _has_run_out() -> bool:
    return JobLock.objects.filter(expires_at__lt=clock.now()).exists()


@pytest.mark.parametrize("backend", ["database", "redis"])
def test_a_holder_that_is_killed_is_taken_over_and_the_work_is_done_once(
    backend: str, tmp_path: Path
) -> None:
    client().delete("kobatela:joblock:sweep")
    effects, environment = tmp_path / "effects", {"KOBATELA_JOB_LOCK_BACKEND": backend}
    with ExitStack() as stack:
        holder = stack.enter_context(process("-c", _HOLDER, str(effects), "1000000", **environment))
        assert said(holder) == "working"
        second = stack.enter_context(process("-c", _HOLDER, str(effects), "1", **environment))
        assert said(second) == "turned away"

        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        killed = JobRun.objects.get()
        wait_until(_has_run_out, "the lock to run out")
        third = stack.enter_context(process("-c", _HOLDER, str(effects), "1", **environment))
        assert [said(third), said(third)] == ["working", "DONE"]

    assert effects.read_text() == "done\n"
    killed.refresh_from_db()
    assert killed.status == "LOST"
    assert sorted(JobRun.objects.values_list("status", flat=True)) == ["DONE", "LOST"]
    assert list(Alert.objects.values_list("type", flat=True)) == ["JOB_LOCK_STALE"]
    actions = AuditEntry.objects.filter(subject="job:sweep").order_by("pk")
    kept = [
        action for action in actions.values_list("action", flat=True) if "refresh" not in action
    ]
    assert kept == ["job.lock_acquired", "job.lock_taken_over", "job.lock_released"]
    client().delete("kobatela:joblock:sweep")


def test_two_schedulers_ring_twice_and_the_job_runs_one_at_a_time(tmp_path: Path) -> None:
    interval = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.all().delete()
    PeriodicTask.objects.create(
        name="job_watch", task="audit.tasks.watch_jobs", interval=interval, queue="default"
    )
    PeriodicTasks.update_changed()
    client().delete("default")
    celery = ("-m", "celery", "-A", "kobatela")
    beat = ("beat", "--max-interval", "1", "--pidfile=")
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(process(*celery, *beat))
        # Both have rung before anybody listens, so the same work is there at least twice.
        wait_until(lambda: client().llen("default") >= 4, "two schedulers to ring")
        stack.enter_context(process(*celery, "worker", "-c", "4", "-Q", "default"))
        wait_until(lambda: JobRun.objects.filter(status="DONE").count() >= 4, "four runs")
        wait_until(_has_carried_an_id, "a task that works under the id that rang")

    # What ran when everything was killed may have been cut off; all the others are whole.
    runs = list(JobRun.objects.filter(name="job_watch", status="DONE").order_by("started_at"))
    for one, following in itertools.pairwise(runs):
        assert one.finished_at is not None
        assert one.finished_at <= following.started_at
    assert not Alert.objects.exclude(type="JOB_LATE").exists()
    client().delete("default")
