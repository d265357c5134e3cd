"""What keeps the house in order by the clock."""

from datetime import timedelta
from typing import Any

from audit.alert_types import AlertType, Severity
from audit.models import JobRun
from audit.selectors import late_jobs
from audit.services.alerts import raise_alert
from audit.services.jobs import Heartbeat
from kobatela.kernel import clock

_RUNS_KEPT_FOR = timedelta(days=30)
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


def alert_late_jobs(_heartbeat: Heartbeat) -> dict[str, Any]:
    """Raise JOB_LATE for every scheduled job that missed two of its periods; their names."""
    late = late_jobs()
    for job in late:
        raise_alert(
            type=AlertType.JOB_LATE,
            severity=Severity.WARNING,
            subject=f"job:{job.name}",
            message=f"The job {job.name} has not run for more than two of its periods.",
            payload={"every_s": job.every_s, "late_s": job.late_s},
        )
    return {"late": [job.name for job in late]}
