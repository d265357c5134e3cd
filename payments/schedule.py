"""What payments does by the clock."""

from audit.schedule import ScheduledJob

SWEEP_EVERY_S = 20
SCHEDULE = [
    ScheduledJob(name="payment_sweep", task="payments.tasks.sweep_payments", every_s=SWEEP_EVERY_S),
    ScheduledJob(name="ledger_check", task="payments.tasks.check_ledger", every_s=900),
    ScheduledJob(name="coverage", task="payments.tasks.watch_coverage", every_s=300),
    # Every run looks back six hours; once a day three days, and once a week five weeks.
    ScheduledJob(name="reconciliation", task="payments.tasks.reconcile", every_s=900),
]
