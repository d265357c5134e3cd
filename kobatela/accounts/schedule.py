"""When the jobs of accounts run."""

from audit.schedule import ScheduledJob

SCHEDULE: list[ScheduledJob] = [
    ScheduledJob("key_expiry_warning", "kobatela.accounts.tasks.warn_of_expiry", every_s=6 * 3600),
    ScheduledJob("key_use_purge", "kobatela.accounts.tasks.purge_key_uses", every_s=24 * 3600),
]
