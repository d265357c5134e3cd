"""Support asks for more: what was asked for can come, and a person decides it."""

import hashlib
import io
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, transaction

from audit.models import Alert, AuditEntry, OutboxEvent
from escrow.errors import (
    DeadlinePassed,
    MilestoneNotWaiting,
    NoOpenMilestone,
)
from escrow.services.disputes import open_dispute
from escrow.services.journal import Said
from escrow.tests.books import assert_in_order
from escrow.tests.factories import as_client, as_provider, milestone_of
from escrow.tests.side_by_side import side_by_side
from kobatela.accounts.models import Approval
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import DomainError, InvalidState
from kobatela.uploads.services import files
from payments.selectors import payments_of
from proofs.errors import DuplicateProof, EvidenceRefused, ProofAlreadyRejected
from proofs.models import Proof
from proofs.services.advising import advise
from proofs.services.decisions import decide_proof, request_info
from proofs.states import Processing, ProofStatus
from proofs.tests.advised import model as model  # noqa: PLC0414
from proofs.tests.factories import (
    FAR_AWAY,
    claim,
    pending_proof,
    photo,
    site_escrow,
    submit,
    vague_photo,
)
from proofs.tests.model_server import ModelServer

if TYPE_CHECKING:
    from escrow.models import Escrow

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]
NOTE = "Send a photo of the north wall."


def support() -> Caller:
    return make_caller(Scope.SUPPORT, make_user())


def asked_of(proof: Proof) -> Proof:
    """The proof, of which support asked for more."""
    return request_info(caller=support(), proof_id=proof.pk, note=NOTE)


def decide(proof: Proof, decision: ProofStatus, caller: Caller | None = None) -> None:
    decide_proof(
        caller=caller or support(), proof_id=proof.pk, decision=decision, note="Looked at it."
    )


def still_waits(proof: Proof) -> bool:
    proof.refresh_from_db()
    return proof.status == "PENDING" and milestone_of(proof.escrow).status == "PENDING_REVIEW"


def told_of(proof: Proof) -> list[tuple[str, str]]:
    """What the trail has of a proof and its milestone since more was asked for."""
    entries = AuditEntry.objects.filter(stream=f"escrow:{proof.escrow_id}").order_by("pk")
    told = [(entry.action, entry.actor) for entry in entries]
    actions = [action for action, _ in told]
    return told[actions.index("proof.info_requested") + 1 :]


# --- What comes -----------------------------------------------------------------------------------


def test_what_was_asked_for_takes_the_place_of_the_pending_proof_and_waits_for_a_person() -> None:
    escrow = site_escrow()
    asked = asked_of(pending_proof(escrow))
    provider = as_provider(escrow)

    # A machine would approve it, had nobody asked.
    answer = submit(escrow, photo(), caller=provider)

    asked.refresh_from_db()
    assert (answer.status, answer.review_reasons) == ("PENDING", ["MORE_WAS_ASKED"])
    assert answer.replaces_id == asked.pk
    assert (asked.status, asked.decided_by) == ("REJECTED", "system:answer")
    assert asked.decision_note == (
        f"Replaced by proof {answer.pk}, which came because more was asked for."
    )
    assert milestone_of(escrow).status == "PENDING_REVIEW"
    assert not payments_of(escrow.pk).exists()
    assert told_of(asked) == [
        ("proof.replaced", "system:answer"),
        ("milestone.reopened", "system:answer"),
        ("proof.submitted", provider.actor),
        ("milestone.submitted", provider.actor),
    ]
    event = OutboxEvent.objects.get(event="proof.replaced")
    assert event.audience == sorted([escrow.client_id, escrow.provider_id])
    # Nobody rejected anything, so nobody is told that somebody did.
    assert not OutboxEvent.objects.filter(event="proof.rejected").exists()
    assert not Alert.objects.exists()

    decide(answer, ProofStatus.APPROVED)

    (payment,) = payments_of(escrow.pk)
    assert payment.business_key == f"proof:{answer.pk}:release"
    assert_in_order()


def _file(escrow: "Escrow") -> Proof:
    return submit(escrow, photo())


def _upload(escrow: "Escrow") -> Proof:
    stored = files.receive(stream=io.BytesIO(photo()), name="photo.jpg")
    upload = files.register(stored=stored, owner_id=escrow.provider_id, actor="a")
    return submit(escrow, upload_id=upload.pk)


