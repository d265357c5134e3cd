"""PostgreSQL refuses to run as root; root's processes find another account for it here."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from kobatela.embedded.shared_server import EmbeddedServerError

_CANDIDATES = ("postgres", "nobody")


def server_account() -> str:
    """The account that PostgreSQL is to run as; empty when our own will do."""
    if os.geteuid() != 0:
        return ""
    for name in _CANDIDATES:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise EmbeddedServerError(
        f"PostgreSQL does not run as root, and this machine has none of the accounts "
        f"{', '.join(_CANDIDATES)} to run it as."
    )


def can_enter(account: str, directory: Path) -> bool:
    """Whether the account may go into the directory; always true for our own (empty)."""
    if not account:
        return True
    entry = pwd.getpwnam(account)
    attempt = subprocess.run(  # noqa: S603 - a fixed command; the path is an argument
        [shutil.which("sh") or "/bin/sh", "-c", 'cd -- "$0"', str(directory)],
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        check=False,
    )
    return attempt.returncode == 0


def give_to(account: str, path: Path) -> None:
    """Make the account (empty: ours) the owner of the path, closed to everybody else.

    A folder that belongs to somebody else is given away with all that is in it.
    """
    path.chmod(0o700 if path.is_dir() else 0o600)
    if not account:
        return
    entry = pwd.getpwnam(account)
    if path.stat().st_uid != entry.pw_uid:
        for part in (path, *path.rglob("*")):
            os.chown(part, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
