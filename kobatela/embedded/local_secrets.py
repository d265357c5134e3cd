"""Secrets of one checkout: made at random on first use and kept under var/."""

import os
import secrets
import tempfile
from pathlib import Path

_BYTES = 32


def local_secret(var: Path, name: str) -> str:
    """The secret `name` of this checkout, made on first use (mode 600, 256 random bits)."""
    directory = var / "secrets"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / name
    if not path.exists():
        descriptor, scratch_name = tempfile.mkstemp(dir=directory)  # mode 600
        scratch = Path(scratch_name)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(_BYTES))
        try:
            # A link, unlike a rename, leaves the file of whoever was first.
            path.hardlink_to(scratch)
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
    return path.read_text()
