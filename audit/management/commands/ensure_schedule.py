"""`manage.py ensure_schedule`: what the code wants to run by the clock is in the database."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand

from audit.schedule import ScheduledJob
from audit.services.schedules import ensure_schedule


class Command(BaseCommand):
    """Safe to run at every start."""

    help = "Creates and updates the periodic tasks of every app; a disabled one stays disabled."

    def handle(self, *args: Any, **options: Any) -> None:
        """Collect every app's SCHEDULE and store it."""
        jobs: list[ScheduledJob] = []
        for config in apps.get_app_configs():
            if find_spec(f"{config.name}.schedule") is not None:
                jobs += getattr(import_module(f"{config.name}.schedule"), "SCHEDULE", [])
        changed = ensure_schedule(jobs)
        self.stdout.write(f"{len(jobs)} scheduled jobs, {changed} changed.")
