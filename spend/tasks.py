"""Doors for the jobs of controlled spending."""

from celery import shared_task


@shared_task(ignore_result=True)
def expire_mandates() -> None:
    """Expire every mandate that has run out."""
    from audit.services.jobs import run_exclusively
    from spend.services.mandates import expire_mandates as expire

    run_exclusively("mandate_expiry", expire)
