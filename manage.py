#!/usr/bin/env python
"""Django's command line for Kobatela."""

import sys
from importlib import import_module


def main() -> None:
    """Run the command named on the command line."""
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    try:
        from kobatela.settings import settings_module  # noqa: PLC0415

        # Django's own loading would hide what is missing behind a later error.
        import_module(settings_module())
        # Makes `task.delay` reach our broker.
        import_module("kobatela.celery")
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
