"""The only place that reads the time, so that tests can set it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_frozen_at: datetime | None = None


def now() -> datetime:
    """The current moment, aware, in UTC."""
    if _frozen_at is not None:
        return _frozen_at
    return datetime.now(UTC)  # noqa: TID251 - this is the clock itself


@contextmanager
def frozen(at: datetime) -> Iterator[None]:
    """Hold the clock at `at` (aware) for every thread of this process. For tests."""
    global _frozen_at  # noqa: PLW0603 - one clock per process, threads of a test included
    if at.tzinfo is None:
        raise ValueError("The clock is set to an aware moment only.")
    before = _frozen_at
    _frozen_at = at
    try:
        yield
    finally:
        _frozen_at = before


def advance(by: timedelta) -> None:
    """Move a frozen clock on. For tests; raises RuntimeError when the clock runs."""
    global _frozen_at  # noqa: PLW0603 - see frozen
    if _frozen_at is None:
        raise RuntimeError("Only a frozen clock can be moved.")
    _frozen_at += by
