"""How escrows end, and that money, milestones and books end with them."""

from typing import Any

import pytest
from django.db import transaction

from audit.alert_types import AlertType
from audit.selectors import alerts, waiting_events
from escrow.errors import (
    EscrowNotFound,
    EscrowRoleForbidden,
    InsufficientEscrowBalance,
    OwnEscrowForbidden,
    ResolutionNotBalanced,
)
from escrow.models import Deposit, Escrow, EscrowStatus, MilestoneStatus, Note
from escrow.services.acceptance import approve_escrow, cancel_escrow, reject_escrow
from escrow.services.disputes import open_dispute, resolve_dispute
from escrow.services.evidence import begin_review, release_milestone
from escrow.services.journal import Said
from escrow.services.refunds import refund_escrow
from escrow.tests.books import assert_in_order, held_in_ledger, payments_of
from escrow.tests.conftest import ToldEvidence
from escrow.tests.factories import (
    as_client,
    as_provider,
    fund,
    make_escrow,
    milestone_of,
    minor_of,
)
from kobatela.accounts.models import Approval
from kobatela.accounts.services.approvals import approval_state
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import InvalidState, ValidationFailed

pytestmark = pytest.mark.django_db
E = EscrowStatus


def support(**overrides: Any) -> Caller:
    return make_caller(Scope.SUPPORT, make_user(), **overrides)


def notes_given() -> tuple[str, str]:
    """Why each of two people said yes to what was granted."""
    row = Approval.objects.get(status="GRANTED")
    return row.first_note, row.second_note


def statuses(escrow: Escrow) -> list[str]:
    return list(escrow.milestones.order_by("sequence_index").values_list("status", flat=True))


def pending(escrow: Escrow, index: int = 1, *, has_file: bool = False) -> None:
    """Put a milestone under review, as a proof would."""
    milestone = milestone_of(escrow, index)
    escrow.refresh_from_db()
    begin_review(
        escrow=escrow,
        milestone=milestone,
        has_file=has_file,
        submitted_at=clock.now(),
        actor="apikey:provider",
    )


def release(escrow: Escrow, index: int = 1, proof_id: int = 900) -> None:
    """Accept the proof of a milestone."""
    pending(escrow, index)
    escrow.refresh_from_db()
    release_milestone(
        escrow=escrow,
        milestone=milestone_of(escrow, index),
        proof_id=proof_id + index,
        actor="staff:1",
    )
    escrow.refresh_from_db()


# --- client-approve ---------------------------------------------------------------------------


def test_d10_approval_pays_each_open_milestone_and_the_rest() -> None:
    escrow = make_escrow(milestones=[3_000, 2_000])
    result = approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said("Merci"))
    assert result.approvals is None
    escrow.refresh_from_db()
    assert escrow.status == E.RELEASED
    assert (escrow.released_minor, escrow.refunded_minor) == (10_000, 0)
    assert statuses(escrow) == ["APPROVED", "APPROVED"]
    assert payments_of(escrow) == [
        ("payout", "psp", 3_000),
        ("payout", "psp", 2_000),
        ("payout", "psp", 5_000),
    ]
    assert_in_order()


def test_approval_without_milestones_is_one_payout() -> None:
    escrow = make_escrow(E.RELEASABLE)
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    assert payments_of(escrow) == [("payout", "psp", 10_000)]
    assert_in_order()


def test_approval_accepts_the_pending_proof_and_then_tells_of_the_end(
    evidence: ToldEvidence,
) -> None:
    escrow = make_escrow(milestones=[3_000, 2_000])
    pending(escrow)
    caller = as_client(escrow)
    approve_escrow(caller=caller, escrow_id=escrow.pk, said=Said())
    first = milestone_of(escrow)
    assert evidence.told == [
        ("decided", first.pk, caller.actor),
        ("closed", escrow.pk, caller.actor),
    ]


def test_approval_does_not_pay_a_milestone_again() -> None:
    escrow = make_escrow(milestones=[3_000, 2_000])
    release(escrow)
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    assert payments_of(escrow) == [
        ("payout", "psp", 3_000),
        ("payout", "psp", 2_000),
        ("payout", "psp", 5_000),
    ]
    assert_in_order()


