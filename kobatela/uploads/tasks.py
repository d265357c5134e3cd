"""Doors for the worker."""

from celery import shared_task


@shared_task(ignore_result=True)
def purge_unused_files() -> None:
    """Remove files that nobody used in time."""
    from audit.services.jobs import run_exclusively
    from kobatela.uploads.services import files

    run_exclusively("purge_unused_files", lambda _heartbeat: dict(files.purge_unused()))
