"""Taking a proof in: stored under its escrow's lock, and at once approved or queued."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction

from audit.actions import Action
from audit.services import entries
from escrow.services import evidence as escrow_evidence
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.uploads.services import files
from proofs import bells
from proofs.checks.documents import check_claims
from proofs.masking import Relation, hides
from proofs.models import ImageHash, Proof
from proofs.selectors import to_bits
from proofs.services import advice, answers, machine
from proofs.services.answers import Answer
from proofs.services.evidence import Evidence
from proofs.services.machine import Judgement
from proofs.services.reading import UNHEARD_AFTER
from proofs.services.reuse import look_for_file
from proofs.states import DOCUMENT_KINDS, Derivative, Processing, ProofType, ReviewReason

if TYPE_CHECKING:
    from escrow.models import Escrow, Milestone
    from kobatela.uploads.models import Upload


@dataclass(frozen=True, slots=True)
class _Sent:
    """What came, from whom, and in whose place."""

    caller: Caller
    proof_type: str
    metadata: Mapping[str, Any]
    evidence: Evidence
    answer: Answer | None


@transaction.atomic
def submit_proof(
    *,
    caller: Caller,
    escrow_id: int,
    milestone_idx: int,
    proof_type: str,
    evidence: Evidence,
    metadata: Mapping[str, Any],
) -> Proof:
    """Store evidence for the current milestone of an escrow.

    `evidence` was judged for this milestone beforehand (`services.evidence.gather`). What nothing
    speaks against is approved, and its milestone released, in the same transaction; anything else
    waits for a person with its `review_reasons`. With the advisor on, every photo waits for its
    word first. Where more was asked for than the pending proof shows, this one takes its place, and
    a person decides it.

    Raises what the escrow refuses (state, sequence, balance, deadline), DuplicateProof, and the
    refusals of uploads.
    """
    escrow, milestone = escrow_evidence.lock_open_milestone(
        escrow_id=escrow_id, milestone_idx=milestone_idx, caller=caller
    )
    assert milestone.pk == evidence.milestone_id, "evidence is judged for one milestone"
    # First, so that the same bytes again are what they are after a rejection.
    answer = answers.make_way(escrow=escrow, milestone=milestone)
    reuse = look_for_file(caller=caller, file_sha256=evidence.sha256)
    judgement = machine.judge(escrow=escrow, milestone=milestone, evidence=evidence, reuse=reuse)
    if not evidence.has_file:
        judgement = _with_claims(judgement, milestone, metadata)
    if answer is not None:
        reasons = [ReviewReason.MORE_WAS_ASKED.value, *judgement.reasons]
        judgement = Judgement(judgement.findings, reasons)
    is_advised = _is_advised(proof_type, evidence)
    sent = _Sent(caller, proof_type, metadata, evidence, answer)
    proof = _store(escrow, milestone, sent, judgement, advised=is_advised)
    _record(proof, caller)
    escrow_evidence.begin_review(
        escrow=escrow,
        milestone=milestone,
        has_file=evidence.has_file,
        submitted_at=evidence.received_at,
        actor=caller.actor,
    )
    if is_advised:
        bells.ring_for_advice(proof.pk)
    elif not judgement.reasons:
        machine.approve(proof=proof, escrow=escrow, milestone=milestone)
    _ring(proof)
    return proof


def _is_advised(proof_type: str, evidence: Evidence) -> bool:
    """Whether the advisor is asked before anything else: about photos; documents are read first."""
    return proof_type == ProofType.PHOTO and evidence.has_file and advice.is_asked()


def _ring(proof: Proof) -> None:
    if proof.processing == Processing.QUEUED:
        bells.ring_for_document(proof.pk)
    if proof.derivative == Derivative.WANTED and proof.page_count is None:
        bells.ring_for_derivative(proof.pk)
    elif proof.derivative == Derivative.WANTED:
        bells.ring_for_pages(proof.pk)


def _with_claims(
    judgement: Judgement, milestone: "Milestone", metadata: Mapping[str, Any]
) -> Judgement:
    """There is no file to read; numbers of the sender's that are none are told all the same."""
    found = check_claims(metadata) if milestone.proof_kind in DOCUMENT_KINDS else ()
    return Judgement(
        [*judgement.findings, *(item.to_json() for item in found)],
        [*judgement.reasons, *dict.fromkeys(item.code.value for item in found)],
    )


