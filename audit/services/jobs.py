"""Jobs that run in one place at a time, leave a record, and stop when they lose their lock."""

import logging
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from audit.actions import Action
from audit.alert_types import AlertType, Severity
from audit.errors import JobLockLost
from audit.models import JobRun, JobRunStatus
from audit.services.alerts import raise_alert
from audit.services.entries import record
from audit.services.locks import LockBackend, lock_backend
from kobatela.kernel import clock
from kobatela.kernel.crashpoints import crashpoint

_logger = logging.getLogger(__name__)


class Heartbeat:
    """Given to the work of a job, which calls `beat` between its steps."""

    def __init__(self, locks: LockBackend, name: str, owner: str, hold: timedelta) -> None:
        self._locks = locks
        self._name = name
        self._owner = owner
        self._every = hold / 3
        self._last_at: datetime = clock.now()

    def beat(self) -> None:
        """Keep the lock. Raises JobLockLost when another owner has it: the work must stop there.

        The lock is touched once in a third of the time that it lasts, so call as often as you like.
        """
        now = clock.now()
        if now - self._last_at < self._every:
            return
        if not self._locks.refresh(self._name, self._owner):
            raise JobLockLost(self._name)
        self._last_at = now
        _audit(Action.JOB_LOCK_REFRESHED, self._name, owner=self._owner)


class RowsFailed(Exception):
    """Some rows of a job's work failed; its run is marked as failed."""

    def __init__(self, row_ids: Sequence[int]) -> None:
        super().__init__(f"Not done: rows {list(row_ids)}.")


def count_changed(work: Callable[[int], bool], row_ids: Sequence[int], heartbeat: Heartbeat) -> int:
    """Work on every row by itself; how many of them `work` says that it has changed.

    One row that fails does not hold up the others. Raises RowsFailed in the end, which says which.
    """
    changed, failed = 0, []
    for row_id in row_ids:
        heartbeat.beat()
        try:
            changed += work(row_id)
        except Exception:
            _logger.exception("Row %s could not be worked on.", row_id)
            failed.append(row_id)
    if failed:
        raise RowsFailed(failed)
    return changed


def run_exclusively(name: str, work: Callable[[Heartbeat], dict[str, Any]]) -> JobRun | None:
    """Run `work` unless the job runs elsewhere; None then. What `work` returns goes to the run.

    A lock that ran out is taken over. Work that loses its lock ends as LOST; work that raises
    ends as FAILED and its error goes on to the caller. Both raise an alert. The lock, the run and
    their audit entries are written in transactions of their own; `work` opens its own too.
    """
    hold = timedelta(seconds=settings.JOB_LOCK_HOLD_S)
    locks = lock_backend()
    owner = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
    run = _begin(locks, name, owner)
    if run is None:
        return None
    crashpoint("job.begun")
    try:
        result = work(Heartbeat(locks, name, owner, hold))
    except JobLockLost:
        return _end(locks, run, JobRunStatus.LOST)
    except Exception as error:
        _end(locks, run, JobRunStatus.FAILED, error=type(error).__name__)
        raise
    crashpoint("job.worked")
    return _end(locks, run, JobRunStatus.DONE, result=result)


def _begin(locks: LockBackend, name: str, owner: str) -> JobRun | None:
    try:
        with transaction.atomic():
            return _take(locks, name, owner)
    except BaseException:
        locks.undo(name, owner)
        raise


def _take(locks: LockBackend, name: str, owner: str) -> JobRun | None:
    former = locks.acquire(name, owner)
    if former is None:
        return None
    if former:
        _take_over(name, former, owner)
    else:
        _audit(Action.JOB_LOCK_ACQUIRED, name, owner=owner)
    return JobRun.objects.create(name=name, owner=owner, started_at=clock.now())


def _take_over(name: str, former: str, owner: str) -> None:
    _audit(Action.JOB_LOCK_TAKEN_OVER, name, owner=owner, former=former)
    raise_alert(
        type=AlertType.JOB_LOCK_STALE,
        severity=Severity.WARNING,
        subject=f"job:{name}",
        message=f"The job {name} was taken over from a process that stopped answering.",
        payload={"owner": owner, "former": former},
    )
    left_behind = JobRun.objects.select_for_update().filter(
        name=name, owner=former, status=JobRunStatus.RUNNING
    )
    for run in left_behind:
        _close(run, JobRunStatus.LOST)


@transaction.atomic
def _end(
    locks: LockBackend,
    run: JobRun,
    status: JobRunStatus,
    *,
    result: dict[str, Any] | None = None,
    error: str = "",
) -> JobRun:
    was_held = locks.release(run.name, run.owner)
    run = JobRun.objects.select_for_update().get(pk=run.pk)
    if not was_held:
        status = JobRunStatus.LOST
    if run.status == JobRunStatus.RUNNING:
        _close(run, status, result=result, error=error)
    if was_held:
        _audit(Action.JOB_LOCK_RELEASED, run.name, owner=run.owner)
    if status == JobRunStatus.LOST:
        _audit(Action.JOB_LOCK_LOST, run.name, owner=run.owner)
        _alert(AlertType.JOB_LOCK_LOST, run, "lost its lock and stopped")
    elif status == JobRunStatus.FAILED:
        _alert(AlertType.JOB_FAILED, run, "failed")
    return run


def _close(
    run: JobRun, status: JobRunStatus, *, result: dict[str, Any] | None = None, error: str = ""
) -> None:
    run.transition_to(status)
    run.finished_at = clock.now()
    run.result = result or {}
    run.error = error
    run.save(update_fields=["status", "finished_at", "result", "error"])


def _alert(kind: AlertType, run: JobRun, what: str) -> None:
    raise_alert(
        type=kind,
        severity=Severity.WARNING,
        subject=f"job:{run.name}",
        message=f"The job {run.name} {what}.",
        payload={"run": run.pk, "error": run.error},
    )


def _audit(action: Action, name: str, **body: str) -> None:
    with transaction.atomic():
        record(actor=f"system:{name}", action=action, subject=f"job:{name}", body=body)
