"""What the watcher of the demo sees: one step at a time, alive on a terminal, plain elsewhere."""

import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_BAR_WIDTH = 24
_INDENT = "      "


class StepFailed(Exception):
    """A step of the story did not hold; the message says what was expected and what came."""


def expect(condition: object, message: str) -> None:
    """Raise StepFailed with `message` unless `condition` holds."""
    if not condition:
        raise StepFailed(message)


class Display:
    """Prints a story of `total` steps to `out`."""

    def __init__(self, total: int, out: TextIO | None = None) -> None:
        self.total = total
        self.done = 0
        self._out = out or sys.stdout
        self._live = self._out.isatty()
        self._started_at = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self._started_at

    def title(self, text: str) -> None:
        """The headline, once."""
        self._line(f"\n{self._paint(text, '1')}\n")

    @contextmanager
    def step(self, sentence: str) -> Iterator[None]:
        """One step: its number and sentence now, a tick or a cross at its end."""
        number = self.done + 1
        heading = f"{number:>2}/{self.total}  {sentence}"
        self._line(self._paint(heading, "1"))
        started_at = time.monotonic()
        try:
            yield
        except BaseException:
            self._clear()
            self._line(f"{_INDENT}{self._paint('✗ this step does not hold', '31;1')}\n")
            raise
        self.done = number
        took_s = time.monotonic() - started_at
        self._clear()
        self._line(f"{_INDENT}{self._paint('✓', '32;1')} {self._paint(f'{took_s:.1f} s', '2')}\n")

    def say(self, text: str) -> None:
        """A sentence inside a step."""
        width = min(shutil.get_terminal_size((100, 24)).columns, 100) - len(_INDENT)
        self._clear()
        for line in textwrap.wrap(text, width):
            self._line(_INDENT + line)

    def fact(self, name: str, value: object) -> None:
        """A named value inside a step, in a column of its own."""
        self._clear()
        self._line(f"{_INDENT}{self._paint(f'{name:<18}', '2')} {value}")

    def waiting(self, what: str) -> None:
        """Show on a terminal what is being waited for; the line is replaced by the next one."""
        if not self._live:
            return
        filled = round(_BAR_WIDTH * self.done / self.total)
        bar = "█" * filled + "░" * (_BAR_WIDTH - filled)
        self._out.write(f"\r\x1b[K{_INDENT}{bar} {self.elapsed_s:5.1f} s  {what}")
        self._out.flush()

    def block(self, text: str) -> None:
        """Lines as they stand, after the last step."""
        self._clear()
        self._line(text)

    def _paint(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._live else text

    def _clear(self) -> None:
        if self._live:
            self._out.write("\r\x1b[K")

    def _line(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()
