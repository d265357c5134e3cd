"""Checks the production settings: they ask for what they need, and are as tight as Django knows.

First with an empty environment, which must be refused by name; then with made-up values, which
must pass `manage.py check --deploy` without one warning.
"""

import os
import secrets
import subprocess
import sys

_KEPT = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "KOBATELA_STATIC_DIR")
NEEDED = ("ALLOWED_HOSTS", "API_KEY_PEPPER", "DATABASE_URL", "REDIS_URL", "SECRET_KEY")


def made_up_environment() -> dict[str, str]:
    """A complete environment for production; nothing in it leads anywhere."""
    password = secrets.token_urlsafe(24)
    return {
        "ALLOWED_HOSTS": "api.example.org",
        "API_KEY_PEPPER": secrets.token_urlsafe(48),
        "DATABASE_URL": f"postgresql://kobatela_app:{password}@database.example.org/kobatela",
        "REDIS_URL": f"redis://:{password}@redis.example.org/0",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "PSP_WEBHOOK_SECRET": secrets.token_urlsafe(32),
        "KOBATELA_PSP": "manual",
    }


def manage(*arguments: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run manage.py with exactly this environment, as production does (KOBATELA_ENV unset)."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    """Say what does not hold; return 1 if anything does not."""
    empty = manage("check", environment={})
    unnamed = [name for name in NEEDED if name not in empty.stderr]
    if empty.returncode == 0 or unnamed:
        print(f"An empty environment must be refused and name everything; it lacks {unnamed}.")
        print(empty.stdout, empty.stderr)
        return 1
    deploy = ("check", "--deploy", "--fail-level", "WARNING")
    full = manage(*deploy, environment=made_up_environment())
    print(full.stdout, full.stderr)
    return 1 if full.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