@pytest.mark.parametrize("status", [E.DRAFT, E.DISPUTED, E.RELEASED, E.REFUNDED, E.CANCELLED])
def test_d11_approval_is_refused_in_every_other_state(status: EscrowStatus) -> None:
    escrow = make_escrow(status)
    before = payments_of(escrow)
    with pytest.raises(InvalidState), transaction.atomic():
        approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    escrow.refresh_from_db()
    assert escrow.status == status
    assert payments_of(escrow) == before


def test_d03_a_stranger_finds_no_escrow_to_approve() -> None:
    escrow = make_escrow()
    stranger = make_caller(Scope.SENDER, make_user())
    with pytest.raises(EscrowNotFound), transaction.atomic():
        approve_escrow(caller=stranger, escrow_id=escrow.pk, said=Said())


def test_d06_the_provider_does_not_approve_with_a_senders_key() -> None:
    escrow = make_escrow()
    provider = make_caller(Scope.SENDER, escrow.provider)
    for command in (approve_escrow, reject_escrow, cancel_escrow):
        with pytest.raises(EscrowRoleForbidden), transaction.atomic():
            command(caller=provider, escrow_id=escrow.pk, said=Said())


# --- client-reject and cancel -------------------------------------------------------------------


def test_rejecting_a_draft_gives_the_part_that_came_in_back() -> None:
    escrow = make_escrow(E.DRAFT, funded=4_000, milestones=[3_000])
    reject_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    escrow.refresh_from_db()
    assert escrow.status == E.CANCELLED
    assert escrow.refunded_minor == 4_000
    assert statuses(escrow) == ["CANCELLED"]
    assert payments_of(escrow) == [("refund", "psp", 4_000)]
    assert_in_order()


def test_d10_rejecting_a_funded_escrow_refunds_it() -> None:
    escrow = make_escrow(milestones=[3_000])
    reject_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    escrow.refresh_from_db()
    assert escrow.status == E.REFUNDED
    assert payments_of(escrow) == [("refund", "psp", 10_000)]
    assert_in_order()


def test_rejecting_once_a_proof_is_pending_leads_to_a_dispute(evidence: ToldEvidence) -> None:
    escrow = make_escrow(milestones=[3_000])
    pending(escrow)
    caller = as_client(escrow)
    reject_escrow(caller=caller, escrow_id=escrow.pk, said=Said())
    escrow.refresh_from_db()
    assert escrow.status == E.DISPUTED
    assert payments_of(escrow) == []
    assert statuses(escrow) == ["PENDING_REVIEW"]
    assert evidence.told == [("disputed", escrow.pk, caller.actor)]
    assert alerts(type=AlertType.DISPUTE_OPENED).count() == 1


def test_rejecting_delivered_work_leads_to_a_dispute() -> None:
    escrow = make_escrow(E.RELEASABLE)
    reject_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    escrow.refresh_from_db()
    assert escrow.status == E.DISPUTED
    assert held_in_ledger(escrow) == 10_000


def test_cancelling_an_unfunded_draft_moves_no_money() -> None:
    escrow = make_escrow(E.DRAFT)
    cancel_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    escrow.refresh_from_db()
    assert escrow.status == E.CANCELLED
    assert payments_of(escrow) == []
    assert_in_order()


def test_cancelling_is_for_drafts_only() -> None:
    escrow = make_escrow()
    with pytest.raises(InvalidState), transaction.atomic():
        cancel_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())


def test_cancelling_a_draft_with_an_accepted_proof_leads_to_a_dispute() -> None:
    escrow = make_escrow(E.DRAFT, funded=4_000, milestones=[3_000, 5_000])
    release(escrow)
    cancel_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    escrow.refresh_from_db()
    assert escrow.status == E.DISPUTED
    assert payments_of(escrow) == [("payout", "psp", 3_000)]


# --- refund -------------------------------------------------------------------------------------


def test_the_provider_gives_all_back_at_once_even_with_a_proof_pending() -> None:
    escrow = make_escrow(milestones=[3_000])
    pending(escrow)
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    escrow.refresh_from_db()
    assert escrow.status == E.REFUNDED
    assert statuses(escrow) == ["CANCELLED"]
    assert payments_of(escrow) == [("refund", "psp", 10_000)]
    assert_in_order()


