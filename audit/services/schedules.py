"""The periodic tasks of every app, as rows that the scheduler reads and staff may disable."""

from collections.abc import Sequence

from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from audit.schedule import ScheduledJob
from audit.selectors import KEPT_BY_THE_CODE


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
