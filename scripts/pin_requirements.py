"""Pins requirements.txt and requirements-dev.txt from the two short lists."""

import os
import subprocess
import sys

# Where the packages come from is a matter of the machine, not of the repository.
_SILENT = ("--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host")


def main() -> int:
    """Run pip-compile for both lists; the second is constrained by the first."""
    environment = os.environ | {"CUSTOM_COMPILE_COMMAND": "make requirements"}
    for name in ("requirements", "requirements-dev"):
        command = [
            sys.executable, "-m", "piptools", "compile", "--quiet", "--upgrade", "--strip-extras",
            "--no-reuse-hashes", *_SILENT, "--output-file", f"{name}.txt", f"{name}.in",
        ]  # fmt: skip
        code = subprocess.run(command, env=environment, check=False).returncode
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
