"""The periodic tasks of every app, as rows that the scheduler reads and admins may switch off."""

from collections.abc import Sequence

from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from audit.actions import Action
from audit.alert_types import AlertStatus, AlertType, Severity
from audit.errors import JobMustRun, JobNotFound
from audit.schedule import WATCH, ScheduledJob
from audit.selectors import KEPT_BY_THE_CODE, latest_alert
from audit.services.alerts import acknowledge_alert, raise_alert
from audit.services.entries import record

# It raises the alerts of jobs that do not run.
MUST_RUN = frozenset({WATCH})


@transaction.atomic
def ensure_schedule(jobs: Sequence[ScheduledJob]) -> int:
    """Create or update one periodic task for each job, remove those of jobs that are gone.

    Whether a task is enabled is never changed. The number of rows that changed.
    """
    changed = 0
    for job in jobs:
        interval, _ = IntervalSchedule.objects.get_or_create(
            every=job.every_s, period=IntervalSchedule.SECONDS
        )
        wanted = {"task": job.task, "interval": interval, "description": KEPT_BY_THE_CODE}
        row = PeriodicTask.objects.filter(name=job.name).first()
        if row is None:
            PeriodicTask.objects.create(name=job.name, **wanted)
            changed += 1
        elif any(getattr(row, field) != value for field, value in wanted.items()):
            for field, value in wanted.items():
                setattr(row, field, value)
            row.save()
            changed += 1
    gone = PeriodicTask.objects.filter(description=KEPT_BY_THE_CODE).exclude(
        name__in=[job.name for job in jobs]
    )
    for row in gone:
        row.delete()
        changed += 1
    return changed


@transaction.atomic
def set_job_enabled(*, name: str, is_on: bool, reason: str, actor: str) -> PeriodicTask:
    """Switch a job off or on, audited. Setting it to what it is changes nothing.

    An alert with the reason stays open for as long as the job is off. Raises JobNotFound,
    JobMustRun.
    """
    row = PeriodicTask.objects.select_for_update().filter(name=name).first()
    if row is None:
        raise JobNotFound
    if name in MUST_RUN and not is_on:
        raise JobMustRun
    if row.enabled == is_on:
        return row
    row.enabled = is_on
    row.save()  # which also tells the scheduler to read its rows again
    subject = f"job:{name}"
    action = Action.JOB_SWITCHED_ON if is_on else Action.JOB_SWITCHED_OFF
    record(actor=actor, action=action, subject=subject, body={})
    if not is_on:
        raise_alert(
            type=AlertType.JOB_SWITCHED_OFF,
            severity=Severity.WARNING,
            subject=subject,
            message=f"The job {name} is switched off; what it does is not done.",
            payload={"by": actor, "reason": reason},
        )
        return row
    alert = latest_alert(AlertType.JOB_SWITCHED_OFF, subject)
    if alert is not None and alert.status == AlertStatus.OPEN:
        acknowledge_alert(alert_id=alert.pk, actor=actor, note=reason)
    return row
