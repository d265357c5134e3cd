"""A machine approves only when every condition holds; each test breaks one of them."""

from dataclasses import replace
from typing import Any

import pytest

from proofs.checks.findings import Severity
from proofs.checks.policy import MachineCase, machine_may_approve, reasons_to_hold
from proofs.states import ReviewReason

PLAIN = MachineCase(
    milestone_kind="PHOTO",
    validator="SUPPORT",
    has_file=True,
    has_fence=True,
    has_age_limit=True,
    worst_severity=None,
    reuse_reasons=(),
    came_by_link=False,
    parties_related=False,
    rejected_before=False,
    amount_minor=200_000,
    approve_max_minor=200_000,
    day_max_minor=1_000_000,
    escrow_day_minor=800_000,
    provider_day_minor=800_000,
    drawn_for_review=False,
    switched_on=True,
)


def test_a_plain_small_photo_at_every_limit_is_approved() -> None:
    assert machine_may_approve(PLAIN)
    assert reasons_to_hold(PLAIN) == ()


def test_findings_for_information_hold_nothing_up() -> None:
    assert machine_may_approve(replace(PLAIN, worst_severity=Severity.INFO))


@pytest.mark.parametrize("severity", [Severity.SOFT, Severity.HARD])
def test_a_finding_above_info_is_never_approved(severity: Severity) -> None:
    assert not machine_may_approve(replace(PLAIN, worst_severity=severity))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"milestone_kind": "INVOICE"}, ReviewReason.DOCUMENT),
        ({"validator": "SENDER"}, ReviewReason.SENDER_VALIDATES),
        ({"has_file": False}, ReviewReason.NO_FILE),
        ({"has_fence": False}, ReviewReason.FENCE_NOT_SET),
        ({"has_age_limit": False}, ReviewReason.AGE_LIMIT_NOT_SET),
        ({"reuse_reasons": (ReviewReason.REUSED_FILE,)}, ReviewReason.REUSED_FILE),
        ({"came_by_link": True}, ReviewReason.CAME_BY_LINK),
        ({"parties_related": True}, ReviewReason.PARTIES_RELATED),
        ({"rejected_before": True}, ReviewReason.REJECTED_BEFORE),
        ({"amount_minor": 200_001}, ReviewReason.AMOUNT_ABOVE_LIMIT),
        ({"approve_max_minor": None}, ReviewReason.AMOUNT_ABOVE_LIMIT),
        ({"day_max_minor": None}, ReviewReason.DAY_LIMIT_REACHED),
        ({"escrow_day_minor": 800_001}, ReviewReason.DAY_LIMIT_REACHED),
        ({"provider_day_minor": 800_001}, ReviewReason.DAY_LIMIT_REACHED),
        ({"drawn_for_review": True}, ReviewReason.DRAWN_FOR_REVIEW),
        ({"switched_on": False}, ReviewReason.MACHINE_APPROVAL_OFF),
        ({"without_advisor": False, "advice": None}, ReviewReason.AI_UNAVAILABLE),
        ({"without_advisor": False, "advice": "warning"}, ReviewReason.AI_ADVICE),
        ({"without_advisor": False, "advice": "suspect"}, ReviewReason.AI_ADVICE),
    ],
)
def test_one_broken_condition_sends_it_to_a_person(
    changed: dict[str, Any], reason: ReviewReason
) -> None:
    case = replace(PLAIN, **changed)

    assert not machine_may_approve(case)
    assert reasons_to_hold(case) == (reason,)


def test_clean_advice_holds_nothing_up_and_opens_nothing_else() -> None:
    advised = replace(PLAIN, without_advisor=False, advice="clean")

    assert machine_may_approve(advised)
    assert not machine_may_approve(replace(advised, switched_on=False))


def test_what_the_evidence_lacks_is_said_alone() -> None:
    case = replace(PLAIN, has_file=False, has_fence=False, switched_on=False)

    assert reasons_to_hold(case) == (ReviewReason.NO_FILE,)
