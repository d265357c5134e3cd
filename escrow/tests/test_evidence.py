"""What the keepers of the evidence ask of an escrow, and how milestones follow their payments."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import transaction

from audit import selectors as audit_selectors
from audit.actions import Action
from escrow.errors import (
    EscrowNotFound,
    InsufficientEscrowBalance,
    MilestoneNotFound,
    MilestoneNotWaiting,
    MilestoneSequenceError,
)
from escrow.models import Escrow, EscrowStatus, MilestoneStatus
from escrow.services.evidence import (
    begin_review,
    lock_for_decision,
    lock_open_milestone,
    open_milestone,
    reject_evidence,
    release_milestone,
)
from escrow.services.payouts import EscrowPayouts, EscrowRefunds
from escrow.tests.books import assert_in_order, payments_of
from escrow.tests.factories import as_client, as_provider, fund, make_escrow, milestone_of
from escrow.timeline import told
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState

pytestmark = pytest.mark.django_db
M = MilestoneStatus


def submit(escrow: Escrow, index: int = 1) -> None:
    locked, milestone = lock_open_milestone(escrow_id=escrow.pk, milestone_idx=index)
    begin_review(
        escrow=locked,
        milestone=milestone,
        has_file=True,
        submitted_at=clock.now(),
        actor="apikey:provider",
    )


def decide(escrow: Escrow, index: int = 1, *, accept: bool) -> None:
    locked, milestone = lock_for_decision(
        escrow_id=escrow.pk, milestone_id=milestone_of(escrow, index).pk
    )
    if accept:
        release_milestone(escrow=locked, milestone=milestone, proof_id=index, actor="staff:1")
    else:
        reject_evidence(escrow=locked, milestone=milestone, actor="staff:1")
    escrow.refresh_from_db()


def test_d26_a_rejected_milestone_takes_a_new_proof_and_then_pays() -> None:
    escrow = make_escrow(milestones=[3_000, 2_000])
    submit(escrow)
    decide(escrow, accept=False)
    assert milestone_of(escrow).status == M.REJECTED
    with pytest.raises(MilestoneSequenceError):
        open_milestone(caller=as_provider(escrow), escrow_id=escrow.pk, milestone_idx=2)
    submit(escrow)
    decide(escrow, accept=True)
    assert milestone_of(escrow).status == M.APPROVED
    assert payments_of(escrow) == [("payout", "psp", 3_000)]
    assert_in_order()


def test_both_sides_may_hand_in_and_strangers_find_nothing() -> None:
    escrow = make_escrow(milestones=[3_000])
    for caller in (as_client(escrow), as_provider(escrow)):
        found = open_milestone(caller=caller, escrow_id=escrow.pk, milestone_idx=1)
        assert found.escrow.pk == escrow.pk
    stranger = make_caller(Scope.PROVIDER, make_user())
    with pytest.raises(EscrowNotFound):
        open_milestone(caller=stranger, escrow_id=escrow.pk, milestone_idx=1)


def test_an_index_that_the_escrow_does_not_have_is_not_found() -> None:
    escrow = make_escrow(milestones=[3_000])
    with pytest.raises(MilestoneNotFound):
        open_milestone(caller=as_provider(escrow), escrow_id=escrow.pk, milestone_idx=2)


def test_a_second_proof_waits_for_the_first() -> None:
    escrow = make_escrow(milestones=[3_000])
    submit(escrow)
    with pytest.raises(MilestoneNotWaiting):
        open_milestone(caller=as_provider(escrow), escrow_id=escrow.pk, milestone_idx=1)


def test_a_milestone_is_proven_only_once_its_money_is_held() -> None:
    escrow = make_escrow(EscrowStatus.DRAFT, funded=2_999, milestones=[3_000])
    with pytest.raises(InsufficientEscrowBalance) as refusal:
        open_milestone(caller=as_provider(escrow), escrow_id=escrow.pk, milestone_idx=1)
    assert refusal.value.details == {"held": "29.99", "frozen": "0.00", "missing": "0.01"}
    fund(escrow, 1)
    submit(escrow)
    decide(escrow, accept=True)
    assert payments_of(escrow) == [("payout", "psp", 3_000)]


def test_the_end_by_the_last_milestone_tells_all_that_was_released() -> None:
    escrow = make_escrow(milestones=[3_000, 6_000])
    for index in (1, 2):
        submit(escrow, index)
        decide(escrow, index, accept=True)
    (end,) = audit_selectors.timeline(escrow.reference, [Action.ESCROW_RELEASED])
    (item,) = told(escrow, [end], to_staff=False)
    assert item["data"] == {
        "status": "RELEASED",
        "before": "FUNDED",
        "currency": "EUR",
        "released": "90.00",
        "refunded": "10.00",
        "last_released": "0.00",
        "last_refunded": "10.00",
    }


def test_a_proof_is_released_once() -> None:
    escrow = make_escrow(milestones=[3_000, 2_000])
    submit(escrow)
    decide(escrow, accept=True)
    with pytest.raises(InvalidState), transaction.atomic():
        decide(escrow, accept=True)
    assert payments_of(escrow) == [("payout", "psp", 3_000)]


def test_a_milestone_without_a_proof_is_never_released() -> None:
    escrow = make_escrow(milestones=[3_000])
    with pytest.raises(InvalidState), transaction.atomic():
        decide(escrow, accept=True)
    assert milestone_of(escrow).status == M.WAITING


def test_nothing_is_decided_in_a_dispute() -> None:
    escrow = make_escrow(milestones=[3_000])
    submit(escrow)
    Escrow.objects.filter(pk=escrow.pk).update(status=EscrowStatus.DISPUTED)
    for accept in (True, False):
        with pytest.raises(InvalidState), transaction.atomic():
            decide(escrow, accept=accept)
    assert milestone_of(escrow).status == M.PENDING_REVIEW


def test_a_milestone_is_locked_with_its_own_escrow_only() -> None:
    escrow, other = make_escrow(milestones=[3_000]), make_escrow(milestones=[3_000])
    with pytest.raises(MilestoneNotFound):
        lock_for_decision(escrow_id=other.pk, milestone_id=milestone_of(escrow).pk)


def test_every_move_of_a_milestone_is_told_in_its_escrows_stream() -> None:
    escrow = make_escrow(milestones=[3_000, 2_000])
    submit(escrow)
    decide(escrow, accept=False)
    submit(escrow)
    decide(escrow, accept=True)
    told = audit_selectors.entries(subject=escrow.reference).order_by("stream_seq")
    moves = [entry.action for entry in told if entry.action.startswith("milestone.")]
    assert moves == [
        "milestone.created",
        "milestone.created",
        "milestone.submitted",
        "milestone.rejected",
        "milestone.submitted",
        "milestone.approved",
    ]
    assert audit_selectors.stream_gaps() == []


# --- following payments -------------------------------------------------------------------------


@dataclass(frozen=True)
class PaymentSeen:
    """What a handler reads of a payment."""

    pk: int
    escrow_id: int
    milestone_id: int | None


@pytest.fixture
def released() -> Escrow:
    escrow = make_escrow(milestones=[3_000, 2_000])
    submit(escrow)
    decide(escrow, accept=True)
    return escrow


def test_d14_a_failed_payout_takes_the_milestone_back_to_approved(released: Escrow) -> None:
    payment = PaymentSeen(1, released.pk, milestone_of(released).pk)
    payouts = EscrowPayouts()
    payouts.lock_owner(payment.escrow_id, payment.milestone_id)
    payouts.sent(payment)
    assert milestone_of(released).status == M.PAYING
    payouts.failed(payment)
    assert milestone_of(released).status == M.APPROVED
    payouts.sent(payment)
    payouts.settled(payment)
    assert milestone_of(released).status == M.PAID
    payouts.returned(payment)
    assert milestone_of(released).status == M.APPROVED


def test_a_milestone_is_not_paid_without_being_sent(released: Escrow) -> None:
    payment = PaymentSeen(1, released.pk, milestone_of(released).pk)
    with pytest.raises(InvalidState), transaction.atomic():
        EscrowPayouts().settled(payment)
    assert milestone_of(released).status == M.APPROVED


def test_a_payment_without_milestone_moves_none(released: Escrow) -> None:
    payment = PaymentSeen(1, released.pk, None)
    for handler in (EscrowPayouts(), EscrowRefunds()):
        handler.lock_owner(payment.escrow_id, None)
        for event in (handler.sent, handler.settled, handler.failed, handler.returned):
            event(payment)
    assert [item.status for item in released.milestones.order_by("sequence_index")] == [
        M.APPROVED,
        M.WAITING,
    ]


def test_a_deferred_deadline_is_remembered_only_for_files() -> None:
    escrow = make_escrow(milestones=[3_000])
    locked, milestone = lock_open_milestone(escrow_id=escrow.pk, milestone_idx=1)
    begin_review(
        escrow=locked,
        milestone=milestone,
        has_file=False,
        submitted_at=clock.now() - timedelta(seconds=1),
        actor="apikey:provider",
    )
    escrow.refresh_from_db()
    assert escrow.evidence_at is None
