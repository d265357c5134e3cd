"""Doors for the worker: housekeeping, and looking for jobs that do not run."""

from celery import shared_task

from audit.schedule import WATCH
from audit.services import housekeeping
from audit.services.jobs import run_exclusively
from kobatela.kernel import clock
from kobatela.rest.idempotency import purge_expired


@shared_task(ignore_result=True)
def purge_idempotency() -> None:
    """Forget answers whose time is over."""
    run_exclusively(
        "idempotency_purge",
        lambda heartbeat: {"purged": purge_expired(clock.now(), beat=heartbeat.beat)},
    )


@shared_task(ignore_result=True)
def purge_job_runs() -> None:
    """Forget old runs of jobs."""
    run_exclusively("job_run_purge", housekeeping.purge_job_runs)


@shared_task(ignore_result=True)
def watch_jobs() -> None:
    """Raise an alert for each job that should have run and has not."""
    run_exclusively(WATCH, housekeeping.watch_jobs)
