"""Locks between processes. The kernel drops them when their holder dies, however it dies."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_POLL_S = 0.01


class FileLock:
    """One lock on one file, held by this process until released (or until it dies).

    A lock is inherited by forked children, and lost by programs started with exec
    unless the descriptor is passed on.
    """

    def __init__(self, path: Path, *, shared: bool = False, timeout_s: float = 60.0) -> None:
        self.path = path
        self._operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._timeout_s = timeout_s
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The open file descriptor that holds the lock, to be passed to a child."""
        if self._descriptor is None:
            raise RuntimeError(f"The lock {self.path} is not held.")
        return self._descriptor

    def try_acquire(self) -> bool:
        """Take the lock if it is free now; say whether it is held."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, self._operation | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def acquire(self) -> Self:
        """Wait for the lock. Raises TimeoutError after `timeout_s`."""
        give_up_at = time.monotonic() + self._timeout_s
        while not self.try_acquire():
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"Nobody let go of {self.path} within {self._timeout_s:g} s.")
            time.sleep(_POLL_S)
        return self

    def release(self) -> None:
        """Let go of this process's hold; a child that inherited the descriptor keeps its own."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def is_held(path: Path, *, by_anybody: bool = False) -> bool:
    """Whether some process holds an exclusive lock on the file, or any lock at all."""
    probe = FileLock(path, shared=not by_anybody)
    if probe.try_acquire():
        probe.release()
        return False
    return True
