"""When the jobs of proofs run."""

from audit.schedule import ScheduledJob

SCHEDULE: list[ScheduledJob] = [
    ScheduledJob(name="sweep_derivatives", task="proofs.tasks.sweep_derivatives", every_s=60),
    ScheduledJob(name="sweep_advice", task="proofs.tasks.sweep_advice", every_s=60),
    ScheduledJob(name="sweep_documents", task="proofs.tasks.sweep_documents", every_s=60),
]
