"""What reading of one document may cost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from proofs.readers.limits import OCR_LEAST_S, OCR_WALL_MAX_S, OCR_WALL_PER_CPU


class Budget:
    """CPU time, and on the wall three times as much.

    Counted is CPU time, so that an honest page is read as far on a busy machine as on a quiet one.
    """

    def __init__(self, cpu_s: float) -> None:
        self.left_s = cpu_s
        self._ends_at = time.monotonic() + min(OCR_WALL_MAX_S, OCR_WALL_PER_CPU * cpu_s)

    @property
    def wall_left_s(self) -> float:
        """The time on the wall until even an engine that hangs must have ended."""
        return min(self._ends_at - time.monotonic(), OCR_WALL_PER_CPU * self.left_s)

    def allows(self, seconds: float) -> bool:
        """Whether something that takes so much CPU time may still be begun."""
        return min(self.left_s, self.wall_left_s) >= max(seconds, OCR_LEAST_S)

    def take(self, seconds: float) -> None:
        """Spend CPU time."""
        self.left_s -= seconds

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Spend what a parser takes: one process's work, near enough the time on the wall."""
        started_s = time.monotonic()
        try:
            yield
        finally:
            self.take(time.monotonic() - started_s)

    def end(self) -> None:
        """Spend all that is left."""
        self.left_s = 0.0
