"""Doors for the worker."""

from celery import shared_task

from audit.services.jobs import Heartbeat, run_exclusively


@shared_task(ignore_result=True)
def send_payment(payment_id: str) -> None:
    """Send one payment, or look up what became of it."""
    from payments.services import sending

    sending.send_payment(payment_id=int(payment_id))


@shared_task(ignore_result=True)
def process_psp_event(event_id: str) -> None:
    """Let one stored PSP event have its effect."""
    from payments.services import events

    events.process_event(event_id=int(event_id))


@shared_task(ignore_result=True)
def sweep_payments() -> None:
    """Find payments and events that nobody works on."""
    from payments.services import sweeps

    def work(heartbeat: Heartbeat) -> dict[str, int]:
        return sweeps.sweep(heartbeat.beat)

    run_exclusively("payment_sweep", work)


@shared_task(ignore_result=True)
def check_ledger() -> None:
    """Recompute the books and alert if they are wrong."""
    from payments.services import ledger_checks

    run_exclusively("ledger_check", lambda _heartbeat: ledger_checks.check_ledger())


@shared_task(ignore_result=True)
def reconcile() -> None:
    """Hold the record of every PSP against ours."""
    from payments.services import reconciliation

    def work(heartbeat: Heartbeat) -> dict[str, int]:
        return reconciliation.reconcile_all(heartbeat.beat)

    run_exclusively("reconciliation", work)


@shared_task(ignore_result=True)
def watch_coverage() -> None:
    """Compare what is owed with the money that is there."""
    from payments.services import coverage

    run_exclusively(coverage.JOB, lambda _heartbeat: coverage.watch_coverage())
