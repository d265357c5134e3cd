#!/usr/bin/env python
"""Django's command line for Kobatela."""

import os
import sys


def main() -> None:
    """Run the command named on the command line."""
    from kobatela.settings import settings_module  # noqa: PLC0415 - fails with a clear sentence

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module())
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
