"""Receiving a file: every byte goes to disk and through the hash as it arrives.

Nothing is held in memory beyond one piece, and nothing stays on disk unless a service keeps it.
"""

import contextlib
import hashlib
import io
import os
import tempfile
import weakref
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from kobatela.kernel import clock
from kobatela.uploads import storage
from kobatela.uploads.errors import FileStorageUnavailable, FileTooLarge

PIECE_BYTES = 256 * 1024


class QuarantinedFile(UploadedFile):  # type: ignore[type-arg]  # generic in the stubs only
    """A received file: on disk, hashed, and removed when it is closed.

    sha256: of every byte that arrived, in hexadecimal. received_at: when the last one arrived.
    """

    def __init__(self, *, path: Path, name: str, size: int, sha256: str) -> None:
        self._file: IO[bytes] | None = None
        super().__init__(name=name, size=size)
        self.path = path
        self.sha256 = sha256
        self.received_at: datetime = clock.now()
        # Also removes the file of a request that ends without closing it.
        self._removed = weakref.finalize(self, _remove, path)

    @property
    def file(self) -> IO[bytes]:
        """The bytes to read; opened when they are first asked for."""
        if self._file is None:
            self._file = self.path.open("rb")
        return self._file

    @file.setter
    def file(self, file: IO[bytes] | None) -> None:
        self._file = file

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The bytes from the start, in pieces."""
        with self.path.open("rb") as file:
            while piece := file.read(chunk_size or PIECE_BYTES):
                yield piece

    def head(self, size: int) -> bytes:
        """The first `size` bytes."""
        with self.path.open("rb") as file:
            return file.read(size)

    def close(self) -> None:
        """Close it and remove it from quarantine, unless it was kept meanwhile."""
        if self._file is not None:
            self._file.close()
        self._removed()


class Receiver:
    """Takes a file piece by piece. Raises FileTooLarge as soon as no type allows its size, and
    FileStorageUnavailable where this machine's disk takes nothing."""

    def __init__(self) -> None:
        try:
            descriptor, path = tempfile.mkstemp(dir=storage.quarantine_dir())
        except OSError as error:
            raise FileStorageUnavailable from error
        self._file = os.fdopen(descriptor, "wb")
        self._path = Path(path)
        self._digest = hashlib.sha256()
        self._size = 0
        self._removed = weakref.finalize(self, _remove, self._path)

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._size += len(piece)
        if self._size > settings.KOBATELA_FILE_MAX_BYTES:
            self.drop()
            raise FileTooLarge(limit_bytes=settings.KOBATELA_FILE_MAX_BYTES)
        self._digest.update(piece)
        try:
            self._file.write(piece)
        except OSError as error:
            self.drop()
            raise FileStorageUnavailable from error

    def finish(self, name: str) -> QuarantinedFile:
        """The whole file."""
        try:
            self._file.close()
        except OSError as error:
            self._removed()
            raise FileStorageUnavailable from error
        self._removed.detach()
        return QuarantinedFile(
            path=self._path,
            name=name,
            size=self._size,
            sha256=self._digest.hexdigest(),
        )

    def drop(self) -> None:
        """Remove what arrived so far."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._removed()


class QuarantineUploadHandler(FileUploadHandler):
    """Puts every uploaded file of every form and request into quarantine."""

    chunk_size = PIECE_BYTES

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin the next file of the request."""
        super().new_file(*args, **kwargs)
        self._receiver = Receiver()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Write a piece; no other handler needs to see it."""
        self._receiver.write(raw_data)
        return None

    def file_complete(self, file_size: int) -> QuarantinedFile:
        """Give the request its file."""
        return self._receiver.finish(self.file_name or "")

    def upload_interrupted(self) -> None:
        """The client went away; so does what it sent."""
        receiver = getattr(self, "_receiver", None)
        if receiver is not None:
            receiver.drop()


def take_in(stream: IO[bytes], name: str) -> QuarantinedFile:
    """Put a readable stream into quarantine. Raises FileTooLarge."""
    receiver = Receiver()
    while piece := stream.read(PIECE_BYTES):
        receiver.write(piece)
    return receiver.finish(name)


def take_in_bytes(content: bytes, name: str) -> QuarantinedFile:
    """Put bytes that are already in memory into quarantine. Raises FileTooLarge."""
    return take_in(io.BytesIO(content), name)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