@pytest.mark.parametrize(
    ("before", "after"),
    [(E.DRAFT, E.CANCELLED), (E.FUNDED, E.REFUNDED), (E.RELEASABLE, E.REFUNDED)],
)
def test_a_full_refund_by_the_provider_ends_the_escrow(
    before: EscrowStatus, after: EscrowStatus
) -> None:
    escrow = make_escrow(before, funded=4_000 if before is E.DRAFT else None)
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    escrow.refresh_from_db()
    assert escrow.status == after
    assert_in_order()


def test_a_full_refund_by_the_client_does_what_rejecting_does() -> None:
    escrow = make_escrow(milestones=[3_000])
    pending(escrow)
    refund_escrow(caller=as_client(escrow), escrow_id=escrow.pk, amount_in=minor_of(10_000))
    escrow.refresh_from_db()
    assert escrow.status == E.DISPUTED


def test_a_part_refund_takes_what_no_milestone_needs_and_changes_no_state() -> None:
    escrow = make_escrow(milestones=[3_000])
    refund_escrow(caller=as_client(escrow), escrow_id=escrow.pk, amount_in=minor_of(7_000))
    escrow.refresh_from_db()
    assert escrow.status == E.FUNDED
    assert escrow.refunded_minor == 7_000
    assert payments_of(escrow) == [("refund", "psp", 7_000)]
    assert_in_order()


def test_a_part_refund_never_touches_an_open_milestone() -> None:
    escrow = make_escrow(milestones=[3_000])
    with pytest.raises(InsufficientEscrowBalance) as refusal, transaction.atomic():
        refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=minor_of(7_001))
    assert refusal.value.details == {"free": "70.00"}
    escrow.refresh_from_db()
    assert escrow.refunded_minor == 0


def test_a_refund_goes_back_to_the_charges_newest_first() -> None:
    escrow = make_escrow(E.DRAFT, funded=6_000)
    newest = fund(escrow, 4_000)
    refund_escrow(caller=as_client(escrow), escrow_id=escrow.pk, amount_in=minor_of(5_000))
    refunded = dict(Deposit.objects.values_list("amount_minor", "refunded_minor"))
    assert refunded == {6_000: 1_000, 4_000: 4_000}
    assert payments_of(escrow) == [("refund", "psp", 4_000), ("refund", "psp", 1_000)]
    assert Deposit.objects.get(amount_minor=4_000).charge_ref == newest
    assert_in_order()


def test_staff_must_say_why_they_refund() -> None:
    escrow = make_escrow()
    with pytest.raises(ValidationFailed), transaction.atomic():
        refund_escrow(caller=support(), escrow_id=escrow.pk, amount_in=None)
    refund_escrow(caller=support(), escrow_id=escrow.pk, amount_in=None, note="Both asked.")
    escrow.refresh_from_db()
    assert escrow.status == E.REFUNDED
    assert Note.objects.get().text == "Both asked."


def test_a_refund_by_staff_above_the_figure_needs_a_second_person() -> None:
    escrow = make_escrow(amount_total_minor=1_000_001)
    first, second = support(), support()
    answer = refund_escrow(caller=first, escrow_id=escrow.pk, amount_in=None, note="Stop.")
    assert answer.approvals is not None
    assert (answer.approvals.given, answer.approvals.needed) == (1, 2)
    assert answer.escrow.status == E.FUNDED
    again = refund_escrow(caller=first, escrow_id=escrow.pk, amount_in=None, note="Stop.")
    assert again.approvals is not None
    assert payments_of(escrow) == []
    done = refund_escrow(caller=second, escrow_id=escrow.pk, amount_in=None, note="Yes.")
    assert done.approvals is None
    assert done.escrow.status == E.REFUNDED
    assert notes_given() == ("Stop.", "Yes.")
    assert_in_order()


def test_an_end_withdraws_what_waits_for_a_second_person() -> None:
    escrow = make_escrow(amount_total_minor=1_000_001)
    refund_escrow(caller=support(), escrow_id=escrow.pk, amount_in=None, note="Stop.")
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    assert approval_state(escrow.reference, "refund") is None


