"""Doors for the worker."""

from celery import shared_task

from audit.services.jobs import run_exclusively
from kobatela.accounts.services import key_expiry, key_use


@shared_task(ignore_result=True)
def warn_of_expiry() -> None:
    """Raise an alert for each key in use that is about to expire."""
    run_exclusively("key_expiry_warning", key_expiry.warn_of_expiry)


@shared_task(ignore_result=True)
def purge_key_uses() -> None:
    """Forget uses of keys that no hour asks for any more."""
    run_exclusively("key_use_purge", key_use.purge_uses)
