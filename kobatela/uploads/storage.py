"""Where files lie: a private folder that no server shows, under names made at random.

`quarantine` holds what is being received and judged, `files` what was kept, `derivatives` and
`pages` what was made from kept files for showing. All are on one file system, so that keeping a
file is one rename.
"""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

_NAME = re.compile(r"[0-9a-f]{32}")


def root() -> Path:
    """The private folder of the installation."""
    return Path(settings.KOBATELA_FILES_DIR)


def quarantine_dir() -> Path:
    """The folder of files that nobody has accepted yet; made when it is missing."""
    return _made(root() / "quarantine")


def keep(path: Path) -> str:
    """Move the file at `path` from quarantine to the kept ones and give its storage name.

    The bytes and the name are on disk when this returns: a row that refers to the file can be
    committed after it.
    """
    name = secrets.token_hex(16)
    _move(path, _path("files", name))
    return name


def keep_derivative(path: Path, storage_name: str) -> None:
    """Move what was made from a kept file to its place, where it replaces an earlier one."""
    _move(path, _path("derivatives", storage_name))


def keep_page(path: Path, storage_name: str, number: int) -> None:
    """Move the picture of one page (from 1) of a kept document to its place."""
    _move(path, page_path(storage_name, number))


def page_path(storage_name: str, number: int) -> Path:
    """Where the picture of one page of a kept document lies, made or not."""
    named = _path("pages", storage_name)
    return named.with_name(f"{named.name}-{number}")


def local_path(storage_name: str) -> Path:
    """Where the kept file lies. Raises ValueError for what is no storage name."""
    return _path("files", storage_name)


def derivative_path(storage_name: str) -> Path:
    """Where the derivative of a kept file lies, made or not."""
    return _path("derivatives", storage_name)


def discard(storage_name: str) -> None:
    """Remove a kept file and what was made from it; no error when they are gone."""
    for folder in ("files", "derivatives"):
        _path(folder, storage_name).unlink(missing_ok=True)
    for page in _path("pages", storage_name).parent.glob(f"{storage_name}-*"):
        page.unlink(missing_ok=True)


def kept_files() -> Iterator[tuple[str, float]]:
    """Every kept file as its storage name and the time of its last change (seconds)."""
    for path in (root() / "files").glob("??/*"):
        if _NAME.fullmatch(path.name):
            yield path.name, path.stat().st_mtime


def quarantined_files() -> Iterator[tuple[Path, float]]:
    """Every file in quarantine with the time of its last change (seconds)."""
    for path in quarantine_dir().iterdir():
        try:
            yield path, path.stat().st_mtime
        except FileNotFoundError:
            # The request that it belonged to has just ended.
            continue


def _path(folder: str, storage_name: str) -> Path:
    # Names come from our own rows; this keeps a wrong row from reaching another file.
    if not _NAME.fullmatch(storage_name):
        raise ValueError(f"{storage_name!r} is no storage name.")
    return root() / folder / storage_name[:2] / storage_name


def _move(path: Path, target: Path) -> None:
    _made(target.parent)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.replace(target)
    _sync_folder(target.parent)


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