@pytest.mark.parametrize("status", [E.DISPUTED, E.RELEASED, E.REFUNDED, E.CANCELLED])
def test_no_refund_in_a_dispute_or_after_the_end(status: EscrowStatus) -> None:
    escrow = make_escrow(status)
    for caller in (as_client(escrow), as_provider(escrow)):
        with pytest.raises(InvalidState), transaction.atomic():
            refund_escrow(caller=caller, escrow_id=escrow.pk, amount_in=None)


# --- disputes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [as_client, as_provider])
@pytest.mark.parametrize("status", [E.DRAFT, E.FUNDED, E.RELEASABLE])
def test_either_party_freezes_the_escrow(status: EscrowStatus, who: Any) -> None:
    escrow = make_escrow(status)
    open_dispute(caller=who(escrow), escrow_id=escrow.pk, said=Said("No."))
    escrow.refresh_from_db()
    assert escrow.status == E.DISPUTED
    assert escrow.next_deadline_at is None or escrow.psp_hold_ends_at is not None
    assert "escrow.disputed" in [event.event for event in waiting_events()]


def test_money_released_before_a_dispute_stays_the_payees() -> None:
    escrow = make_escrow(milestones=[3_000, 2_000])
    release(escrow)
    open_dispute(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    resolve_dispute(
        caller=support(),
        escrow_id=escrow.pk,
        release_in=minor_of(0),
        refund_in=minor_of(7_000),
        note="The rest goes back.",
    )
    escrow.refresh_from_db()
    assert escrow.status == E.REFUNDED
    assert (escrow.released_minor, escrow.refunded_minor) == (3_000, 7_000)
    assert statuses(escrow) == ["APPROVED", "CANCELLED"]
    assert_in_order()


def resolved(escrow: Escrow, release_minor: int) -> Escrow:
    held_minor = escrow.held_minor
    resolve_dispute(
        caller=support(),
        escrow_id=escrow.pk,
        release_in=minor_of(release_minor),
        refund_in=minor_of(held_minor - release_minor),
        note="Heard both.",
    )
    escrow.refresh_from_db()
    return escrow


def test_a_resolution_pays_milestones_in_sequence_while_it_covers_them() -> None:
    escrow = resolved(make_escrow(E.DISPUTED, milestones=[3_000, 4_000, 500]), 6_500)
    assert escrow.status == E.RELEASED
    assert statuses(escrow) == ["APPROVED", "CANCELLED", "CANCELLED"]
    # The third would be covered, but it is not paid before the second.
    assert payments_of(escrow) == [
        ("payout", "psp", 3_000),
        ("payout", "psp", 3_500),
        ("refund", "psp", 3_500),
    ]
    assert_in_order()


def test_a_resolution_that_releases_nothing_refunds(evidence: ToldEvidence) -> None:
    escrow = make_escrow(milestones=[3_000])
    pending(escrow)
    open_dispute(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    escrow.refresh_from_db()
    resolved(escrow, 0)
    assert escrow.status == E.REFUNDED
    assert [kind for kind, _, _ in evidence.told] == ["disputed", "closed"]
    assert_in_order()


def test_a_resolution_that_pays_a_pending_proofs_milestone_does_not_accept_the_proof(
    evidence: ToldEvidence,
) -> None:
    escrow = make_escrow(milestones=[3_000])
    pending(escrow)
    open_dispute(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    escrow.refresh_from_db()
    resolved(escrow, 10_000)
    assert statuses(escrow) == ["APPROVED"]
    assert [kind for kind, _, _ in evidence.told] == ["disputed", "closed"]


@pytest.mark.parametrize(("release_minor", "refund_minor"), [(1, 9_998), (10_000, 1), (0, 0)])
def test_a_resolution_must_divide_all_that_is_held(release_minor: int, refund_minor: int) -> None:
    escrow = make_escrow(E.DISPUTED)
    with pytest.raises(ResolutionNotBalanced), transaction.atomic():
        resolve_dispute(
            caller=support(),
            escrow_id=escrow.pk,
            release_in=minor_of(release_minor),
            refund_in=minor_of(refund_minor),
            note="Heard both.",
        )
    escrow.refresh_from_db()
    assert escrow.status == E.DISPUTED
    assert payments_of(escrow) == []


def test_only_a_dispute_is_resolved_and_only_by_others() -> None:
    escrow = make_escrow()
    arguments: dict[str, Any] = {
        "escrow_id": escrow.pk,
        "release_in": minor_of(10_000),
        "refund_in": minor_of(0),
        "note": "Done.",
    }
    with pytest.raises(InvalidState), transaction.atomic():
        resolve_dispute(caller=support(), **arguments)
    with pytest.raises(EscrowRoleForbidden), transaction.atomic():
        resolve_dispute(caller=as_client(escrow), **arguments)
    own = make_caller(Scope.SUPPORT, escrow.client)
    with pytest.raises(OwnEscrowForbidden), transaction.atomic():
        resolve_dispute(caller=own, **arguments)


def test_two_people_must_ask_for_the_same_resolution() -> None:
    escrow = make_escrow(E.DISPUTED, amount_total_minor=1_000_001)

    def resolve(caller: Caller, release_minor: int) -> Any:
        return resolve_dispute(
            caller=caller,
            escrow_id=escrow.pk,
            release_in=minor_of(release_minor),
            refund_in=minor_of(1_000_001 - release_minor),
            note="Heard both.",
        )

    first, second, third = support(), support(), support()
    assert resolve(first, 500).approvals.given == 1
    assert resolve(second, 600).approvals.given == 1
    assert payments_of(escrow) == []
    assert resolve(third, 600).approvals is None
    escrow.refresh_from_db()
    assert escrow.status == E.RELEASED
    assert escrow.released_minor == 600
    assert notes_given() == ("Heard both.", "Heard both.")
    assert_in_order()


# --- in a party's name --------------------------------------------------------------------------


def test_an_admin_in_the_clients_name_needs_a_second_admin_for_much_money() -> None:
    escrow = make_escrow(amount_total_minor=1_000_001)

    def admin() -> Caller:
        return make_caller(Scope.ADMIN, make_user(), on_behalf_of=escrow.client_id)

    first = approve_escrow(caller=admin(), escrow_id=escrow.pk, said=Said("They called."))
    assert first.approvals is not None
    assert first.escrow.status == E.FUNDED
    second = approve_escrow(caller=admin(), escrow_id=escrow.pk, said=Said())
    assert second.approvals is None
    assert second.escrow.status == E.RELEASED
    assert notes_given() == ("They called.", "")


def test_a_dispute_in_a_partys_name_moves_no_money_and_needs_nobody() -> None:
    escrow = make_escrow(amount_total_minor=1_000_001, milestones=[5])
    pending(escrow)
    admin = make_caller(Scope.ADMIN, make_user(), on_behalf_of=escrow.client_id)
    result = reject_escrow(caller=admin, escrow_id=escrow.pk, said=Said())
    assert result.approvals is None
    assert result.escrow.status == E.DISPUTED


# --- the last milestone -------------------------------------------------------------------------


def test_the_last_milestone_ends_the_escrow_and_the_rest_goes_back() -> None:
    escrow = make_escrow(milestones=[3_000, 2_000])
    release(escrow, 1)
    assert escrow.status == E.FUNDED
    release(escrow, 2)
    assert escrow.status == E.RELEASED
    assert payments_of(escrow) == [
        ("payout", "psp", 3_000),
        ("payout", "psp", 2_000),
        ("refund", "psp", 5_000),
    ]
    assert_in_order()


def test_a_part_funded_escrow_pays_what_its_money_covers() -> None:
    escrow = make_escrow(E.DRAFT, funded=3_000, milestones=[3_000])
    release(escrow)
    assert escrow.status == E.RELEASED
    assert payments_of(escrow) == [("payout", "psp", 3_000)]
    assert_in_order()


def test_the_fee_is_taken_at_release(settings: Any) -> None:
    settings.KOBATELA_FEE_BPS = 250
    escrow = make_escrow(milestones=[3_001])
    release(escrow)
    # 2.5 % of 30.01 is 0.75025: the fraction stays the provider's.
    assert payments_of(escrow)[0] == ("payout", "psp", 2_926)
    assert escrow.released_minor == 3_001
    assert_in_order()


def test_milestones_never_leave_their_end_again() -> None:
    escrow = make_escrow(milestones=[3_000])
    release(escrow)
    with pytest.raises(InvalidState), transaction.atomic():
        release_milestone(
            escrow=escrow, milestone=milestone_of(escrow), proof_id=1, actor="staff:1"
        )
    assert milestone_of(escrow).status == MilestoneStatus.APPROVED
