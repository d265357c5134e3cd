"""A person's word: who may give it, what it does, and that it is given once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from audit.models import AuditEntry, OutboxEvent
from escrow.services.disputes import open_dispute
from escrow.services.journal import Said
from escrow.tests.books import assert_in_order
from escrow.tests.factories import as_client, as_provider, milestone_of
from kobatela.accounts.errors import ApprovalTooEarly
from kobatela.accounts.selectors import managed_by
from kobatela.accounts.tests.factories import (
    make_caller,
    make_fresh_caller,
    make_staff_caller,
    make_user,
)
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import DomainError, InvalidState
from payments.selectors import payments_of
from proofs.errors import (
    AiReviewNoteRequired,
    DecisionNoteRequired,
    NotTheValidator,
    OwnProofForbidden,
    ProofAlreadyApproved,
    ProofAlreadyRejected,
    ProofNotFound,
    ProofProcessing,
)
from proofs.models import Proof
from proofs.services.decisions import Decided, decide_proof, request_info
from proofs.states import Processing, ProofStatus
from proofs.tests.factories import (
    claim,
    pending_proof,
    photo,
    read_invoice,
    site_escrow,
    submit,
    vague_photo,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]
LARGE = 1_000_001


def support() -> Caller:
    return make_caller(Scope.SUPPORT, make_user())


def approve(proof: Proof, caller: Caller | None = None, note: str = "") -> Decided:
    return decide_proof(
        caller=caller or support(), proof_id=proof.pk, decision=ProofStatus.APPROVED, note=note
    )


def reject(proof: Proof, caller: Caller | None = None, note: str = "Too dark.") -> Decided:
    return decide_proof(
        caller=caller or support(), proof_id=proof.pk, decision=ProofStatus.REJECTED, note=note
    )


def untouched(proof: Proof) -> bool:
    proof.refresh_from_db()
    return (
        proof.status == ProofStatus.PENDING
        and milestone_of(proof.escrow).status == "PENDING_REVIEW"
        and not payments_of(proof.escrow_id).exists()
    )


# --- What it does ---------------------------------------------------------------------------------


def test_approval_releases_the_milestone_in_the_same_transaction() -> None:
    proof = pending_proof()
    caller = support()

    decided = approve(proof, caller, note=" Seen. ")

    assert decided.proof.status == ProofStatus.APPROVED
    assert decided.proof.decided_by == caller.actor
    assert decided.proof.decision_note == "Seen."
    assert milestone_of(proof.escrow).status == "APPROVED"
    (payment,) = payments_of(proof.escrow_id)
    assert payment.business_key == f"proof:{proof.pk}:release"
    assert_in_order()


def test_rejection_reopens_the_milestone_and_tells_the_provider_why() -> None:
    proof = pending_proof()

    decided = reject(proof)

    assert decided.proof.status == ProofStatus.REJECTED
    assert decided.proof.decision_note == "Too dark."
    assert milestone_of(proof.escrow).status == "REJECTED"
    assert not payments_of(proof.escrow_id).exists()
    event = OutboxEvent.objects.get(event="proof.rejected")
    assert event.audience == [proof.provider_id]


def test_d26_a_rejected_milestone_takes_a_new_proof_and_is_paid() -> None:
    escrow = site_escrow()
    reject(pending_proof(escrow))

    again = submit(escrow, photo())

    assert (again.status, again.review_reasons) == (ProofStatus.PENDING, ["REJECTED_BEFORE"])
    approve(again, note="The wall is seen now.")
    escrow.refresh_from_db()
    assert escrow.status == "RELEASED"


def test_repeating_a_decision_changes_nothing_and_pays_nothing_more() -> None:
    proof = pending_proof()
    approve(proof, note="first")
    other = support()
    entries = AuditEntry.objects.count()

    again = approve(proof, other, note="second")

    assert again.proof.decision_note == "first"
    assert payments_of(proof.escrow_id).count() == 1
    assert AuditEntry.objects.count() == entries


def test_repeating_a_rejection_needs_no_note_again() -> None:
    proof = pending_proof()
    reject(proof)

    assert reject(proof, note="").proof.decision_note == "Too dark."


def test_the_opposite_of_a_decision_is_refused() -> None:
    approved, rejected = pending_proof(), pending_proof()
    approve(approved)
    reject(rejected)

    with pytest.raises(ProofAlreadyApproved):
        reject(approved)
    with pytest.raises(ProofAlreadyRejected):
        approve(rejected)

    approved.refresh_from_db()
    rejected.refresh_from_db()
    assert (approved.status, rejected.status) == ("APPROVED", "REJECTED")


def test_a_machines_approval_can_not_be_undone_by_a_person() -> None:
    proof = submit(site_escrow(), photo())

    with pytest.raises(ProofAlreadyApproved):
        reject(proof)


# --- Notes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("note", ["", "   "])
def test_a_rejection_needs_a_note(note: str) -> None:
    proof = pending_proof()

    with pytest.raises(DecisionNoteRequired):
        reject(proof, note=note)

    assert untouched(proof)


def test_an_approval_without_a_file_needs_a_note() -> None:
    proof = claim(site_escrow())

    with pytest.raises(DecisionNoteRequired):
        approve(proof)

    assert untouched(proof)
    assert approve(proof, note="Visited the site.").proof.status == ProofStatus.APPROVED


@pytest.mark.parametrize("risk", ["warning", "suspect"])
def test_an_approval_against_the_advisors_warning_needs_a_note(risk: str) -> None:
    proof = pending_proof()
    Proof.objects.filter(pk=proof.pk).update(ai_risk_level=risk)

    with pytest.raises(AiReviewNoteRequired):
        approve(proof)

    assert untouched(proof)
    assert approve(proof, note="Checked by phone.").proof.status == ProofStatus.APPROVED


def test_a_document_is_approved_without_a_note() -> None:
    proof = read_invoice()

    assert approve(proof).proof.status == ProofStatus.APPROVED


# --- Who ------------------------------------------------------------------------------------------


def test_a_stranger_meets_no_proof() -> None:
    proof = pending_proof()

    with pytest.raises(ProofNotFound):
        approve(proof, make_caller(Scope.SENDER, make_user()))
    with pytest.raises(ProofNotFound):
        decide_proof(caller=support(), proof_id=10**9, decision=ProofStatus.APPROVED, note="")


def test_d06_the_sender_decides_only_where_the_milestone_says_so() -> None:
    supports = pending_proof()
    senders = pending_proof(site_escrow(terms={"validator": "SENDER"}))

    with pytest.raises(NotTheValidator):
        approve(supports, as_client(supports.escrow))

    assert untouched(supports)
    assert approve(senders, as_client(senders.escrow)).proof.status == ProofStatus.APPROVED


def test_d06_the_provider_never_decides() -> None:
    proof = pending_proof(site_escrow(terms={"validator": "SENDER"}))
    provider_with_a_senders_key = make_caller(Scope.SENDER, proof.provider)

    with pytest.raises(NotTheValidator):
        approve(proof, provider_with_a_senders_key)

    assert untouched(proof)


def test_support_decides_a_senders_milestone_too() -> None:
    proof = pending_proof(site_escrow(terms={"validator": "SENDER"}))

    assert approve(proof).proof.status == ProofStatus.APPROVED


def test_a_sender_does_not_decide_what_they_submitted_themselves() -> None:
    escrow = site_escrow(terms={"validator": "SENDER"})
    proof = pending_proof(escrow, caller=as_client(escrow))

    with pytest.raises(OwnProofForbidden):
        approve(proof, as_client(escrow))

    assert untouched(proof)


@pytest.mark.parametrize("scope", [Scope.SUPPORT, Scope.ADMIN])
@pytest.mark.parametrize("party", ["client", "provider"])
def test_staff_do_not_decide_where_they_are_a_party(scope: Scope, party: str) -> None:
    proof = pending_proof()

    with pytest.raises(OwnProofForbidden):
        approve(proof, make_caller(scope, getattr(proof, party)))

    assert untouched(proof)


def test_staff_do_not_decide_where_they_manage_a_party() -> None:
    manager = make_user()
    proof = pending_proof(site_escrow(provider=make_user(managed_by=manager)))

    with pytest.raises(OwnProofForbidden):
        approve(proof, make_caller(Scope.SUPPORT, manager))

    assert untouched(proof)


@pytest.mark.parametrize("tie", ["is", "manages", "is managed by", "shares a manager with"])
def test_in_the_senders_name_nobody_of_the_providers_decides(tie: str) -> None:
    manager = make_user()
    provider = make_user(managed_by=None if tie == "is managed by" else manager)
    people = {"is": provider, "manages": manager}
    person = people.get(tie) or make_user(
        managed_by=provider if tie == "is managed by" else manager
    )
    escrow = site_escrow(provider=provider, terms={"validator": "SENDER"})
    # Submitted by another, so that nothing but the tie speaks against the person.
    submitter = manager if person == provider else provider
    proof = pending_proof(escrow, caller=make_caller(Scope.PROVIDER, submitter))
    admin = make_caller(
        Scope.ADMIN, person, on_behalf_of=escrow.client_id, acts_for=managed_by(escrow.client_id)
    )

    with pytest.raises(OwnProofForbidden):
        approve(proof, admin)

    assert untouched(proof)


def test_a_partner_system_that_manages_both_sides_validates_as_the_sender() -> None:
    manager = make_user()
    client, provider = make_user(managed_by=manager), make_user(managed_by=manager)
    escrow = site_escrow(client=client, provider=provider, terms={"validator": "SENDER"})
    proof = pending_proof(escrow, caller=make_caller(Scope.PROVIDER, provider))

    decided = approve(proof, make_caller(Scope.SENDER, manager))

    assert decided.proof.status == ProofStatus.APPROVED


def test_a_senders_key_that_an_admin_has_just_seen_releases_no_large_sum() -> None:
    client, terms = make_user(), {"validator": "SENDER"}
    seen = make_fresh_caller(Scope.SENDER, client)
    large, first, second = (
        pending_proof(site_escrow(*amounts, client=client, terms=terms))
        for amounts in ((1, LARGE - 1), (600_000,), (400_001,))
    )

    with pytest.raises(ApprovalTooEarly):
        approve(large, seen)
    assert approve(first, seen).proof.status == ProofStatus.APPROVED
    with pytest.raises(ApprovalTooEarly):
        approve(second, seen)

    assert approve(second, as_client(second.escrow)).proof.status == ProofStatus.APPROVED
    large.refresh_from_db()
    assert large.status == ProofStatus.PENDING
    assert not payments_of(large.escrow_id).exists()


def test_a_sender_who_validates_may_do_so_with_an_admins_key() -> None:
    proof = pending_proof(site_escrow(terms={"validator": "SENDER"}))
    admin = make_caller(Scope.ADMIN, proof.client, on_behalf_of=proof.client_id)

    assert approve(proof, admin).proof.status == ProofStatus.APPROVED


def test_an_admin_does_not_decide_what_they_submitted_on_behalf_of_a_party() -> None:
    escrow = site_escrow()
    admin = make_user()
    proof = pending_proof(
        escrow, caller=make_caller(Scope.ADMIN, admin, on_behalf_of=escrow.provider_id)
    )

    with pytest.raises(OwnProofForbidden):
        approve(proof, make_caller(Scope.ADMIN, admin))

    assert untouched(proof)


@pytest.mark.parametrize("validator", ["SUPPORT", "SENDER"])
def test_what_came_with_a_key_of_nobody_is_decided_with_no_key_of_nobody(validator: str) -> None:
    escrow = site_escrow(terms={"validator": validator})
    submitter = make_caller(Scope.ADMIN, on_behalf_of=escrow.provider_id)
    proof = claim(escrow, caller=submitter)
    in_whose_name = None if validator == "SUPPORT" else escrow.client_id
    keys_of_nobody = [
        make_caller(Scope.ADMIN, on_behalf_of=in_whose_name, actor=submitter.actor),
        make_caller(Scope.ADMIN, on_behalf_of=in_whose_name),
    ]

    for caller in keys_of_nobody:
        with pytest.raises(OwnProofForbidden):
            approve(proof, caller, note="Fine.")

    assert untouched(proof)
    assert approve(proof, note="Visited the site.").proof.status == ProofStatus.APPROVED


def test_a_key_of_nobody_decides_what_a_person_submitted() -> None:
    proof = pending_proof()

    assert approve(proof, make_caller(Scope.SUPPORT)).proof.status == ProofStatus.APPROVED


# --- Four eyes ------------------------------------------------------------------------------------


def test_above_the_figure_the_first_approval_only_counts() -> None:
    proof = pending_proof(site_escrow(LARGE))

    first = approve(proof)

    assert first.approvals is not None
    assert (first.approvals.given, first.approvals.needed) == (1, 2)
    assert untouched(proof)


def test_the_second_person_releases_and_the_first_alone_never_does() -> None:
    proof = pending_proof(site_escrow(LARGE))
    one, two = support(), support()

    approve(proof, one)
    approve(proof, one)
    assert untouched(proof)

    second = approve(proof, two)

    assert second.approvals is not None
    assert second.approvals.granted
    proof.refresh_from_db()
    assert (proof.status, proof.decided_by) == ("APPROVED", two.actor)
    assert payments_of(proof.escrow_id).count() == 1


def test_a_key_that_belongs_to_nobody_is_no_pair_of_eyes() -> None:
    proof = pending_proof(site_escrow(LARGE))

    with pytest.raises(DomainError) as refused:
        approve(proof, make_caller(Scope.SUPPORT))

    assert refused.value.code == "FOUR_EYES_USER_REQUIRED"
    assert untouched(proof)


def test_either_may_reject_and_then_a_new_proof_starts_from_nothing() -> None:
    escrow = site_escrow(LARGE)
    proof = pending_proof(escrow)
    approve(proof)
    reject(proof)

    again = pending_proof(escrow)

    assert approve(again).approvals is not None
    assert untouched(again)


def test_a_sender_who_validates_needs_no_second_person() -> None:
    proof = pending_proof(site_escrow(LARGE, terms={"validator": "SENDER"}))

    decided = approve(proof, as_client(proof.escrow))

    assert decided.approvals is None
    assert decided.proof.status == ProofStatus.APPROVED


def test_on_behalf_of_a_sender_two_people_are_needed() -> None:
    proof = pending_proof(site_escrow(LARGE, terms={"validator": "SENDER"}))
    admins = [make_caller(Scope.ADMIN, make_user(), on_behalf_of=proof.client_id) for _ in range(2)]

    assert not approve(proof, admins[0]).proof.decided_by
    assert approve(proof, admins[1]).proof.status == ProofStatus.APPROVED
    proof.refresh_from_db()
    assert proof.decided_for_id == proof.client_id


def test_no_first_approval_counts_while_the_escrow_is_disputed() -> None:
    proof = pending_proof(site_escrow(LARGE))
    open_dispute(caller=as_client(proof.escrow), escrow_id=proof.escrow_id, said=Said())

    with pytest.raises(InvalidState):
        approve(proof)

    assert not AuditEntry.objects.filter(action="approval.given").exists()


# --- When -----------------------------------------------------------------------------------------


def test_nobody_decides_while_the_machine_works_for_ten_minutes_at_most() -> None:
    proof = pending_proof()
    Proof.objects.filter(pk=proof.pk).update(
        processing=Processing.READING, processing_since=clock.now()
    )

    clock.advance(timedelta(minutes=10) - timedelta(microseconds=1))
    with pytest.raises(ProofProcessing):
        approve(proof)
    assert untouched(proof)

    clock.advance(timedelta(microseconds=1))
    assert approve(proof).proof.status == ProofStatus.APPROVED


@pytest.mark.parametrize("processing", [Processing.DONE, Processing.FAILED])
def test_done_and_failed_work_is_decided_at_once(processing: Processing) -> None:
    proof = pending_proof()
    Proof.objects.filter(pk=proof.pk).update(processing=processing)

    assert reject(proof).proof.status == ProofStatus.REJECTED


@pytest.mark.parametrize("decide", [approve, reject])
def test_no_proof_is_decided_while_the_escrow_is_disputed(decide: Any) -> None:
    proof = pending_proof()
    open_dispute(caller=as_client(proof.escrow), escrow_id=proof.escrow_id, said=Said())

    with pytest.raises(InvalidState):
        decide(proof)

    assert untouched(proof)


# --- Asking for more ------------------------------------------------------------------------------


def test_asking_for_more_keeps_the_proof_pending_and_tells_the_provider() -> None:
    proof = pending_proof()

    asked = request_info(caller=support(), proof_id=proof.pk, note=" The date is not readable. ")

    assert asked.info_note == "The date is not readable."
    assert asked.info_requested_at == clock.now()
    assert untouched(proof)
    event = OutboxEvent.objects.get(event="proof.info_requested")
    assert event.audience == [proof.provider_id]


def test_asking_needs_words_and_a_pending_proof() -> None:
    proof = pending_proof()
    with pytest.raises(DecisionNoteRequired):
        request_info(caller=support(), proof_id=proof.pk, note=" ")
    approve(proof)

    with pytest.raises(ProofAlreadyApproved):
        request_info(caller=support(), proof_id=proof.pk, note="More, please.")

    assert not OutboxEvent.objects.filter(event="proof.info_requested").exists()


# --- At once --------------------------------------------------------------------------------------


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_of_approvals_and_rejections_at_once_one_stands_and_at_most_one_payment() -> None:
    for _ in range(5):
        proof = pending_proof()
        callers = [make_staff_caller() for _ in range(8)]
        start = threading.Barrier(8)

        def decide(
            number: int,
            proof: Proof = proof,
            callers: list[Caller] = callers,
            start: threading.Barrier = start,
        ) -> None:
            start.wait()
            try:
                (approve if number % 2 else reject)(proof, callers[number])
            except (ProofAlreadyApproved, ProofAlreadyRejected):
                pass
            finally:
                connection.close()

        threads = [threading.Thread(target=decide, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        proof.refresh_from_db()
        paid = payments_of(proof.escrow_id).count()
        assert (proof.status, paid) in {("APPROVED", 1), ("REJECTED", 0)}
    assert_in_order()


def test_a_provider_who_looks_at_it_sees_the_note_of_the_rejection() -> None:
    proof = pending_proof()
    reject(proof)

    from proofs.selectors import get_proof

    assert get_proof(as_provider(proof.escrow), proof.pk).decision_note == "Too dark."


def test_a_photo_that_was_vague_is_not_approved_by_asking_twice() -> None:
    escrow = site_escrow()
    content = vague_photo()
    proof = submit(escrow, content)

    with pytest.raises(DomainError) as refused:
        submit(escrow, content)

    assert refused.value.code == "MILESTONE_NOT_WAITING"
    assert untouched(proof)
