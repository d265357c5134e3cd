"""How an app says which of its tasks run by the clock, and the audit app's own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A task that beat starts every `every_s` seconds.

    `name` is shown in the admin, is the name of the job's lock, and never changes.
    """

    name: str
    task: str
    every_s: int


SCHEDULE: list[ScheduledJob] = []
