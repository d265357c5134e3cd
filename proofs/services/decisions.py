"""A person's word on a proof: approve, reject, or ask for more."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from audit.actions import Action
from audit.services import entries
from escrow.services import evidence as escrow_evidence
from kobatela.accounts.selectors import is_independent
from kobatela.accounts.services import approvals
from kobatela.accounts.services.approvals import ApprovalState
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState
from kobatela.kernel.money import Money
from proofs.errors import (
    AiReviewNoteRequired,
    DecisionNoteRequired,
    NotTheValidator,
    OwnProofForbidden,
    ProofAlreadyApproved,
    ProofAlreadyRejected,
    ProofProcessing,
)
from proofs.masking import STAFF_CHECKS
from proofs.models import Proof
from proofs.selectors import get_proof, is_processing, lock_proof, replacement_of
from proofs.services import outcome
from proofs.states import ProofStatus

if TYPE_CHECKING:
    from escrow.models import Escrow, Milestone

APPROVE_COMMAND = "proof.approve"
SENDER_VALIDATES = "SENDER"
DISPUTED = "DISPUTED"
_WARNINGS = frozenset({"warning", "suspect"})


@dataclass(frozen=True, slots=True)
class Decided:
    """The proof as it stands now; approvals when two people are needed."""

    proof: Proof
    approvals: ApprovalState | None = None


@transaction.atomic
def decide_proof(*, caller: Caller, proof_id: int, decision: ProofStatus, note: str) -> Decided:
    """Approve or reject a pending proof: APPROVED releases its milestone, REJECTED reopens it.

    Repeating a decision changes nothing. Above the four-eyes figure the first approval only counts.

    Raises ProofNotFound; NotTheValidator and OwnProofForbidden; ProofAlreadyApproved and
    ProofAlreadyRejected for the opposite of what was decided; ProofProcessing; DecisionNoteRequired
    and AiReviewNoteRequired; and what the escrow refuses.
    """
    seen = get_proof(caller, proof_id)
    escrow, milestone = escrow_evidence.lock_for_decision(
        escrow_id=seen.escrow_id, milestone_id=seen.milestone_id
    )
    proof = lock_proof(proof_id)
    check_may_decide(caller, proof)
    _check_not_replaced(proof)
    if proof.status == decision:
        return Decided(proof)
    _check_undecided(proof)
    _check_not_disputed(escrow)
    note = note.strip()
    if decision is ProofStatus.REJECTED:
        return _reject(caller, proof, escrow, milestone, note)
    return _approve(caller, proof, escrow, milestone, note)


@transaction.atomic
def request_info(*, caller: Caller, proof_id: int, note: str) -> Proof:
    """Ask the provider, or the client who sent it, for more. The proof stays pending until that
    comes and takes its place, or somebody decides.

    Raises ProofNotFound, OwnProofForbidden, ProofAlreadyApproved, ProofAlreadyRejected,
    DecisionNoteRequired, and what the escrow refuses: DeadlinePassed where nothing can come.
    """
    seen = get_proof(caller, proof_id)
    escrow, milestone = escrow_evidence.lock_for_decision(
        escrow_id=seen.escrow_id, milestone_id=seen.milestone_id
    )
    proof = lock_proof(proof_id)
    check_may_decide(caller, proof)
    _check_not_replaced(proof)
    _check_undecided(proof)
    _check_not_disputed(escrow)
    if not note.strip():
        raise DecisionNoteRequired("Say what is missing.")
    escrow_evidence.ask_for_more(
        escrow=escrow, milestone=milestone, of_client=proof.submitted_for_id == proof.client_id
    )
    proof.info_requested_at = proof.updated_at = clock.now()
    proof.info_note = note.strip()
    proof.save(update_fields=["info_requested_at", "info_note", "updated_at"])
    entries.record(
        actor=caller.actor,
        action=Action.PROOF_INFO_REQUESTED,
        subject=f"proof:{proof.pk}",
        stream=f"escrow:{proof.escrow_id}",
        body={"milestone_id": proof.milestone_id},
        on_behalf_of=caller.on_behalf_of,
        event=Action.PROOF_INFO_REQUESTED.value,
        audience=sorted({proof.provider_id, proof.submitted_for_id or proof.provider_id}),
    )
    return proof


def failed_checks(proof: Proof, *, is_staff: bool) -> list[str]:
    """What in the document differs, as far as whoever decides is told of it."""
    checks = [] if proof.reading is None else proof.reading.checks
    return [
        check["name"]
        for check in checks
        if check["agrees"] is False and (is_staff or check["name"] not in STAFF_CHECKS)
    ]


def check_may_decide(caller: Caller, proof: Proof) -> None:
    """Raise unless the caller may decide this proof.

    Staff may, unless they submitted it or are, or are related to, a party. The sender may where
    the milestone says so, unless they submitted it themselves, and who acts in the sender's name
    unless they are, or are related to, the provider. Nobody else. What came with a key that
    belongs to nobody is decided by somebody.
    """
    if not (caller.is_staff or _decides_as_sender(caller, proof)):
        raise NotTheValidator
    _check_not_submitter(caller, proof)
    # A sender who validates is one with any key of theirs.
    is_validator = not caller.is_staff and caller.user_id == proof.client_id
    if not is_validator and not is_independent(caller, proof.client_id, proof.provider_id):
        raise OwnProofForbidden


def _decides_as_sender(caller: Caller, proof: Proof) -> bool:
    return proof.validator == SENDER_VALIDATES and caller.may_act_for(proof.client_id)


def _check_not_submitter(caller: Caller, proof: Proof) -> None:
    submitters = {proof.submitted_by_id, proof.submitted_for_id} - {None}
    if submitters & {caller.user_id, caller.party_id}:
        raise OwnProofForbidden
    # Two keys that belong to nobody may well be in one hand.
    by_nobodys_key = proof.submitted_by_id is None and not proof.came_by_link
    if by_nobodys_key and caller.user_id is None:
        raise OwnProofForbidden


def _check_not_replaced(proof: Proof) -> None:
    # Nobody rejected it, so to reject it now would repeat nothing: the newer one waits.
    if proof.is_replaced:
        raise ProofAlreadyRejected(
            "What more was asked for has come in its place: decide on that proof.",
            replaced_by=replacement_of(proof.pk),
        )


def _check_undecided(proof: Proof) -> None:
    if proof.status == ProofStatus.APPROVED:
        raise ProofAlreadyApproved
    if proof.status == ProofStatus.REJECTED:
        raise ProofAlreadyRejected
    if is_processing(proof):
        raise ProofProcessing


def _check_not_disputed(escrow: "Escrow") -> None:
    # Release and rejection check it too; here it also keeps a first approval from counting.
    if escrow.status == DISPUTED:
        raise InvalidState("No proof is decided while the escrow is disputed.")


def _approve(
    caller: Caller, proof: Proof, escrow: "Escrow", milestone: "Milestone", note: str
) -> Decided:
    _check_approval_note(caller, proof, note)
    state = None
    # A sender decides over their own money; on their behalf somebody else does.
    if caller.is_staff or caller.on_behalf_of is not None:
        state = approvals.require_approval(
            caller=caller,
            command=APPROVE_COMMAND,
            subject=f"proof:{proof.pk}",
            escrow_id=proof.escrow_id,
            money=Money(proof.amount_minor, proof.currency),
            figures={"decision": ProofStatus.APPROVED.value},
            note=note,
        )
        if not state.granted:
            return Decided(proof, state)
    else:
        approvals.count_large_sum(
            caller=caller,
            money=Money(proof.amount_minor, proof.currency),
            whole=Money(escrow.amount_total_minor, escrow.currency),
        )
    outcome.record_approval(
        proof=proof, actor=caller.actor, note=note, on_behalf_of=caller.on_behalf_of
    )
    escrow_evidence.release_milestone(
        escrow=escrow, milestone=milestone, proof_id=proof.pk, actor=caller.actor
    )
    return Decided(proof, state)


def _reject(
    caller: Caller, proof: Proof, escrow: "Escrow", milestone: "Milestone", note: str
) -> Decided:
    if not note:
        raise DecisionNoteRequired
    approvals.withdraw(
        actor=caller.actor, subject=f"proof:{proof.pk}", command=APPROVE_COMMAND, note=note
    )
    outcome.record_rejection(
        proof=proof, actor=caller.actor, note=note, on_behalf_of=caller.on_behalf_of
    )
    escrow_evidence.reject_evidence(escrow=escrow, milestone=milestone, actor=caller.actor)
    return Decided(proof)


def _check_approval_note(caller: Caller, proof: Proof, note: str) -> None:
    if note:
        return
    if failed_checks(proof, is_staff=caller.is_staff):
        raise DecisionNoteRequired("Approving against a check that failed needs a note.")
    if proof.ai_risk_level in _WARNINGS:
        raise AiReviewNoteRequired
    if proof.upload_id is None:
        raise DecisionNoteRequired("Approving without a file needs a note that says why.")
