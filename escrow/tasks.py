"""Doors for the jobs of escrows."""

from celery import shared_task


@shared_task(ignore_result=True)
def apply_due_deadlines() -> None:
    """Apply every deadline that has passed."""
    from audit.services.jobs import run_exclusively
    from escrow.services.deadlines import apply_all_due

    run_exclusively("escrow_deadlines", apply_all_due)


@shared_task(ignore_result=True)
def expire_deposits() -> None:
    """Fail deposits that nobody confirmed in time."""
    from audit.services.jobs import run_exclusively
    from escrow.services.deposits import expire_deposits as expire

    run_exclusively("pending_deposits", expire)
