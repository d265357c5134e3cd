"""When the jobs of uploads run."""

from audit.schedule import ScheduledJob

SCHEDULE: list[ScheduledJob] = [
    ScheduledJob(
        name="purge_unused_files",
        task="kobatela.uploads.tasks.purge_unused_files",
        every_s=3600,
    ),
]
