"""Reading documents in a worker: claimed, read outside any transaction, checked and stored.

The row is the work order. A worker that dies leaves a claim that runs out; what does not work here
at all is tried again a few times; what is wrong with a document is a finding and never an error.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from audit.actions import Action
from audit.services import entries
from escrow.services.evidence import lock_for_decision
from kobatela.kernel import clock
from kobatela.kernel.crashpoints import crashpoint
from kobatela.uploads.errors import FileStorageUnavailable
from proofs import bells
from proofs.checks.document_words import finding
from proofs.checks.findings import FindingCode
from proofs.errors import NoDocument
from proofs.models import DocumentReading, Proof
from proofs.readers.errors import ReaderUnavailable
from proofs.selectors import documents_due, lock_proof
from proofs.services import advice, documents
from proofs.services.documents import FileRead
from proofs.states import DOCUMENT_KINDS, Processing, ProofStatus

logger = logging.getLogger(__name__)

ACTOR = "system:documents"
MAX_ATTEMPTS = 3
# Longer than the task may take (tasks.READ_TIME_LIMIT_S), or two workers would read one document.
LEASE = timedelta(seconds=420)
# The bell has its chance first; a message that waits in a long queue is not sent again at once.
UNHEARD_AFTER = timedelta(seconds=30)
RING_AGAIN_AFTER = timedelta(minutes=5)
RETRY_AFTER = timedelta(seconds=30)
SWEPT_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one worker has taken on."""

    proof_id: int
    attempt: int
    storage_name: str
    media_type: str
    country: str | None


def read_document(*, proof_id: int) -> Processing:
    """Read, check and store one document that waits for it; says how far it is then.

    Safe to call any number of times, also at once: what another worker reads, or has read, is left
    alone.
    """
    order = _claim(proof_id)
    if order is None:
        return Processing(Proof.objects.values_list("processing", flat=True).get(pk=proof_id))
    crashpoint("document.claimed")
    try:
        read = documents.read_file(
            order.storage_name,
            order.media_type,
            order.country,
            budget_s=settings.OCR_BUDGET_SECONDS,
        )
    except (ReaderUnavailable, FileStorageUnavailable, FileNotFoundError):
        logger.exception("The document of proof %s could not be read here", proof_id)
        return _give_back(order)
    crashpoint("document.read")
    return _finish(order, read)


def reread_document(*, proof_id: int, actor: str) -> DocumentReading:
    """Read a proof's document once more, now, whatever was read before, also of a decided proof.

    It may take longer than a reading that nobody asked for (`OCR_REREAD_SECONDS`).
    The new reading, its checks and findings stand beside the old ones, which stay; why a person had
    to look changes only while nobody has decided, and the decision never. What waits for a worker,
    or was given up, is done then, and so is what somebody asked for in the console.

    Raises NoDocument for a proof without one; ReaderUnavailable, FileStorageUnavailable and
    FileNotFoundError where reading does not work.
    """
    seen = Proof.objects.select_related("upload", "milestone").filter(pk=proof_id).first()
    if seen is None or seen.upload is None or not has_document(seen):
        raise NoDocument(proof_id=proof_id)
    read = documents.read_file(
        seen.upload.storage_name,
        seen.upload.media_type,
        documents.country_of(seen),
        budget_s=settings.OCR_REREAD_SECONDS,
    )
    with transaction.atomic():
        proof = locked(proof_id)
        documents.store(proof=proof, read=read, actor=actor, action=Action.PROOF_DOCUMENT_REREAD)
        proof.reread_asked_at, proof.reread_asked_by = None, ""
        proof.processing_due_at = None
        if proof.processing in {Processing.QUEUED, Processing.READING, Processing.FAILED}:
            _pass_through(proof)
            _hand_on(proof)
        else:
            _save(proof)
    assert proof.reading is not None, "it was just read"
    return proof.reading


def has_document(proof: Proof) -> bool:
    """Whether a proof has a file that is read as a document."""
    return proof.upload_id is not None and proof.milestone_kind in DOCUMENT_KINDS


def _pass_through(proof: Proof) -> None:
    """What another read is done; a worker that still reads it finds that it was overtaken."""
    if proof.processing == Processing.FAILED:
        _move(proof, Processing.QUEUED)
    if proof.processing == Processing.QUEUED:
        _move(proof, Processing.READING)
    _move(proof, Processing.CHECKING)


def _hand_on(proof: Proof) -> None:
    """The machine's own part is over; what is still undecided may get an advisor's word."""
    proof.processing_due_at = None
    _save(proof)
    if proof.status == ProofStatus.PENDING:
        advice.hand_over(proof=proof)
    else:
        _move(proof, Processing.DONE)
        _save(proof)


