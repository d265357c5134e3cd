"""What the supervisor shows: one line per event, after the coloured name of who says it."""

import os
import sys
import threading
from contextlib import suppress
from typing import ClassVar, TextIO

_NAME_WIDTH = 8


class Terminal:
    """Prints lines of several processes without mixing them up."""

    _COLORS: ClassVar[dict[str, int]] = {
        "stack": 1, "postgres": 34, "valkey": 31, "prepare": 35, "psp": 33, "web": 32,
        "worker": 36, "beat": 95,
    }  # fmt: skip

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_colored = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._lock = threading.Lock()

    def say(self, name: str, line: str) -> None:
        """Print one line of the process `name`. A terminal that is gone hears nothing."""
        prefix = f"{name:<{_NAME_WIDTH}} │"
        if self._is_colored:
            prefix = f"\x1b[{self._COLORS.get(name, 37)}m{prefix}\x1b[0m"
        with self._lock, suppress(OSError):
            self._stream.write(f"{prefix} {line}\n")
            self._stream.flush()
