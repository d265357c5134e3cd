"""Every move of every state machine, allowed or not: the full square."""

from itertools import product

import pytest

from escrow.models import (
    Deposit,
    DepositStatus,
    Escrow,
    EscrowStatus,
    Milestone,
    MilestoneStatus,
)
from kobatela.kernel.errors import InvalidState

E = EscrowStatus
ESCROW_MOVES = {
    (E.DRAFT, E.FUNDED),
    (E.DRAFT, E.CANCELLED),
    (E.DRAFT, E.DISPUTED),
    (E.DRAFT, E.RELEASED),
    (E.FUNDED, E.RELEASABLE),
    (E.FUNDED, E.RELEASED),
    (E.FUNDED, E.REFUNDED),
    (E.FUNDED, E.DISPUTED),
    (E.RELEASABLE, E.RELEASED),
    (E.RELEASABLE, E.REFUNDED),
    (E.RELEASABLE, E.DISPUTED),
    (E.DISPUTED, E.RELEASED),
    (E.DISPUTED, E.REFUNDED),
}
M = MilestoneStatus
MILESTONE_MOVES = {
    (M.WAITING, M.PENDING_REVIEW),
    (M.WAITING, M.APPROVED),
    (M.WAITING, M.CANCELLED),
    (M.PENDING_REVIEW, M.APPROVED),
    (M.PENDING_REVIEW, M.REJECTED),
    (M.PENDING_REVIEW, M.CANCELLED),
    (M.REJECTED, M.PENDING_REVIEW),
    (M.REJECTED, M.APPROVED),
    (M.REJECTED, M.CANCELLED),
    (M.APPROVED, M.PAYING),
    (M.PAYING, M.PAID),
    (M.PAYING, M.APPROVED),
    (M.PAID, M.APPROVED),
}
D = DepositStatus
DEPOSIT_MOVES = {(D.PENDING, D.CONFIRMED), (D.PENDING, D.FAILED)}


@pytest.mark.parametrize(("before", "after"), list(product(E, E)))
def test_an_escrow_moves_only_where_its_table_says(
    before: EscrowStatus, after: EscrowStatus
) -> None:
    escrow = Escrow(pk=1, status=before)
    if (before, after) in ESCROW_MOVES:
        escrow.transition_to(after)
        assert escrow.status == after
    else:
        with pytest.raises(InvalidState):
            escrow.transition_to(after)
        assert escrow.status == before


@pytest.mark.parametrize(("before", "after"), list(product(M, M)))
def test_a_milestone_moves_only_where_its_table_says(
    before: MilestoneStatus, after: MilestoneStatus
) -> None:
    milestone = Milestone(pk=1, status=before)
    if (before, after) in MILESTONE_MOVES:
        milestone.transition_to(after)
        assert milestone.status == after
    else:
        with pytest.raises(InvalidState):
            milestone.transition_to(after)
        assert milestone.status == before


@pytest.mark.parametrize(("before", "after"), list(product(D, D)))
def test_a_deposit_moves_only_where_its_table_says(
    before: DepositStatus, after: DepositStatus
) -> None:
    deposit = Deposit(pk=1, status=before)
    if (before, after) in DEPOSIT_MOVES:
        deposit.transition_to(after)
        assert deposit.status == after
    else:
        with pytest.raises(InvalidState):
            deposit.transition_to(after)
        assert deposit.status == before


@pytest.mark.parametrize(
    ("table", "states"),
    [
        (Escrow.TRANSITIONS, set(E)),
        (Milestone.TRANSITIONS, set(M)),
        (Deposit.TRANSITIONS, set(D)),
    ],
)
def test_every_state_has_a_row_in_its_table(table: dict[str, object], states: set[str]) -> None:
    assert set(table) == states


def test_an_ended_escrow_is_at_the_end_of_its_table() -> None:
    ends = {status for status, targets in Escrow.TRANSITIONS.items() if not targets}
    assert ends == {E.RELEASED, E.REFUNDED, E.CANCELLED}
