"""When the jobs of controlled spending run."""

from audit.schedule import ScheduledJob

SCHEDULE: list[ScheduledJob] = [
    ScheduledJob(name="mandate_expiry", task="spend.tasks.expire_mandates", every_s=300),
]
