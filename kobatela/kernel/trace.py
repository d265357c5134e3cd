"""What a simulated command would have done: its postings and moves of state, or who must approve.

A simulation runs the real command and rolls it back. While one runs, the ledger and
`transition_to` report here; outside a simulation reporting costs one context lookup.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Trace:
    """What was reported, in order."""

    postings: list[dict[str, Any]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    approvals: dict[str, int] | None = None


_current: ContextVar[Trace | None] = ContextVar("kobatela_trace", default=None)


@contextmanager
def recording() -> Iterator[Trace]:
    """Collect reports until the end of the block."""
    trace = Trace()
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def is_simulating() -> bool:
    """Whether what happens now will be rolled back: nobody may be alerted of it."""
    return _current.get() is not None


def report_posting(posting: dict[str, Any]) -> None:
    """Report a ledger transfer as clients shall see it."""
    trace = _current.get()
    if trace is not None:
        trace.postings.append(posting)


def report_approvals(given: int, needed: int) -> None:
    """Report that the command would wait for another person."""
    trace = _current.get()
    if trace is not None:
        trace.approvals = {"given": given, "needed": needed}


def report_state(subject: str, before: str, after: str) -> None:
    """Report a move of state of `subject` (`escrow:12`)."""
    trace = _current.get()
    if trace is not None:
        trace.states.append({"subject": subject, "from": before, "to": after})