@pytest.mark.parametrize("send", [_file, _upload, claim])
def test_it_may_come_in_all_three_ways(send: Callable[..., Proof]) -> None:
    escrow = site_escrow()
    asked = asked_of(pending_proof(escrow))

    answer = send(escrow)

    assert still_waits(answer)
    assert answer.replaces_id == asked.pk
    assert answer.review_reasons[0] == "MORE_WAS_ASKED"


def test_more_may_be_asked_of_what_came_and_come_again() -> None:
    escrow = site_escrow()
    first = asked_of(pending_proof(escrow))
    second = asked_of(submit(escrow, photo()))

    third = submit(escrow, photo())

    assert still_waits(third)
    assert list(Proof.objects.order_by("pk").values_list("status", "replaces_id")) == [
        ("REJECTED", None),
        ("REJECTED", first.pk),
        ("PENDING", second.pk),
    ]


def test_where_nobody_asked_a_second_proof_is_refused_and_once_is_once() -> None:
    escrow = site_escrow()
    first = pending_proof(escrow)
    with pytest.raises(MilestoneNotWaiting):
        submit(escrow, photo())
    assert still_waits(first)
    asked_of(first)
    answer = submit(escrow, photo())

    with pytest.raises(MilestoneNotWaiting):
        submit(escrow, photo())

    assert still_waits(answer)


def test_the_other_side_puts_nothing_in_the_place_of_the_providers_proof() -> None:
    escrow = site_escrow()
    asked = asked_of(pending_proof(escrow))

    with pytest.raises(MilestoneNotWaiting):
        submit(escrow, photo(), caller=as_client(escrow))

    assert still_waits(asked)
    assert milestone_of(escrow).more_asked_at == clock.now()


def test_a_sender_who_sent_it_may_send_the_rest_and_so_may_the_provider() -> None:
    for send_rest in (as_client, as_provider):
        escrow = site_escrow()
        asked = asked_of(pending_proof(escrow, caller=as_client(escrow)))

        answer = submit(escrow, photo(), caller=send_rest(escrow))

        assert (still_waits(answer), answer.replaces_id) == (True, asked.pk)


def test_the_same_bytes_again_are_what_they_are_after_a_rejection() -> None:
    escrow = site_escrow()
    content = vague_photo()
    asked = asked_of(submit(escrow, content))

    answer = submit(escrow, content)

    assert answer.review_reasons[0] == "MORE_WAS_ASKED"
    assert "RESUBMITTED_FILE" in answer.review_reasons
    assert answer.file_sha256 == asked.file_sha256 == hashlib.sha256(content).hexdigest()


def test_what_is_refused_leaves_the_pending_proof_as_it_is() -> None:
    escrow = site_escrow(100_000, 50_000)
    content = photo()
    submit(escrow, content)
    asked = asked_of(pending_proof(escrow, idx=2))

    with pytest.raises(DuplicateProof):
        submit(escrow, content, idx=2)
    with pytest.raises(EvidenceRefused):
        submit(escrow, photo(FAR_AWAY), idx=2)

    asked.refresh_from_db()
    assert (asked.status, asked.decided_by) == ("PENDING", "")
    second = milestone_of(escrow, 2)
    assert (second.status, second.more_asked_at) == ("PENDING_REVIEW", clock.now())
    assert not AuditEntry.objects.filter(action="proof.replaced").exists()


def test_a_first_approval_does_not_count_for_what_came_instead() -> None:
    escrow = site_escrow(1_000_001)
    proof = pending_proof(escrow)
    one, two = support(), support()
    decide(proof, ProofStatus.APPROVED, one)
    request_info(caller=two, proof_id=proof.pk, note=NOTE)

    answer = submit(escrow, photo())

    assert Approval.objects.get().status == "WITHDRAWN"
    decide(answer, ProofStatus.APPROVED, two)
    assert still_waits(answer)
    assert not payments_of(escrow.pk).exists()


@pytest.mark.parametrize("decision", [ProofStatus.APPROVED, ProofStatus.REJECTED])
def test_who_decides_on_what_was_replaced_is_sent_to_what_came(decision: ProofStatus) -> None:
    escrow = site_escrow()
    asked = asked_of(pending_proof(escrow))
    answer = submit(escrow, photo())

    for act in (partial(decide, asked, decision), partial(asked_of, asked)):
        with pytest.raises(ProofAlreadyRejected) as refused:
            act()
        assert refused.value.details == {"replaced_by": answer.pk}

    assert still_waits(answer)