def _first_step(*, is_to_read: bool, is_advised: bool) -> Processing:
    """Photos were read and checked before; documents wait for a worker, mere claims for nobody."""
    if is_to_read:
        return Processing.QUEUED
    return Processing.ADVISING if is_advised else Processing.DONE


def _store(
    escrow: "Escrow",
    milestone: "Milestone",
    sent: _Sent,
    judgement: Judgement,
    *,
    advised: bool,
) -> Proof:
    now = clock.now()
    caller, evidence, answer = sent.caller, sent.evidence, sent.answer
    facts = evidence.facts
    is_to_read = evidence.has_file and milestone.proof_kind in DOCUMENT_KINDS
    has_picture = facts is not None or evidence.page_count is not None
    proof = Proof.objects.create(
        pk=None if answer is None else answer.proof_id,
        replaces_id=None if answer is None else answer.replaces_id,
        escrow_id=escrow.pk,
        milestone_id=milestone.pk,
        client_id=escrow.client_id,
        provider_id=escrow.provider_id,
        milestone_kind=milestone.proof_kind,
        milestone_idx=milestone.sequence_index,
        validator=milestone.validator,
        amount_minor=milestone.amount_minor,
        currency=milestone.currency,
        type=sent.proof_type,
        processing=_first_step(is_to_read=is_to_read, is_advised=advised),
        processing_since=now,
        processing_due_at=now + UNHEARD_AFTER if is_to_read else None,
        upload=_take_upload(evidence, milestone, caller),
        file_sha256=evidence.sha256,
        claimed_url=evidence.claimed_url,
        claimed_sha256=evidence.claimed_sha256,
        metadata=dict(sent.metadata),
        facts=None if facts is None else facts.to_json(),
        page_count=evidence.page_count,
        captured_at=evidence.captured_at,
        distance_m=evidence.distance_m,
        findings=judgement.findings,
        review_reasons=judgement.reasons,
        derivative=Derivative.WANTED if has_picture else Derivative.NONE,
        submitted_by_id=caller.user_id,
        submitted_for_id=caller.party_id,
        submitted_actor=caller.actor,
        received_at=evidence.received_at,
        created_at=now,
        updated_at=now,
    )
    if (
        sent.proof_type == ProofType.PHOTO
        and facts is not None
        and facts.perceptual_hash is not None
    ):
        ImageHash.objects.create(proof=proof, bits=to_bits(facts.perceptual_hash))
    return proof


def _take_upload(evidence: Evidence, milestone: "Milestone", caller: Caller) -> "Upload | None":
    """The row of the file: of this request, registered and used at once, or made ahead."""
    used_for = f"milestone:{milestone.pk}"
    if evidence.upload_id is not None:
        return files.claim_upload(upload_id=evidence.upload_id, caller=caller, used_for=used_for)
    if evidence.stored is None:
        return None
    assert caller.party_id is not None, "only parties submit proofs"
    return files.register(
        stored=evidence.stored,
        owner_id=caller.party_id,
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        used_for=used_for,
    )


def _record(proof: Proof, caller: Caller) -> None:
    entries.record(
        actor=caller.actor,
        action=Action.PROOF_SUBMITTED,
        subject=f"proof:{proof.pk}",
        stream=f"escrow:{proof.escrow_id}",
        body={
            "milestone_id": proof.milestone_id,
            "type": proof.type,
            "status": proof.status,
            "file_sha256": proof.file_sha256,
            "upload_id": proof.upload_id,
            # Both sides read this on the timeline, so what is staff's alone is not in it.
            "review_reasons": [
                code
                for code in proof.review_reasons
                if not hides(Relation.PROVIDER, code, own=True)
            ],
            "needs_person": bool(proof.review_reasons),
            **({} if proof.replaces_id is None else {"replaces": proof.replaces_id}),
        },
        on_behalf_of=caller.on_behalf_of,
        event=Action.PROOF_SUBMITTED.value,
        audience=sorted({proof.client_id, proof.provider_id}),
    )
