"""How an app says which of its tasks run by the clock, and the audit app's own."""

from dataclasses import dataclass

# The job that looks after the others.
WATCH = "job_watch"
WATCH_EVERY_S = 300


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A task that the scheduler starts every `every_s` seconds.

    `name` is shown in the admin, is the name that the task gives to `run_exclusively`, and never
    changes: by it a late job is recognised.
    """

    name: str
    task: str
    every_s: int


SCHEDULE: list[ScheduledJob] = [
    ScheduledJob("idempotency_purge", "audit.tasks.purge_idempotency", every_s=3600),
    ScheduledJob("job_run_purge", "audit.tasks.purge_job_runs", every_s=24 * 3600),
    ScheduledJob(WATCH, "audit.tasks.watch_jobs", every_s=WATCH_EVERY_S),
]
