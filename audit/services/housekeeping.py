"""What keeps the house in order by the clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from audit.alert_types import AlertType, Severity
from audit.models import Alert, JobRun
from audit.schedule import WATCH, WATCH_EVERY_S
from audit.selectors import JobAge, jobs_off, late_jobs, latest_alert, run_before_latest
from audit.services.alerts import raise_alert
from audit.services.jobs import Heartbeat
from kobatela.kernel import clock

# The watch comes every five minutes; one that comes so late was held up by what holds up all jobs.
PAUSE = timedelta(seconds=WATCH_EVERY_S * 1.5)
_RUNS_KEPT_FOR = timedelta(days=30)
_REMINDS_EVERY = timedelta(days=1)
_BATCH_ROWS = 5_000


def purge_job_runs(heartbeat: Heartbeat) -> dict[str, Any]:
    """Delete the runs of jobs that began more than 30 days ago; how many."""
    old = JobRun.objects.filter(started_at__lt=clock.now() - _RUNS_KEPT_FOR)
    purged = 0
    while True:
        heartbeat.beat()
        count, _ = JobRun.objects.filter(pk__in=old.values("pk")[:_BATCH_ROWS]).delete()
        purged += count
        if count < _BATCH_ROWS:
            return {"purged": purged}


def watch_jobs(_heartbeat: Heartbeat) -> dict[str, Any]:
    """Raise JOB_LATE for every job of the schedule that missed two of its periods, and remind of
    those that are switched off; the names of both.

    When the watch itself came much too late, nothing ran: one alert says so for all of them. A job
    that is still late at the next watch has its own.
    """
    late, off = late_jobs(), jobs_off()
    paused_since = _paused_since() if late else None
    if paused_since is not None:
        _tell_of_pause(paused_since, late)
    else:
        for job in late:
            _tell_of_late(job)
    for name in off:
        _remind_of(name)
    return {"late": [job.name for job in late], "off": off}


def _paused_since() -> datetime | None:
    """When the watch ran before, if so long ago that jobs in general did not run since."""
    before = run_before_latest(WATCH)
    if before is None or clock.now() - before.started_at <= PAUSE:
        return None
    return before.started_at


def _tell_of_pause(since: datetime, late: Sequence[JobAge]) -> None:
    raise_alert(
        type=AlertType.JOB_LATE,
        severity=Severity.WARNING,
        subject="jobs",
        message="No job ran for a while, because the scheduler or the workers were away; "
        f"{len(late)} jobs are late.",
        payload={"since": since.isoformat(), "jobs": [job.name for job in late]},
    )


def _tell_of_late(job: JobAge) -> None:
    raise_alert(
        type=AlertType.JOB_LATE,
        severity=Severity.WARNING,
        subject=f"job:{job.name}",
        message=f"The job {job.name} has not run for more than two of its periods.",
        payload={"every_s": job.every_s, "late_s": job.late_s},
    )


def _remind_of(name: str) -> None:
    # The open alert says who switched the job off and why; once somebody has seen that, a day may
    # pass before it is said again. There is none where the row was changed by hand.
    subject = f"job:{name}"
    last = latest_alert(AlertType.JOB_SWITCHED_OFF, subject)
    if last is not None and not _was_seen_a_day_ago(last):
        return
    said = {} if last is None else {key: last.payload.get(key) for key in ("by", "reason")}
    raise_alert(
        type=AlertType.JOB_SWITCHED_OFF,
        severity=Severity.WARNING,
        subject=subject,
        message=f"The job {name} is still switched off; what it does is not done.",
        payload=said,
    )


def _was_seen_a_day_ago(alert: Alert) -> bool:
    return alert.acknowledged_at is not None and (
        alert.acknowledged_at <= clock.now() - _REMINDS_EVERY
    )
