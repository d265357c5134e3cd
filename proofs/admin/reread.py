"""What the proof page says of having its document read once more."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from audit.actions import Action
from kobatela.kernel.errors import DomainError
from proofs.models import Proof
from proofs.services.rereading import check_was_read

_ABOUT_IT = frozenset({Action.REREAD_ASKED, Action.REREAD_GIVEN_UP, Action.PROOF_DOCUMENT_REREAD})


@dataclass(frozen=True, slots=True)
class RereadShown:
    """said is what became of the last request, empty where its reading is what the page shows."""

    said: str
    is_offered: bool


def shown(proof: Proof, asked_by: str, history: Iterable[Any], *, may_decide: bool) -> RereadShown:
    """What one of the staff is told and offered; history is the proof's entries, newest first."""
    if proof.reread_asked_at is not None:
        at = f"{proof.reread_asked_at:%Y-%m-%d %H:%M} UTC"
        said = f"Asked to be read again at {at} by {asked_by}; reload the page in a minute."
        return RereadShown(said, is_offered=False)
    try:
        check_was_read(proof)
    except DomainError:
        return RereadShown("", is_offered=False)
    if not may_decide:
        return RereadShown("", is_offered=False)
    last = next((entry for entry in history if entry.action in _ABOUT_IT), None)
    if last is None or last.action != Action.REREAD_GIVEN_UP:
        return RereadShown("", is_offered=True)
    said = f"Reading it again did not succeed; the machine gave up at {last.at:%Y-%m-%d %H:%M} UTC."
    return RereadShown(said, is_offered=True)
