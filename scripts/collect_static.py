"""Gathers the style sheets and scripts of the pages while an image is built.

The settings must load for that, so they get values that lead nowhere and are not kept.
"""

import sys

from scripts.check_production import made_up_environment, manage


def main() -> int:
    """Run `manage.py collectstatic`; return its exit code."""
    result = manage("collectstatic", "--no-input", environment=made_up_environment())
    print(result.stdout, result.stderr)
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
