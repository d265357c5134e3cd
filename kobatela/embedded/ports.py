"""Free TCP ports on the loopback address."""

import os
import socket
import tempfile
from pathlib import Path

from kobatela.embedded.file_lock import FileLock

LOOPBACK = "127.0.0.1"


def free_port(preferred: int | None = None) -> int:
    """The preferred port when nobody has it, otherwise one that the system finds free."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # Without this a port whose connections ended a minute ago would count as taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("The system has no free TCP port.")


class PortClaim:
    """A port that several checkouts may want at once; the first one gets it.

    Looking whether a port is free does not keep it free until the server has bound it, and two
    granian servers would even share it without a word. So whoever takes one holds a lock as well.
    """

    def __init__(self, preferred: int) -> None:
        self.port = preferred
        self._lock: FileLock | None = None

    def take(self) -> int:
        """Claim the preferred port, or another one if that is taken."""
        while True:
            self.port = free_port(self.port)
            # One file per user: another user's server cannot share our port anyway.
            name = f"kobatela-{os.geteuid()}-port-{self.port}.lock"
            lock = FileLock(Path(tempfile.gettempdir()) / name)
            if lock.try_acquire():
                self._lock = lock
                return self.port
            self.port = 0

    def release(self) -> None:
        """Let others have the port."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
