"""What keeps the house in order by the clock."""

from datetime import timedelta
from typing import Any

from audit.alert_types import AlertType, Severity
from audit.models import Alert, JobRun
from audit.selectors import jobs_off, late_jobs, latest_alert
from audit.services.alerts import raise_alert
from audit.services.jobs import Heartbeat
from kobatela.kernel import clock

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
    those that are switched off; the names of both."""
    late, off = late_jobs(), jobs_off()
    for job in late:
        raise_alert(
            type=AlertType.JOB_LATE,
            severity=Severity.WARNING,
            subject=f"job:{job.name}",
            message=f"The job {job.name} has not run for more than two of its periods.",
            payload={"every_s": job.every_s, "late_s": job.late_s},
        )
    for name in off:
        _remind_of(name)
    return {"late": [job.name for job in late], "off": off}


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
