"""Runs every check of the code, shows what fails, and ends with one line for each.

All of them run even when one fails, so that one run tells everything.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_BIN = os.path.dirname(sys.executable)  # noqa: PTH120 - kept as it is: a link into the environment
_DEV = {"KOBATELA_ENV": "dev"}
_STRICTLY = ("--validate", "--fail-on-warn", "--file", os.devnull)


@dataclass(frozen=True)
class Check:
    """One command that must succeed."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def _tool(name: str) -> str:
    return f"{_BIN}/{name}"


def _script(name: str) -> list[str]:
    return [sys.executable, "-m", f"scripts.{name}"]


def _manage(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error::RuntimeWarning", "manage.py", *arguments]


CHECKS = (
    Check("format", [_tool("ruff"), "format", "--check", "."]),
    Check("style", [_tool("ruff"), "check", "."]),
    Check("types", [_tool("mypy"), "."], {"KOBATELA_ENV": "test"}),
    Check("imports", [_tool("lint-imports"), "--no-cache"], {"KOBATELA_ENV": "test"}),
    Check("shape", _script("check_shape")),
    Check("migrations", _manage("makemigrations", "--check", "--dry-run"), _DEV),
    Check("production settings", _script("check_production")),
    Check("API schema", _manage("spectacular", *_STRICTLY), _DEV),
    Check("deployment files", _script("check_deployment")),
    Check("requirements", _script("check_requirements")),
)  # fmt: skip


def run(check: Check) -> tuple[bool, float]:
    """Run one check, printing its output if it fails; whether it held, and its seconds."""
    started = time.monotonic()
    result = subprocess.run(
        list(check.command),
        env=os.environ | check.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        print(f"--- {check.name} " + "-" * (90 - len(check.name)))
        print(result.stdout)
    return result.returncode == 0, time.monotonic() - started


def main() -> int:
    """Run all checks; return 1 if one of them failed."""
    results = [(check.name, *run(check)) for check in CHECKS]
    for name, holds, taken_s in results:
        print(f"lint: {name:<20} {'ok' if holds else 'FAILED':<7} {taken_s:5.1f} s")
    return 0 if all(holds for _, holds, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
