"""When a deadline acts on an escrow, and how. Pure: an escrow row in, moments and outcomes out.

Three clocks run: the contract's deadline, the inspection after delivery, and the time for which
a PSP may hold money. All that they depend on stands on the escrow row, so that the first moment
at which anything acts can be kept beside it (`next_deadline_at`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from escrow.models import Escrow, EscrowStatus, OnDeadline

# How long evidence that arrived in time may hold a passed deadline back.
EVIDENCE_DEFERS_FOR = timedelta(days=7)
# How long before the end of a PSP's holding limit support is told.
HOLD_WARNED_BEFORE = timedelta(days=7)


class Outcome(StrEnum):
    """What a deadline does when nobody acts."""

    CANCEL = "cancel"
    REFUND = "refund"
    RELEASE = "release"
    REVIEW = "review"


class Act(StrEnum):
    """What is to be done at a moment: an outcome, or a notice that changes no state."""

    CANCEL = "cancel"
    REFUND = "refund"
    RELEASE = "release"
    REVIEW = "review"
    PAUSE = "pause"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Deadline:
    """A deadline as people see it: if nobody acts, `outcome` happens `at` that moment.

    started: False while the clock does not run yet; `at` is then the earliest possible moment.
    """

    name: str
    at: datetime
    outcome: Outcome
    started: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One act that the escrow waits for."""

    deadline: str
    at: datetime
    act: Act


def next_step(escrow: Escrow) -> Step | None:
    """The first act to come; None when nothing runs."""
    return min(_steps(escrow), key=lambda step: step.at, default=None)


def next_at(escrow: Escrow) -> datetime | None:
    """The moment of the first act to come."""
    step = next_step(escrow)
    return step.at if step else None


def is_over(escrow: Escrow, at: datetime) -> bool:
    """Whether the contract's own deadline has passed."""
    return escrow.deadline_at <= at


def running(
    escrow: Escrow, *, has_milestones: bool, psp_hold: timedelta, at: datetime
) -> list[Deadline]:
    """Every deadline of the escrow with its outcome, soonest first.

    has_milestones: an escrow without any knows only the provider's word that it is delivered.
    psp_hold: how long a PSP may hold money that has not come in yet.
    at: now, from which clocks that have not started are counted.
    """
    status = EscrowStatus(escrow.status)
    found: list[Deadline] = []
    if status in {EscrowStatus.DRAFT, EscrowStatus.FUNDED}:
        found += [
            _contract_deadline(escrow),
            Deadline(
                "inspection",
                at + timedelta(hours=escrow.inspection_hours),
                _safe(escrow, Outcome.RELEASE if has_milestones else Outcome.REVIEW),
                started=False,
            ),
        ]
    if status is EscrowStatus.RELEASABLE:
        found.append(_inspection(escrow))
    if status in _OPEN:
        ends_at = escrow.psp_hold_ends_at
        found.append(
            Deadline("psp_hold", ends_at or at + psp_hold, Outcome.REVIEW, ends_at is not None)
        )
    return sorted(found, key=lambda deadline: deadline.at)


_OPEN = frozenset(
    {EscrowStatus.DRAFT, EscrowStatus.FUNDED, EscrowStatus.RELEASABLE, EscrowStatus.DISPUTED}
)
_ON_DEADLINE = {
    OnDeadline.REFUND: Outcome.REFUND,
    OnDeadline.RELEASE: Outcome.RELEASE,
    OnDeadline.REVIEW: Outcome.REVIEW,
}


def _contract_deadline(escrow: Escrow) -> Deadline:
    if _waits_for_evidence(escrow):
        return Deadline("deadline", escrow.deadline_at + EVIDENCE_DEFERS_FOR, Outcome.REVIEW)
    if escrow.status == EscrowStatus.DRAFT:
        return Deadline("deadline", escrow.deadline_at, _safe(escrow, Outcome.CANCEL))
    outcome = _safe(escrow, _ON_DEADLINE[OnDeadline(escrow.on_deadline)])
    return Deadline("deadline", escrow.deadline_at, outcome)


def _safe(escrow: Escrow, outcome: Outcome) -> Outcome:
    """The outcome, or review where a chargeback has frozen money, or has taken some of what is to
    be released: silence decides about neither."""
    is_short = escrow.status != EscrowStatus.DRAFT and (
        escrow.funded_minor < escrow.amount_total_minor
    )
    if escrow.frozen_minor or (outcome is Outcome.RELEASE and is_short):
        return Outcome.REVIEW
    return outcome


def _waits_for_evidence(escrow: Escrow) -> bool:
    return escrow.evidence_at is not None and escrow.evidence_at <= escrow.deadline_at


def _inspection(escrow: Escrow) -> Deadline:
    assert escrow.inspection_started_at is not None, "a delivered escrow has a running inspection"
    ends_at = escrow.inspection_started_at + timedelta(hours=escrow.inspection_hours)
    # Where the provider's word is all there is, the client's silence moves no money.
    outcome = Outcome.RELEASE if escrow.delivery_has_evidence else Outcome.REVIEW
    return Deadline("inspection", ends_at, _safe(escrow, outcome))


def _steps(escrow: Escrow) -> Iterator[Step]:
    status = EscrowStatus(escrow.status)
    if status not in _OPEN:
        return
    if escrow.psp_hold_ends_at is not None:
        if escrow.psp_hold_warned_at is None:
            yield Step("psp_hold", escrow.psp_hold_ends_at - HOLD_WARNED_BEFORE, Act.WARN)
        if status is not EscrowStatus.DISPUTED:
            yield Step("psp_hold", escrow.psp_hold_ends_at, Act.REVIEW)
    if status in {EscrowStatus.DRAFT, EscrowStatus.FUNDED}:
        if _waits_for_evidence(escrow) and escrow.deadline_paused_at is None:
            yield Step("deadline", escrow.deadline_at, Act.PAUSE)
        yield _step(_contract_deadline(escrow))
    if status is EscrowStatus.RELEASABLE:
        yield _step(_inspection(escrow))


def _step(deadline: Deadline) -> Step:
    return Step(deadline.name, deadline.at, Act(deadline.outcome))
