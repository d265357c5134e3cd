"""Writing down how a proof was decided; whoever decides holds the locks and moves the milestone."""

from audit.actions import Action
from audit.services import entries
from kobatela.kernel import clock
from proofs.models import Proof
from proofs.states import ANSWER_ACTOR, ProofStatus


def record_approval(
    *, proof: Proof, actor: str, note: str, on_behalf_of: int | None = None
) -> None:
    """Make a pending proof APPROVED, and tell both sides."""
    _record(proof, ProofStatus.APPROVED, actor, note, on_behalf_of)
    _tell(proof, Action.PROOF_APPROVED, actor, on_behalf_of, {proof.client_id, proof.provider_id})


def record_rejection(
    *, proof: Proof, actor: str, note: str, on_behalf_of: int | None = None
) -> None:
    """Make a pending proof REJECTED, and tell the provider why."""
    _record(proof, ProofStatus.REJECTED, actor, note, on_behalf_of)
    audience = {proof.provider_id, proof.submitted_for_id or proof.provider_id}
    _tell(proof, Action.PROOF_REJECTED, actor, on_behalf_of, audience)


def record_replacement(*, proof: Proof, by: int) -> None:
    """Make a pending proof REJECTED because what more was asked for came as proof `by`.

    Nobody refused it, and neither side is told that anybody did.
    """
    note = f"Replaced by proof {by}, which came because more was asked for."
    _record(proof, ProofStatus.REJECTED, ANSWER_ACTOR, note, None)
    audience = {proof.client_id, proof.provider_id, proof.submitted_for_id or proof.provider_id}
    _tell(proof, Action.PROOF_REPLACED, ANSWER_ACTOR, None, audience, replaced_by=by)


def _record(
    proof: Proof, status: ProofStatus, actor: str, note: str, on_behalf_of: int | None
) -> None:
    proof.transition_to(status)
    proof.decided_by = actor
    proof.decided_for_id = on_behalf_of
    proof.decided_at = proof.updated_at = clock.now()
    proof.decision_note = note
    proof.save(
        update_fields=[
            "status",
            "decided_by",
            "decided_for",
            "decided_at",
            "decision_note",
            "updated_at",
        ]
    )


def _tell(
    proof: Proof,
    action: Action,
    actor: str,
    on_behalf_of: int | None,
    audience: set[int],
    **told: int,
) -> None:
    entries.record(
        actor=actor,
        action=action,
        subject=f"proof:{proof.pk}",
        stream=f"escrow:{proof.escrow_id}",
        body={
            "milestone_id": proof.milestone_id,
            "status": proof.status,
            "file_sha256": proof.file_sha256,
            "amount_minor": proof.amount_minor,
            "currency": proof.currency,
            "has_note": bool(proof.decision_note),
            **told,
        },
        on_behalf_of=on_behalf_of,
        event=action.value,
        audience=sorted(audience),
    )
