"""What comes because more was asked for: it takes the place of the proof under review."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

from escrow.services import evidence as escrow_evidence
from kobatela.accounts.services import approvals
from proofs.selectors import lock_pending
from proofs.services import outcome
from proofs.services.decisions import APPROVE_COMMAND
from proofs.states import ANSWER_ACTOR

if TYPE_CHECKING:
    from escrow.models import Escrow, Milestone


@dataclass(frozen=True, slots=True)
class Answer:
    """The number that the new proof has, and the proof in whose place it comes."""

    proof_id: int
    replaces_id: int


def make_way(*, escrow: "Escrow", milestone: "Milestone") -> Answer | None:
    """Set aside the proof of a locked milestone of which more was asked; None where none was.

    It is as after a rejection, which nobody has spoken: what one of two people had approved of it
    is withdrawn. Store the new proof in the same transaction.
    """
    if milestone.more_asked_at is None:
        return None
    (asked,) = lock_pending(escrow_id=escrow.pk, milestone_id=milestone.pk)
    answer = Answer(proof_id=_next_proof_id(), replaces_id=asked.pk)
    approvals.withdraw(
        actor=ANSWER_ACTOR,
        subject=f"proof:{asked.pk}",
        command=APPROVE_COMMAND,
        note=f"Proof {answer.proof_id} came in its place.",
    )
    outcome.record_replacement(proof=asked, by=answer.proof_id)
    escrow_evidence.set_aside(escrow=escrow, milestone=milestone, actor=ANSWER_ACTOR)
    return answer


def _next_proof_id() -> int:
    # The note of the one names the other, and only one of them may be pending: so the number
    # comes first.
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('proofs_proof', 'id'))")
        return int(cursor.fetchone()[0])
