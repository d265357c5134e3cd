"""Having a document read once more by a worker, because a member of staff asked for it.

As with a first reading the proof's row is the work order: it says who waits, how often it was tried
and when the sweeper may ring. A worker that has begun it (an attempt is counted) has it alone until
`processing_due_at`; after three that came to nothing it is given up, and may be asked for again.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from audit.actions import Action
from audit.services import entries
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.rest.errors import InsufficientScope
from kobatela.uploads.errors import FileStorageUnavailable
from proofs import bells
from proofs.errors import NoDocument, ProofProcessing
from proofs.models import Proof
from proofs.readers.errors import ReaderUnavailable
from proofs.selectors import get_proof
from proofs.services import reading
from proofs.services.decisions import check_may_decide
from proofs.services.reading import ACTOR, LEASE, MAX_ATTEMPTS, RETRY_AFTER, UNHEARD_AFTER
from proofs.states import Processing

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What one worker has taken on, and for whom."""

    asked_at: datetime
    asked_by: str
    attempt: int


@transaction.atomic
def ask_to_reread(*, caller: Caller, proof_id: int) -> bool:
    """Have a proof's document read once more, with more time, whatever was decided about it.

    False where somebody waits for that already; nothing is changed then.

    Raises ProofNotFound, and what `check_may_ask` does.
    """
    get_proof(caller, proof_id)
    proof = reading.locked(proof_id)
    check_may_ask(caller, proof)
    if proof.reread_asked_at is not None:
        return False
    now = clock.now()
    proof.reread_asked_at, proof.reread_asked_by = now, caller.actor
    proof.processing_attempts = 0
    proof.processing_due_at = now + UNHEARD_AFTER
    _save(proof)
    _record(proof, actor=caller.actor, action=Action.REREAD_ASKED)
    bells.ring_for_reread(proof.pk)
    return True


def check_may_ask(caller: Caller, proof: Proof) -> None:
    """Raise unless this caller may have this document read once more.

    Raises InsufficientScope for whoever is no staff, OwnProofForbidden as for a decision, and what
    `check_was_read` does.
    """
    if not caller.is_staff:
        raise InsufficientScope("Only staff has a document read once more.")
    check_may_decide(caller, proof)
    check_was_read(proof)


def check_was_read(proof: Proof) -> None:
    """Raise unless there is a document whose first reading is over: NoDocument, ProofProcessing."""
    if not reading.has_document(proof):
        raise NoDocument(proof_id=proof.pk)
    if proof.processing in {Processing.QUEUED, Processing.READING}:
        raise ProofProcessing


def reread_as_asked(*, proof_id: int) -> bool:
    """Read one document once more for whoever asked; whether that was done.

    Safe to call any number of times, also at once: what nobody waits for (any more), and what
    another worker has begun, is left alone.
    """
    order = _claim(proof_id)
    if order is None:
        return False
    try:
        reading.reread_document(proof_id=proof_id, actor=order.asked_by)
    except (ReaderUnavailable, FileStorageUnavailable, FileNotFoundError):
        logger.exception("The document of proof %s could not be read again here", proof_id)
        _give_back(proof_id, order)
        return False
    return True


@transaction.atomic
def _claim(proof_id: int) -> _Order | None:
    """Take the request for this worker; None when there is nothing to take."""
    proof = reading.locked(proof_id)
    now = clock.now()
    if proof.reread_asked_at is None:
        return None
    if proof.processing_attempts and proof.processing_due_at and proof.processing_due_at > now:
        return None
    if proof.processing_attempts >= MAX_ATTEMPTS:
        _give_up(proof)
        return None
    proof.processing_attempts += 1
    proof.processing_due_at = now + LEASE
    _save(proof)
    return _Order(
        asked_at=proof.reread_asked_at,
        asked_by=proof.reread_asked_by,
        attempt=proof.processing_attempts,
    )


@transaction.atomic
def _give_back(proof_id: int, order: _Order) -> None:
    """Reading does not work here now: another try later, or none any more."""
    proof = reading.locked(proof_id)
    if (proof.reread_asked_at, proof.processing_attempts) != (order.asked_at, order.attempt):
        return
    if proof.processing_attempts >= MAX_ATTEMPTS:
        _give_up(proof)
    else:
        proof.processing_due_at = clock.now() + RETRY_AFTER * proof.processing_attempts
        _save(proof)


def _give_up(proof: Proof) -> None:
    """Nobody waits any more, and the page says why; what was read before stays as it is."""
    proof.reread_asked_at, proof.reread_asked_by = None, ""
    proof.processing_due_at = None
    _save(proof)
    _record(proof, actor=ACTOR, action=Action.REREAD_GIVEN_UP, attempts=proof.processing_attempts)


def _record(proof: Proof, *, actor: str, action: Action, **body: int) -> None:
    entries.record(
        actor=actor,
        action=action,
        subject=f"proof:{proof.pk}",
        stream=f"escrow:{proof.escrow_id}",
        body={"file_sha256": proof.file_sha256, **body},
    )


def _save(proof: Proof) -> None:
    proof.save(
        update_fields=[
            "reread_asked_at",
            "reread_asked_by",
            "processing_attempts",
            "processing_due_at",
        ]
    )
