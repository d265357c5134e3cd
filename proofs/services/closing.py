"""What the escrow decides about pending proofs. Registered with escrow.hooks."""

from kobatela.accounts.services import approvals
from proofs.models import Proof
from proofs.selectors import lock_pending
from proofs.services import outcome
from proofs.services.decisions import APPROVE_COMMAND
from proofs.states import CLOSE_ACTOR

CLOSED_NOTE = "The escrow was closed."


class EvidenceOfEscrow:
    """Hears from the escrow, whose row is locked, and decides the proofs that wait."""

    def milestone_decided_by_client(self, escrow_id: int, milestone_id: int, actor: str) -> None:
        """The client accepted the milestone: so it did its pending proof."""
        for proof in lock_pending(escrow_id=escrow_id, milestone_id=milestone_id):
            _withdraw_approvals(proof, actor)
            outcome.record_approval(proof=proof, actor=actor, note="")

    def escrow_disputed(self, escrow_id: int, actor: str) -> None:
        """Pending proofs stay as they are; the escrow's state keeps anyone from deciding them."""

    def escrow_closed(self, escrow_id: int, actor: str) -> None:
        """Nothing is paid for them any more: pending proofs are rejected."""
        for proof in lock_pending(escrow_id=escrow_id):
            _withdraw_approvals(proof, CLOSE_ACTOR)
            outcome.record_rejection(proof=proof, actor=CLOSE_ACTOR, note=CLOSED_NOTE)


def _withdraw_approvals(proof: Proof, actor: str) -> None:
    approvals.withdraw(
        actor=actor,
        subject=f"proof:{proof.pk}",
        command=APPROVE_COMMAND,
        note="Decided by the escrow.",
    )
