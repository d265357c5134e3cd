"""The pure calendar of an escrow."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from escrow import deadlines
from escrow.deadlines import Act, Outcome, Step
from escrow.models import Escrow, EscrowStatus, OnDeadline

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEADLINE = NOON + timedelta(days=10)
HOLD = timedelta(days=90)


def an_escrow(**overrides: Any) -> Escrow:
    values: dict[str, Any] = {
        "pk": 1,
        "status": EscrowStatus.FUNDED,
        "amount_total_minor": 100,
        "funded_minor": 100,
        "deadline_at": DEADLINE,
        "on_deadline": OnDeadline.REFUND,
        "inspection_hours": 72,
    }
    return Escrow(**(values | overrides))


def shown(escrow: Escrow, *, has_milestones: bool = True) -> dict[str, deadlines.Deadline]:
    found = deadlines.running(escrow, has_milestones=has_milestones, psp_hold=HOLD, at=NOON)
    return {deadline.name: deadline for deadline in found}


@pytest.mark.parametrize(
    ("on_deadline", "act"),
    [
        (OnDeadline.REFUND, Act.REFUND),
        (OnDeadline.RELEASE, Act.RELEASE),
        (OnDeadline.REVIEW, Act.REVIEW),
    ],
)
def test_a_funded_escrow_does_at_its_deadline_what_was_agreed(
    on_deadline: OnDeadline, act: Act
) -> None:
    escrow = an_escrow(on_deadline=on_deadline)
    assert deadlines.next_step(escrow) == Step("deadline", DEADLINE, act)
    assert shown(escrow)["deadline"].outcome == act.value


def test_a_draft_is_cancelled_at_its_deadline_whatever_was_agreed() -> None:
    escrow = an_escrow(status=EscrowStatus.DRAFT, on_deadline=OnDeadline.RELEASE)
    assert deadlines.next_step(escrow) == Step("deadline", DEADLINE, Act.CANCEL)


@pytest.mark.parametrize(
    "status", [EscrowStatus.RELEASED, EscrowStatus.REFUNDED, EscrowStatus.CANCELLED]
)
def test_nothing_runs_on_an_ended_escrow(status: EscrowStatus) -> None:
    escrow = an_escrow(status=status, psp_hold_ends_at=NOON)
    assert deadlines.next_step(escrow) is None
    assert shown(escrow) == {}


def test_a_dispute_stops_the_deadline() -> None:
    assert deadlines.next_step(an_escrow(status=EscrowStatus.DISPUTED)) is None


def test_the_inspection_releases_where_evidence_was_handed_in() -> None:
    escrow = an_escrow(
        status=EscrowStatus.RELEASABLE, inspection_started_at=NOON, delivery_has_evidence=True
    )
    ends_at = NOON + timedelta(hours=72)
    assert deadlines.next_step(escrow) == Step("inspection", ends_at, Act.RELEASE)
    assert shown(escrow)["inspection"] == deadlines.Deadline("inspection", ends_at, Outcome.RELEASE)


def test_silence_on_the_providers_word_alone_leads_to_review() -> None:
    escrow = an_escrow(
        status=EscrowStatus.RELEASABLE, inspection_started_at=NOON, delivery_has_evidence=False
    )
    step = deadlines.next_step(escrow)
    assert step is not None
    assert step.act is Act.REVIEW


def test_an_inspection_that_has_not_started_is_shown_at_its_earliest() -> None:
    inspection = shown(an_escrow())["inspection"]
    assert inspection.started is False
    assert inspection.at == NOON + timedelta(hours=72)


def test_evidence_in_time_pauses_the_deadline_first_and_asks_for_review_after_seven_days() -> None:
    escrow = an_escrow(evidence_at=DEADLINE)
    assert deadlines.next_step(escrow) == Step("deadline", DEADLINE, Act.PAUSE)
    escrow.deadline_paused_at = DEADLINE
    in_the_end = DEADLINE + timedelta(days=7)
    assert deadlines.next_step(escrow) == Step("deadline", in_the_end, Act.REVIEW)
    assert shown(escrow)["deadline"].at == in_the_end
    assert shown(escrow)["deadline"].outcome is Outcome.REVIEW


def test_evidence_that_came_too_late_pauses_nothing() -> None:
    escrow = an_escrow(evidence_at=DEADLINE + timedelta(microseconds=1))
    assert deadlines.next_step(escrow) == Step("deadline", DEADLINE, Act.REFUND)


def test_the_psp_hold_warns_a_week_before_and_then_asks_for_review() -> None:
    ends_at = NOON + timedelta(days=9)
    escrow = an_escrow(psp_hold_ends_at=ends_at)
    assert deadlines.next_step(escrow) == Step("psp_hold", NOON + timedelta(days=2), Act.WARN)
    escrow.psp_hold_warned_at = NOON
    assert deadlines.next_step(escrow) == Step("psp_hold", ends_at, Act.REVIEW)
    assert shown(escrow)["psp_hold"] == deadlines.Deadline("psp_hold", ends_at, Outcome.REVIEW)


def test_evidence_does_not_hold_back_the_psp() -> None:
    ends_at = DEADLINE + timedelta(days=1)
    escrow = an_escrow(
        evidence_at=NOON,
        deadline_paused_at=DEADLINE,
        psp_hold_ends_at=ends_at,
        psp_hold_warned_at=NOON,
    )
    assert deadlines.next_step(escrow) == Step("psp_hold", ends_at, Act.REVIEW)


def test_a_disputed_escrow_is_warned_of_the_psp_but_not_disputed_again() -> None:
    escrow = an_escrow(status=EscrowStatus.DISPUTED, psp_hold_ends_at=DEADLINE)
    step = deadlines.next_step(escrow)
    assert step is not None
    assert step.act is Act.WARN
    escrow.psp_hold_warned_at = NOON
    assert deadlines.next_step(escrow) is None


def test_the_psp_hold_is_shown_before_any_money_came() -> None:
    hold = shown(an_escrow(status=EscrowStatus.DRAFT))["psp_hold"]
    assert hold == deadlines.Deadline("psp_hold", NOON + HOLD, Outcome.REVIEW, started=False)


def test_deadlines_are_shown_soonest_first() -> None:
    found = deadlines.running(an_escrow(), has_milestones=True, psp_hold=HOLD, at=NOON)
    assert [deadline.name for deadline in found] == ["inspection", "deadline", "psp_hold"]