def sweep_documents() -> dict[str, int]:
    """Ring for what no worker was told of, or whose worker died; how many that were."""
    now = clock.now()
    due = documents_due(now=now, limit=SWEPT_AT_ONCE)
    for proof_id in due:
        with transaction.atomic():
            proof = lock_proof(proof_id)
            if proof.processing_due_at is None or proof.processing_due_at > now:
                continue
            is_reread = proof.reread_asked_at is not None
            is_unheard = is_reread and proof.processing_attempts == 0
            if is_unheard or proof.processing == Processing.QUEUED:
                proof.processing_due_at = now + RING_AGAIN_AFTER
                proof.save(update_fields=["processing_due_at"])
            ring = bells.ring_for_reread if is_reread else bells.ring_for_document
            ring(proof_id)
    documents.alert_when_ocr_fails()
    return {"rung": len(due)}


@transaction.atomic
def _claim(proof_id: int) -> Order | None:
    """Take a document for this worker; None when there is nothing to take."""
    proof = locked(proof_id)
    if proof.processing == Processing.READING:
        if proof.processing_due_at is not None and proof.processing_due_at > clock.now():
            return None
        # Whoever had it died with it.
        _move(proof, Processing.QUEUED)
    if proof.processing != Processing.QUEUED or proof.upload is None:
        return None
    if proof.processing_attempts >= MAX_ATTEMPTS:
        _give_up(proof)
        return None
    proof.processing_attempts += 1
    _move(proof, Processing.READING)
    proof.processing_due_at = clock.now() + LEASE
    _save(proof)
    return Order(
        proof_id=proof.pk,
        attempt=proof.processing_attempts,
        storage_name=proof.upload.storage_name,
        media_type=proof.upload.media_type,
        country=documents.country_of(proof),
    )


@transaction.atomic
def _finish(order: Order, read: FileRead) -> Processing:
    """Store what was read and what the checks say of it, unless another worker has done so."""
    proof = locked(order.proof_id)
    if not _is_still(proof, order):
        return Processing(proof.processing)
    _move(proof, Processing.CHECKING)
    documents.store(proof=proof, read=read, actor=ACTOR, action=Action.PROOF_DOCUMENT_READ)
    _hand_on(proof)
    return Processing(proof.processing)


@transaction.atomic
def _give_back(order: Order) -> Processing:
    """Reading does not work here now: another try later, or none any more."""
    proof = locked(order.proof_id)
    if not _is_still(proof, order):
        return Processing(proof.processing)
    if proof.processing_attempts >= MAX_ATTEMPTS:
        _give_up(proof)
    else:
        _move(proof, Processing.QUEUED)
        proof.processing_due_at = clock.now() + RETRY_AFTER * proof.processing_attempts
        _save(proof)
    return Processing(proof.processing)


def locked(proof_id: int) -> Proof:
    """The proof, locked after its escrow and milestone, as everybody does.

    A command that closes the escrow holds that, and the escrow's audit stream, when it comes to the
    proof; whoever came the other way round would stand in a circle with it.
    """
    seen = Proof.objects.only("escrow_id", "milestone_id").get(pk=proof_id)
    lock_for_decision(escrow_id=seen.escrow_id, milestone_id=seen.milestone_id)
    return lock_proof(proof_id)


def _give_up(proof: Proof) -> None:
    """Leave it to a person, and say so."""
    attempts = proof.processing_attempts
    _move(proof, Processing.FAILED)
    proof.processing_due_at = None
    documents.tell(proof, [finding(FindingCode.DOCUMENT_NOT_READ, retry=True, attempts=attempts)])
    _save(proof)
    entries.record(
        actor=ACTOR,
        action=Action.PROOF_DOCUMENT_NOT_READ,
        subject=f"proof:{proof.pk}",
        stream=f"escrow:{proof.escrow_id}",
        body={"file_sha256": proof.file_sha256, "attempts": attempts},
    )


def _is_still(proof: Proof, order: Order) -> bool:
    """Whether the proof still waits for this very attempt."""
    return proof.processing == Processing.READING and proof.processing_attempts == order.attempt


def _move(proof: Proof, target: Processing) -> None:
    proof.processing_to(target)
    proof.processing_since = clock.now()


def _save(proof: Proof) -> None:
    proof.updated_at = clock.now()
    proof.save(
        update_fields=[
            "processing",
            "processing_since",
            "processing_attempts",
            "processing_due_at",
            "reread_asked_at",
            "reread_asked_by",
            "findings",
            "review_reasons",
            "reading",
            "updated_at",
        ]
    )
