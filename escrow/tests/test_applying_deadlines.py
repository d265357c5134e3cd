"""Deadlines acting on escrows: by the job, before a command, at a rejection."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from audit import selectors as audit_selectors
from audit.alert_types import AlertType
from audit.services.jobs import run_exclusively
from escrow.errors import DeadlinePassed
from escrow.models import Escrow, EscrowStatus, OnDeadline
from escrow.services.deadlines import apply_all_due, apply_due, check_deadline, preview
from escrow.services.deliveries import mark_delivered
from escrow.services.evidence import (
    begin_review,
    open_milestone,
    reject_evidence,
    release_milestone,
)
from escrow.services.journal import Said
from escrow.tests.books import assert_in_order, held_in_ledger, payments_of
from escrow.tests.conftest import ToldEvidence
from escrow.tests.factories import as_client, as_provider, make_escrow, milestone_of
from kobatela.kernel import clock
from kobatela.kernel.errors import InvalidState
from kobatela.uploads.models import Upload

pytestmark = pytest.mark.django_db
E = EscrowStatus
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEADLINE = NOON + timedelta(days=10)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.frozen(NOON):
        yield


def an_escrow(status: EscrowStatus = E.FUNDED, **overrides: Any) -> Escrow:
    return make_escrow(status, deadline_at=DEADLINE, **overrides)


def move_to(moment: datetime) -> None:
    clock.advance(moment - clock.now())


def apply(escrow: Escrow) -> bool:
    applied = apply_due(escrow_id=escrow.pk)
    escrow.refresh_from_db()
    return applied


def submit(escrow: Escrow, *, has_file: bool = True, index: int = 1) -> None:
    escrow.refresh_from_db()
    begin_review(
        escrow=escrow,
        milestone=milestone_of(escrow, index),
        has_file=has_file,
        submitted_at=clock.now(),
        actor="apikey:provider",
    )
    escrow.refresh_from_db()


def reject(escrow: Escrow, index: int = 1) -> None:
    reject_evidence(escrow=escrow, milestone=milestone_of(escrow, index), actor="staff:1")
    escrow.refresh_from_db()


def alert_count(kind: AlertType) -> int:
    return audit_selectors.alerts(type=kind).count()


@pytest.mark.parametrize(
    ("on_deadline", "status", "payments"),
    [
        (OnDeadline.REFUND, E.REFUNDED, [("refund", "psp", 10_000)]),
        (OnDeadline.RELEASE, E.RELEASED, [("payout", "psp", 3_000), ("payout", "psp", 7_000)]),
        (OnDeadline.REVIEW, E.DISPUTED, []),
    ],
)
def test_d27_a_funded_escrow_ends_at_its_deadline_as_agreed(
    on_deadline: OnDeadline, status: EscrowStatus, payments: list[tuple[str, str, int]]
) -> None:
    escrow = an_escrow(milestones=[3_000], on_deadline=on_deadline)
    move_to(DEADLINE - timedelta(microseconds=1))
    assert apply(escrow) is False
    assert escrow.status == E.FUNDED
    move_to(DEADLINE)
    assert apply(escrow) is True
    assert escrow.status == status
    assert payments_of(escrow) == payments
    assert apply(escrow) is False
    assert_in_order()


def test_a_draft_is_cancelled_and_what_came_in_goes_back() -> None:
    escrow = an_escrow(E.DRAFT, funded=4_000, on_deadline=OnDeadline.RELEASE)
    move_to(DEADLINE)
    assert apply(escrow) is True
    assert escrow.status == E.CANCELLED
    assert payments_of(escrow) == [("refund", "psp", 4_000)]
    assert_in_order()


def test_review_is_a_dispute_opened_by_the_deadline_with_an_alert(
    evidence: ToldEvidence,
) -> None:
    escrow = an_escrow(on_deadline=OnDeadline.REVIEW)
    move_to(DEADLINE)
    apply(escrow)
    assert alert_count(AlertType.DISPUTE_OPENED) == 1
    assert evidence.told == [("disputed", escrow.pk, "system:deadline")]
    entry = audit_selectors.entries(action="escrow.disputed").get()
    assert entry.actor == "system:deadline"


def test_a_release_at_the_deadline_accepts_claims_that_defer_nothing(
    evidence: ToldEvidence,
) -> None:
    escrow = an_escrow(milestones=[3_000], on_deadline=OnDeadline.RELEASE)
    submit(escrow, has_file=False)
    move_to(DEADLINE)
    apply(escrow)
    assert escrow.status == E.RELEASED
    assert [kind for kind, _, _ in evidence.told] == ["decided", "closed"]


# --- inspection ---------------------------------------------------------------------------------


def an_upload(escrow: Escrow) -> Upload:
    return Upload.objects.create(
        owner=escrow.provider,
        size_bytes=1,
        sha256="0" * 64,
        media_type="image/jpeg",
        storage_name="0" * 32,
        original_name="wall.jpg",
        received_at=clock.now(),
        expires_at=clock.now() + timedelta(hours=1),
    )


def test_silence_after_a_delivery_with_evidence_releases() -> None:
    escrow = an_escrow(inspection_hours=24)
    said = Said("Done.", upload_id=an_upload(escrow).pk)
    mark_delivered(caller=as_provider(escrow), escrow_id=escrow.pk, said=said)
    move_to(NOON + timedelta(hours=24))
    assert apply(escrow) is True
    assert escrow.status == E.RELEASED
    assert payments_of(escrow) == [("payout", "psp", 10_000)]
    assert_in_order()


def test_silence_on_the_providers_word_alone_leads_to_review_and_not_to_money() -> None:
    escrow = an_escrow(E.RELEASABLE)
    move_to(NOON + timedelta(hours=72))
    assert apply(escrow) is True
    assert escrow.status == E.DISPUTED
    assert payments_of(escrow) == []
    assert held_in_ledger(escrow) == 10_000


def test_a_delivered_escrow_is_not_touched_by_the_contracts_deadline() -> None:
    escrow = an_escrow(E.RELEASABLE, inspection_hours=720)
    move_to(DEADLINE)
    assert apply(escrow) is False
    assert escrow.status == E.RELEASABLE


# --- evidence that came in time -----------------------------------------------------------------


def test_a_proof_with_a_file_holds_the_deadline_back_with_an_alert() -> None:
    escrow = an_escrow(milestones=[3_000])
    submit(escrow)
    move_to(DEADLINE)
    assert apply(escrow) is True
    assert escrow.status == E.FUNDED
    assert alert_count(AlertType.DEADLINE_PAUSED) == 1
    assert apply(escrow) is False
    [deadline] = [item for item in preview(escrow) if item.name == "deadline"]
    assert (deadline.at, deadline.outcome) == (DEADLINE + timedelta(days=7), "review")


def test_seven_days_later_the_undecided_proof_leads_to_review() -> None:
    escrow = an_escrow(milestones=[3_000])
    submit(escrow)
    move_to(DEADLINE + timedelta(days=7))
    assert apply(escrow) is True
    assert escrow.status == E.DISPUTED
    assert payments_of(escrow) == []


def test_a_rejection_after_the_deadline_lets_it_act_at_once() -> None:
    escrow = an_escrow(milestones=[3_000])
    submit(escrow)
    move_to(DEADLINE + timedelta(days=1))
    apply(escrow)
    reject(escrow)
    assert escrow.status == E.REFUNDED
    assert milestone_of(escrow).status == "CANCELLED"
    assert_in_order()


def test_a_rejection_before_the_deadline_leaves_it_running() -> None:
    escrow = an_escrow(milestones=[3_000])
    submit(escrow)
    reject(escrow)
    assert escrow.status == E.FUNDED
    move_to(DEADLINE)
    assert apply(escrow) is True
    assert escrow.status == E.REFUNDED


def test_an_approval_after_the_deadline_pays_it_and_the_rest_follows_the_deadline() -> None:
    escrow = an_escrow(milestones=[3_000, 2_000])
    submit(escrow)
    move_to(DEADLINE + timedelta(days=1))
    apply(escrow)
    release_milestone(escrow=escrow, milestone=milestone_of(escrow), proof_id=1, actor="staff:1")
    escrow.refresh_from_db()
    assert escrow.status == E.REFUNDED
    assert payments_of(escrow) == [("payout", "psp", 3_000), ("refund", "psp", 7_000)]
    assert_in_order()


def test_a_claim_without_a_file_holds_nothing_back() -> None:
    escrow = an_escrow(milestones=[3_000])
    submit(escrow, has_file=False)
    move_to(DEADLINE)
    assert apply(escrow) is True
    assert escrow.status == E.REFUNDED


def test_a_part_funded_draft_waits_for_its_evidence_too() -> None:
    escrow = an_escrow(E.DRAFT, funded=3_000, milestones=[3_000, 2_000])
    submit(escrow)
    move_to(DEADLINE)
    apply(escrow)
    assert escrow.status == E.DRAFT
    reject(escrow)
    assert escrow.status == E.CANCELLED


def test_no_proof_is_taken_after_the_deadline_even_while_it_is_held_back() -> None:
    escrow = an_escrow(milestones=[3_000, 2_000])
    submit(escrow)
    move_to(DEADLINE)
    apply(escrow)
    with pytest.raises(DeadlinePassed):
        open_milestone(caller=as_provider(escrow), escrow_id=escrow.pk, milestone_idx=1)


# --- the PSP's limit ----------------------------------------------------------------------------


def test_the_psps_limit_warns_and_then_leads_to_review(settings: Any) -> None:
    settings.KOBATELA_PSP_HOLD_DAYS = 9
    escrow = an_escrow(milestones=[3_000])
    move_to(NOON + timedelta(days=2))
    assert apply(escrow) is True
    assert escrow.status == E.FUNDED
    assert alert_count(AlertType.PSP_HOLD_ENDING) == 1
    move_to(NOON + timedelta(days=9))
    assert apply(escrow) is True
    assert escrow.status == E.DISPUTED
    assert apply(escrow) is False


def test_deadlines_that_passed_together_act_in_the_order_of_their_moments(settings: Any) -> None:
    settings.KOBATELA_PSP_HOLD_DAYS = 9
    escrow = an_escrow()
    move_to(DEADLINE + timedelta(days=30))
    apply(escrow)
    # The PSP's limit came first; a dispute then stops the deadline.
    assert escrow.status == E.DISPUTED
    assert alert_count(AlertType.PSP_HOLD_ENDING) == 1


# --- the ways in --------------------------------------------------------------------------------


def test_check_deadline_applies_it_for_a_party() -> None:
    escrow = an_escrow()
    move_to(DEADLINE)
    assert check_deadline(caller=as_client(escrow), escrow_id=escrow.pk).status == E.REFUNDED


def test_the_job_applies_every_due_deadline_and_is_safe_to_run_twice() -> None:
    due = [an_escrow() for _ in range(3)]
    later = make_escrow(deadline_at=DEADLINE + timedelta(days=1))
    move_to(DEADLINE)
    first = run_exclusively("escrow_deadlines", apply_all_due)
    second = run_exclusively("escrow_deadlines", apply_all_due)
    assert first is not None
    assert second is not None
    assert (first.result, second.result) == ({"applied": 3}, {"applied": 0})
    for escrow in due:
        escrow.refresh_from_db()
        assert escrow.status == E.REFUNDED
    later.refresh_from_db()
    assert later.status == E.FUNDED


def test_one_escrow_that_fails_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken, sound = an_escrow(), an_escrow()
    move_to(DEADLINE)
    real = apply_due

    def fail_once(*, escrow_id: int) -> bool:
        if escrow_id == broken.pk:
            raise InvalidState
        return real(escrow_id=escrow_id)

    monkeypatch.setattr("escrow.services.deadlines.apply_due", fail_once)
    with pytest.raises(Exception, match=str(broken.pk)):
        run_exclusively("escrow_deadlines", apply_all_due)
    sound.refresh_from_db()
    assert sound.status == E.REFUNDED
    assert alert_count(AlertType.JOB_FAILED) == 1


def test_an_id_that_does_not_exist_has_nothing_due() -> None:
    assert apply_due(escrow_id=2**62) is False


def test_looking_for_a_due_deadline_costs_one_query(django_assert_num_queries: Any) -> None:
    escrow = an_escrow()
    with django_assert_num_queries(1):
        apply_due(escrow_id=escrow.pk)


def test_a_deadline_acts_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    escrow = an_escrow(milestones=[3_000])
    move_to(DEADLINE)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise InvalidState

    monkeypatch.setattr("escrow.services.outcomes.refunds.request_refund", fail)
    with pytest.raises(InvalidState), transaction.atomic():
        apply_due(escrow_id=escrow.pk)
    escrow.refresh_from_db()
    assert escrow.status == E.FUNDED
    assert milestone_of(escrow).status == "WAITING"
    assert_in_order()
