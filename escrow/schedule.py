"""When the jobs of escrows run."""

from audit.schedule import ScheduledJob

SCHEDULE = (
    ScheduledJob(name="escrow_deadlines", task="escrow.tasks.apply_due_deadlines", every_s=60),
    ScheduledJob(name="pending_deposits", task="escrow.tasks.expire_deposits", every_s=3600),
)