def test_a_persons_decision_ends_the_asking() -> None:
    escrow = site_escrow()
    decide(asked_of(pending_proof(escrow)), ProofStatus.REJECTED)
    assert milestone_of(escrow).more_asked_at is None

    again = submit(escrow, photo())

    # As after any rejection: nobody asked for this one.
    assert (still_waits(again), again.replaces_id) == (True, None)
    assert again.review_reasons == ["REJECTED_BEFORE"]


def test_nothing_comes_while_the_escrow_is_disputed() -> None:
    escrow = site_escrow()
    asked = asked_of(pending_proof(escrow))
    open_dispute(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())

    with pytest.raises(InvalidState):
        submit(escrow, photo())

    asked.refresh_from_db()
    assert asked.status == "PENDING"


def test_whose_place_it_took_is_never_changed() -> None:
    escrow = site_escrow()
    asked_of(pending_proof(escrow))
    answer = submit(escrow, photo())

    with pytest.raises(DatabaseError, match="evidence is never changed"), transaction.atomic():
        Proof.objects.filter(pk=answer.pk).update(replaces=None)


# --- The machine ----------------------------------------------------------------------------------


def test_the_advisors_good_word_does_not_decide_what_somebody_asked_for(
    model: ModelServer,
) -> None:
    escrow = site_escrow()
    first = submit(escrow, photo())
    clock.advance(timedelta(minutes=10))
    # Its advice is late, so that a person may act on it.
    asked_of(first)
    advise(proof_id=first.pk)
    assert still_waits(first)

    answer = submit(escrow, photo())
    advise(proof_id=answer.pk)

    assert still_waits(answer)
    assert (answer.processing, answer.ai_risk_level) == (Processing.DONE, "clean")
    assert answer.review_reasons == ["MORE_WAS_ASKED"]


# --- Deadlines ------------------------------------------------------------------------------------


def test_what_came_holds_a_deadline_back_as_any_proof_does_and_a_claim_none() -> None:
    escrow, other = site_escrow(), site_escrow()
    for each in (escrow, other):
        asked_of(pending_proof(each))
    clock.advance(timedelta(hours=1))

    submit(escrow, photo())
    claim(other)

    escrow.refresh_from_db()
    other.refresh_from_db()
    assert (escrow.evidence_at, other.evidence_at) == (clock.now(), None)
    assert escrow.next_deadline_at == escrow.deadline_at


def test_after_the_deadline_nothing_comes_and_nothing_is_asked_for() -> None:
    escrow, other = site_escrow(), site_escrow()
    asked, proof = asked_of(pending_proof(escrow)), pending_proof(other)
    clock.advance(escrow.deadline_at - clock.now())

    with pytest.raises(DeadlinePassed):
        submit(escrow, photo())
    with pytest.raises(DeadlinePassed):
        asked_of(proof)

    assert still_waits(asked)
    assert still_waits(proof)
    assert milestone_of(other).more_asked_at is None


# --- At once --------------------------------------------------------------------------------------


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("decision", [ProofStatus.APPROVED, ProofStatus.REJECTED])
def test_of_a_decision_and_an_answer_at_once_only_one_wins(
    decision: ProofStatus, scaled: Callable[..., int]
) -> None:
    for _ in range(scaled(ci=4, soak=100)):
        escrow = site_escrow()
        asked = asked_of(pending_proof(escrow))
        judge, provider, content = support(), as_provider(escrow), photo()
        acts: list[Callable[[], Any]] = [
            partial(decide, asked, decision, judge),
            partial(submit, escrow, content, caller=provider),
        ]
        decided, answered = side_by_side([partial(_outcome, act) for act in acts])

        asked.refresh_from_db()
        by_person = asked.decided_by == judge.actor
        answers = Proof.objects.filter(replaces=asked)
        assert by_person is (decided is None)
        assert answers.exists() is (not by_person)
        if by_person:
            assert asked.status == decision
            # Sent after a rejection it is a new proof like any other; after the last approval
            # there is nothing to send it for.
            assert (answered is None) is (decision is ProofStatus.REJECTED)
        else:
            assert (decided, answered) == (ProofAlreadyRejected, None)
            assert answers.get().status == "PENDING"
            assert not payments_of(escrow.pk).exists()
    assert_in_order()


def _outcome(act: Callable[[], Any]) -> type[DomainError] | None:
    try:
        act()
    except (ProofAlreadyRejected, NoOpenMilestone, MilestoneNotWaiting) as refusal:
        return type(refusal)
    return None
