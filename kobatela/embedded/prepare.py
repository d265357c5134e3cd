"""Brings database, schedule, static files and credentials up to date, as the stack starts.

One process instead of four, because each would load Django again.
"""

import os
from pathlib import Path

import django
from django.core.management import call_command
from django.core.management.base import BaseCommand


def main() -> None:
    """Run the management commands that a start needs."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kobatela.settings.dev")
    django.setup()
    BaseCommand().check()
    call_command("migrate", database="owner", interactive=False, verbosity=1)
    call_command("ensure_schedule")
    call_command("collectstatic", interactive=False, verbosity=1)
    call_command(
        "bootstrap_credentials",
        base_url=os.environ["KOBATELA_BASE_URL"],
        psp_url=os.environ["FAKE_PSP_URL"],
        path=Path(os.environ["KOBATELA_CREDENTIALS_PATH"]),
    )


if __name__ == "__main__":
    main()
