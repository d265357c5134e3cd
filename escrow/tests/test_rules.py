"""Who may do what, in which state. The same rules answer the commands and the summary."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from escrow import rules
from escrow.errors import (
    DeadlinePassed,
    EscrowRoleForbidden,
    InsufficientEscrowBalance,
    MilestoneNotWaiting,
    MilestoneSequenceError,
    NoOpenMilestone,
    OwnEscrowForbidden,
)
from escrow.models import Escrow, EscrowStatus, Milestone, MilestoneStatus
from escrow.rules import Standing
from escrow.services.evidence import require_decidable
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import InvalidState
from kobatela.rest.errors import InsufficientScope, OnBehalfOfRequired
from kobatela.rest.scopes import check_scope

# Whom a caller is related to is asked of the database.
pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLIENT, PROVIDER, STRANGER = 1, 2, 3
E = EscrowStatus
M = MilestoneStatus


def an_escrow(status: EscrowStatus = E.FUNDED, **overrides: Any) -> Escrow:
    funded = {E.DRAFT: 4_000}.get(status, 10_000)
    values: dict[str, Any] = {
        "pk": 1,
        "client_id": CLIENT,
        "provider_id": PROVIDER,
        "amount_total_minor": 10_000,
        "funded_minor": funded,
        "currency": "EUR",
        "status": status,
        "deadline_at": NOW + timedelta(days=1),
    }
    return Escrow(**(values | overrides))


def a_milestone(index: int, status: MilestoneStatus = M.WAITING, amount: int = 3_000) -> Milestone:
    return Milestone(pk=index, sequence_index=index, status=status, amount_minor=amount)


def a_caller(scope: Scope, user_id: int | None, **overrides: Any) -> Caller:
    return Caller(scope=scope, actor="apikey:test", user_id=user_id, **overrides)


def passes(caller: Caller, scopes: frozenset[Scope]) -> bool:
    try:
        check_scope(caller, scopes, is_command=True)
    except (InsufficientScope, OnBehalfOfRequired):
        return False
    return True


def allowed(caller: Caller, status: EscrowStatus, *milestones: Milestone) -> set[str]:
    standing = Standing(an_escrow(status), caller, NOW, milestones)
    return set(rules.allowed_actions(standing, passes))


SENDER = a_caller(Scope.SENDER, CLIENT)
PROVIDING = a_caller(Scope.PROVIDER, PROVIDER)
SUPPORT = a_caller(Scope.SUPPORT, STRANGER)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            E.DRAFT,
            {
                "deposit",
                "funding_session",
                "add_milestone",
                "submit_proof",
                "client_reject",
                "cancel",
                "dispute",
                "refund",
            },
        ),
        (
            E.FUNDED,
            {
                "add_milestone",
                "submit_proof",
                "client_approve",
                "client_reject",
                "dispute",
                "refund",
            },
        ),
        (E.DISPUTED, set()),
        (E.RELEASED, set()),
        (E.REFUNDED, set()),
        (E.CANCELLED, set()),
    ],
)
def test_what_the_client_may_do(status: EscrowStatus, expected: set[str]) -> None:
    milestone_status = M.WAITING if status in {E.DRAFT, E.FUNDED, E.DISPUTED} else M.CANCELLED
    assert allowed(SENDER, status, a_milestone(1, milestone_status)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (E.DRAFT, {"submit_proof", "dispute", "refund"}),
        (E.FUNDED, {"submit_proof", "dispute", "refund"}),
        (E.DISPUTED, set()),
        (E.RELEASED, set()),
    ],
)
def test_what_the_provider_may_do(status: EscrowStatus, expected: set[str]) -> None:
    milestone_status = M.CANCELLED if status is E.RELEASED else M.WAITING
    assert allowed(PROVIDING, status, a_milestone(1, milestone_status)) == expected


def test_delivery_is_offered_only_without_open_milestones() -> None:
    assert "mark_delivered" in allowed(PROVIDING, E.FUNDED)
    assert "mark_delivered" not in allowed(PROVIDING, E.FUNDED, a_milestone(1, M.REJECTED))
    assert "client_approve" in allowed(SENDER, E.RELEASABLE)


def test_what_support_may_do() -> None:
    assert allowed(SUPPORT, E.FUNDED) == {"refund"}
    assert allowed(SUPPORT, E.DISPUTED) == {"resolve"}
    standing = Standing(an_escrow(E.DRAFT), SUPPORT, NOW, pending_deposits=1)
    assert set(rules.allowed_actions(standing, passes)) == {
        "refund",
        "confirm_deposit",
        "reject_deposit",
    }


def test_d06_a_sender_key_of_the_provider_decides_nothing_of_the_clients() -> None:
    provider_with_sender_key = a_caller(Scope.SENDER, PROVIDER)
    assert allowed(provider_with_sender_key, E.FUNDED, a_milestone(1)) == {
        "submit_proof",
        "dispute",
        "refund",
    }
    standing = Standing(an_escrow(), provider_with_sender_key, NOW)
    with pytest.raises(EscrowRoleForbidden):
        rules.CLIENT_APPROVE.check(standing)


def test_an_admin_key_acts_for_a_party_only_in_its_name() -> None:
    admin = a_caller(Scope.ADMIN, STRANGER)
    in_its_name = a_caller(Scope.ADMIN, STRANGER, on_behalf_of=CLIENT)
    assert allowed(admin, E.FUNDED) == {"refund"}
    assert "client_approve" in allowed(in_its_name, E.FUNDED)
    assert "resolve" not in allowed(in_its_name, E.DISPUTED)


def test_nobody_acts_as_staff_on_their_own_escrow() -> None:
    own = a_caller(Scope.SUPPORT, CLIENT)
    for status, rule in [(E.DISPUTED, rules.RESOLVE), (E.FUNDED, rules.REFUND)]:
        with pytest.raises(OwnEscrowForbidden):
            rule.check(Standing(an_escrow(status), own, NOW))


def test_a_key_for_both_sides_refunds_as_the_client_unless_it_is_a_providers() -> None:
    def both(scope: Scope) -> Standing:
        caller = a_caller(scope, 9, acts_for=lambda user_id: user_id in {CLIENT, PROVIDER})
        return Standing(an_escrow(), caller, NOW)

    assert both(Scope.SENDER).refunds_as_provider is False
    assert both(Scope.PROVIDER).refunds_as_provider is True


@pytest.mark.parametrize(
    ("status", "milestone", "expected"),
    [
        (E.DRAFT, M.WAITING, E.CANCELLED),
        (E.DRAFT, M.REJECTED, E.CANCELLED),
        (E.DRAFT, M.PENDING_REVIEW, E.DISPUTED),
        (E.DRAFT, M.PAID, E.DISPUTED),
        (E.FUNDED, M.WAITING, E.REFUNDED),
        (E.FUNDED, M.REJECTED, E.REFUNDED),
        (E.FUNDED, M.PENDING_REVIEW, E.DISPUTED),
        (E.FUNDED, M.APPROVED, E.DISPUTED),
        (E.FUNDED, M.PAYING, E.DISPUTED),
        (E.RELEASABLE, M.CANCELLED, E.DISPUTED),
    ],
)
def test_where_a_refusal_by_the_client_leads(
    status: EscrowStatus, milestone: MilestoneStatus, expected: EscrowStatus
) -> None:
    standing = Standing(an_escrow(status), SENDER, NOW, [a_milestone(1, milestone)])
    assert rules.outcome_of_rejection(standing) is expected


@pytest.mark.parametrize(
    ("status", "promised", "expected"),
    [
        (E.FUNDED, 3_000, 7_000),
        (E.FUNDED, 12_000, 0),
        (E.DRAFT, 3_000, 1_000),
        (E.RELEASABLE, 0, 0),
        (E.DISPUTED, 0, 0),
        (E.RELEASED, 0, 0),
    ],
)
def test_free_is_what_no_open_milestone_needs(
    status: EscrowStatus, promised: int, expected: int
) -> None:
    assert rules.free_of(an_escrow(status), promised) == expected


def test_only_undecided_milestones_bind_money() -> None:
    milestones = [a_milestone(index, status, 1) for index, status in enumerate(M, start=1)]
    assert rules.open_minor(milestones) == 3


def provable(*milestones: Milestone, wanted: int | None = None, **overrides: Any) -> Milestone:
    named = next((item for item in milestones if item.pk == wanted), None)
    return rules.require_provable(an_escrow(**overrides), milestones, NOW, wanted=named)


def test_the_current_milestone_is_the_first_that_is_not_decided() -> None:
    done, rejected, later = a_milestone(1, M.PAID), a_milestone(2, M.REJECTED), a_milestone(3)
    assert provable(done, rejected, later, wanted=2) is rejected


def test_d26_a_rejected_milestone_stays_the_current_one() -> None:
    rejected, later = a_milestone(1, M.REJECTED), a_milestone(2)
    assert rules.current_milestone([rejected, later]) is rejected
    with pytest.raises(MilestoneSequenceError):
        provable(rejected, later, wanted=2)


def test_no_proof_goes_past_the_current_milestone() -> None:
    with pytest.raises(MilestoneSequenceError) as refusal:
        provable(a_milestone(1), a_milestone(2), wanted=2)
    assert refusal.value.details == {"current": 1}


def test_no_second_proof_while_one_is_under_review() -> None:
    with pytest.raises(MilestoneNotWaiting):
        provable(a_milestone(1, M.PENDING_REVIEW), wanted=1)


@pytest.mark.parametrize(
    ("asked_of", "offered"),
    [("provider", {PROVIDER}), ("client", {PROVIDER, CLIENT})],
)
@pytest.mark.parametrize("caller", [PROVIDING, SENDER], ids=["provider", "client"])
def test_what_more_was_asked_for_is_offered_to_who_may_send_it(
    asked_of: str, offered: set[int], caller: Caller
) -> None:
    asked = a_milestone(1, M.PENDING_REVIEW)
    asked.more_asked_at, asked.more_asked_of_client = NOW, asked_of == "client"
    is_offered = "submit_proof" in allowed(caller, E.FUNDED, asked)
    assert is_offered is (caller.user_id in offered)
    assert "submit_proof" not in allowed(caller, E.FUNDED, a_milestone(1, M.PENDING_REVIEW))
    assert "submit_proof" not in allowed(caller, E.DISPUTED, asked)


def test_no_proof_when_everything_is_decided() -> None:
    with pytest.raises(NoOpenMilestone):
        provable(a_milestone(1, M.PAID), wanted=1)


def test_no_proof_that_the_held_money_does_not_cover() -> None:
    with pytest.raises(InsufficientEscrowBalance):
        provable(a_milestone(1, amount=4_001), wanted=1, status=E.DRAFT)


def test_a_part_funded_escrow_takes_a_proof_that_its_money_covers() -> None:
    milestone = a_milestone(1, amount=4_000)
    assert provable(milestone, wanted=1, status=E.DRAFT) is milestone


def test_no_proof_in_a_dispute() -> None:
    with pytest.raises(InvalidState):
        provable(a_milestone(1), wanted=1, status=E.DISPUTED)


@pytest.mark.parametrize("status", [E.FUNDED, E.DISPUTED, E.CANCELLED])
def test_a_proof_after_the_deadline_hears_of_the_deadline_first(status: EscrowStatus) -> None:
    with pytest.raises(DeadlinePassed):
        provable(a_milestone(1), wanted=1, status=status, deadline_at=NOW)


@pytest.mark.parametrize("status", sorted(set(M) - {M.PENDING_REVIEW}))
def test_only_a_proof_under_review_is_decided(status: MilestoneStatus) -> None:
    with pytest.raises(InvalidState):
        require_decidable(an_escrow(), a_milestone(1, status))


def test_no_proof_is_decided_in_a_dispute() -> None:
    with pytest.raises(InvalidState):
        require_decidable(an_escrow(E.DISPUTED), a_milestone(1, M.PENDING_REVIEW))
