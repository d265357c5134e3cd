"""Where files lie: in the private store of the installation, under names made at random.

The store keeps `files`, and what was made from them for showing: `derivatives` and `pages`. It is
Django's storage "evidence": a folder of this machine, or a bucket; nothing in it has an address.
What is being received and judged lies in `quarantine`, a folder of this machine whatever the store.

Every function that asks the store raises FileStorageUnavailable where it does not work, so none is
called inside a transaction; readers raise FileNotFoundError for what is not there.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, cast

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import storages

ALIAS = "evidence"
_NAME = re.compile(r"[0-9a-f]{32}")


class Store(Protocol):
    """What of Django's storages is used here, and one thing more."""

    def save(self, name: str, content: File[Any]) -> str:
        """Keep the content whole under the name, where it replaces an earlier one."""

    def open(self, name: str) -> File[Any]:
        """The file, on this machine's disk until it is closed."""

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""

    def delete(self, name: str) -> None:
        """Remove a file; no error when it is gone."""

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """The folders and files in a folder."""

    def dated(self, folder: str) -> Iterator[tuple[str, float]]:
        """The name of every file below a folder, and the time of its last change (seconds)."""


class Movable(File[Any]):
    """A file of quarantine that its store may take away."""

    def temporary_file_path(self) -> str:
        """Where it lies; Django's name for that."""
        return str(self.name)


def quarantine_dir() -> Path:
    """The folder of files that nobody has accepted yet; made when it is missing."""
    folder = Path(settings.KOBATELA_FILES_DIR) / "quarantine"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def keep(path: Path) -> str:
    """Take the file at `path` out of quarantine into the store and give its storage name.

    The bytes and the name are safe when this returns: a row that refers to the file can be
    committed after it.
    """
    name = secrets.token_hex(16)
    _take(path, _named("files", name))
    return name


def keep_derivative(path: Path, storage_name: str) -> None:
    """Take what was made from a kept file into the store, where it replaces an earlier one."""
    _take(path, _named("derivatives", storage_name))


def keep_page(path: Path, storage_name: str, number: int) -> None:
    """Take the picture of one page (from 1) of a kept document into the store."""
    _take(path, _page(storage_name, number))


def opened(storage_name: str) -> IO[bytes]:
    """The kept file. It is at hand whole before the first byte is read."""
    return _opened(_named("files", storage_name))


def opened_derivative(storage_name: str) -> IO[bytes]:
    """The derivative of a kept file."""
    return _opened(_named("derivatives", storage_name))


def opened_page(storage_name: str, number: int) -> IO[bytes]:
    """The picture of one page of a kept document."""
    return _opened(_page(storage_name, number))


@contextmanager
def at_hand(storage_name: str) -> Iterator[Path]:
    """A path on this machine where the kept file can be read, for as long as the block runs.

    It is the file itself or a copy: whoever reads it changes nothing.
    """
    with opened(storage_name) as file:
        yield Path(file.name)


def discard(storage_name: str) -> None:
    """Remove a kept file and what was made from it; no error when they are gone."""
    store = _store()
    for folder in ("files", "derivatives"):
        store.delete(_named(folder, storage_name))
    folder = f"pages/{storage_name[:2]}"
    try:
        _, pages = store.listdir(folder)
    except FileNotFoundError:
        return
    for page in pages:
        if page.startswith(f"{storage_name}-"):
            store.delete(f"{folder}/{page}")


def kept_files() -> Iterator[tuple[str, float]]:
    """Every kept file as its storage name and the time of its last change (seconds)."""
    for name, changed_at in _store().dated("files"):
        if _NAME.fullmatch(name):
            yield name, changed_at


def quarantined_files() -> Iterator[tuple[Path, float]]:
    """Every file in quarantine with the time of its last change (seconds)."""
    for path in quarantine_dir().iterdir():
        try:
            yield path, path.stat().st_mtime
        except FileNotFoundError:
            # The request that it belonged to has just ended.
            continue


def _store() -> Store:
    return cast("Store", storages[ALIAS])


def _named(folder: str, storage_name: str) -> str:
    # Names come from our own rows; this keeps a wrong row from reaching another file.
    if not _NAME.fullmatch(storage_name):
        raise ValueError(f"{storage_name!r} is no storage name.")
    return f"{folder}/{storage_name[:2]}/{storage_name}"


def _page(storage_name: str, number: int) -> str:
    return f"{_named('pages', storage_name)}-{number}"


def _opened(name: str) -> IO[bytes]:
    return cast("IO[bytes]", _store().open(name).file)


def _take(path: Path, name: str) -> None:
    with path.open("rb") as file:
        _store().save(name, Movable(file))
    path.unlink(missing_ok=True)
