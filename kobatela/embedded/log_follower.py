"""Follows log files that are written by other processes."""

from collections.abc import Iterator
from pathlib import Path


class LogFollower:
    """Yields the lines that were added to a file since the last look."""

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self._path = path
        self._offset = path.stat().st_size if from_end and path.exists() else 0
        self._rest = b""

    def new_lines(self) -> Iterator[str]:
        """Complete lines, without their line ends; empty lines are left out."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                if size < self._offset:  # begun anew
                    self._offset, self._rest = 0, b""
                file.seek(self._offset)
                added = file.read()
        except FileNotFoundError:
            return
        self._offset += len(added)
        *complete, self._rest = (self._rest + added).split(b"\n")
        for line in complete:
            if line.strip():
                yield line.decode(errors="replace").rstrip()
