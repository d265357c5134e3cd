"""The storage of files in a folder of this machine: private, and on disk when it says so."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

from kobatela.uploads.errors import FileStorageUnavailable


class PrivateFolder(FileSystemStorage):
    """Files below KOBATELA_FILES_DIR, which only the owner of the process reads.

    Raises FileStorageUnavailable where the disk is full, gone or not ours.
    """

    def __init__(self) -> None:
        super().__init__(
            file_permissions_mode=0o600, directory_permissions_mode=0o700, allow_overwrite=True
        )

    @property
    def location(self) -> str:
        """The folder, as the settings have it now."""
        return os.path.abspath(settings.KOBATELA_FILES_DIR)  # noqa: PTH100 - Django joins texts

    def url(self, name: str | None) -> NoReturn:
        """No file has an address: whoever may see one gets it through a view."""
        raise NotImplementedError("Private files have no address.")

    def dated(self, folder: str) -> Iterator[tuple[str, float]]:
        """Every file in the folders below `folder`, and the time of its last change (seconds)."""
        for path in Path(self.path(folder)).glob("??/*"):
            yield path.name, path.stat().st_mtime

    def delete(self, name: str) -> None:
        """Remove a file; no error when it is gone."""
        try:
            super().delete(name)
        except OSError as error:
            raise FileStorageUnavailable from error

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        try:
            return File(Path(self.path(name)).open(mode))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise FileStorageUnavailable from error

    def _save(self, name: str, content: File[Any]) -> str:
        """Move the file there in one step, bytes and name on disk."""
        target = Path(self.path(name))
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.fsync(content.fileno())
            Path(content.temporary_file_path()).replace(target)  # type: ignore[attr-defined]  # of storage.Movable
            _sync_folder(target.parent)
        except OSError as error:
            raise FileStorageUnavailable from error
        return name


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
