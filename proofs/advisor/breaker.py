"""When the model is asked at all: the rule of the breaker. Pure; its state is kept elsewhere."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from proofs.states import BreakerState


class Outcome(StrEnum):
    """What a call says about whether the model can be reached."""

    ANSWERED = "answered"  # the server works, whatever it said
    FAILED = "failed"  # it does not
    NOT_MADE = "not_made"  # no call left us


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When it opens, when it tries again, and when the one who tries counts as lost."""

    failures_to_open: int
    open_for: timedelta
    probe_for: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """How it stands."""

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None


def ask(breaker: Breaker, now: datetime, rules: Rules) -> tuple[bool, Breaker]:
    """Whether a call may be made now, and how the breaker stands after that was said.

    After its time an open breaker lets one call through: the probe. Until that is heard of, or is
    lost, there is no other.
    """
    if breaker.state is BreakerState.CLOSED:
        return True, breaker
    if breaker.state is BreakerState.OPEN:
        assert breaker.opened_at is not None
        if now - breaker.opened_at < rules.open_for:
            return False, breaker
        return True, replace(breaker, state=BreakerState.HALF_OPEN, probe_at=now)
    if breaker.probe_at is not None and now - breaker.probe_at < rules.probe_for:
        return False, breaker
    return True, replace(breaker, probe_at=now)


def after(breaker: Breaker, outcome: Outcome, now: datetime, rules: Rules) -> Breaker:
    """How the breaker stands after a call. While it is open, calls from before change nothing."""
    if breaker.state is BreakerState.OPEN:
        return breaker
    if outcome is Outcome.NOT_MADE:
        return replace(breaker, probe_at=None)
    if outcome is Outcome.ANSWERED:
        return replace(breaker, state=BreakerState.CLOSED, failures=0, probe_at=None)
    failures = breaker.failures + 1
    if breaker.state is BreakerState.HALF_OPEN or failures >= rules.failures_to_open:
        return Breaker(state=BreakerState.OPEN, failures=failures, opened_at=now)
    return replace(breaker, failures=failures)
