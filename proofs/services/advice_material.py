"""Gathering what the advisor is told of one proof, and what of it must never leave."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from kobatela.kernel.money import format_minor
from kobatela.uploads import storage
from proofs.advisor.context import Backend, Exhibit, Mandate, Material
from proofs.models import Proof
from proofs.readers import pool
from proofs.readers.documents.facts import PAGE_BREAK
from proofs.services.known_people import known_values
from proofs.states import ProofType

if TYPE_CHECKING:
    from escrow.models import Milestone


def gather(proof: Proof) -> Material:
    """Everything for one piece of advice. `proof` comes from `selectors.get_proof_for_advice`.

    Reads the picture, so it is called outside any transaction. Raises ReaderRefusal,
    ReaderUnavailable, FileStorageUnavailable and FileNotFoundError where that cannot be done, and
    TooManyKnown.
    """
    assert proof.upload is not None, "claims are not advised on"
    is_photo = proof.type == ProofType.PHOTO
    return Material(
        mandate=_mandate(proof.milestone),
        backend=Backend(
            findings=proof.findings,
            checks=() if proof.reading is None else proof.reading.checks,
            distance_m=None if proof.distance_m is None else str(proof.distance_m),
            waits_for_person=bool(proof.review_reasons),
        ),
        exhibit=Exhibit(
            proof_type=proof.type,
            media_type=proof.upload.media_type,
            received_at=proof.received_at,
            image=proof.facts if is_photo else None,
            reading=_reading(proof),
            picture=_picture(proof.upload.storage_name) if is_photo else None,
        ),
        known=known_values(proof),
    )


def _mandate(milestone: "Milestone") -> Mandate:
    radius_m = milestone.geofence_radius_m
    return Mandate(
        milestone_number=milestone.sequence_index,
        milestone_label=milestone.label,
        proof_kind=milestone.proof_kind,
        amount=format_minor(milestone.amount_minor, milestone.currency),
        currency=milestone.currency,
        max_age_minutes=milestone.max_age_minutes,
        geofence_radius_m=None if radius_m is None else str(radius_m),
        requirements=milestone.proof_requirements,
    )


def _reading(proof: Proof) -> Mapping[str, Any] | None:
    """What was read of a document, under the names of `readers.documents.facts.Reading`.

    Of its first pages only: as many as the installation lets the model see.
    """
    found = proof.reading
    if found is None:
        return None
    pages = settings.AI_PROOF_MAX_PDF_PAGES
    return {
        "pages_total": found.pages_total,
        "pages_read": found.pages_read,
        "engine": found.engine,
        "status": found.status,
        "fields": {
            name: field for name, field in found.fields.items() if (field.get("page") or 1) <= pages
        },
        "text": PAGE_BREAK.join(found.raw_text.split(PAGE_BREAK)[:pages]),
    }


def _picture(storage_name: str) -> bytes:
    """The photo for the model: upright, small, re-encoded in a child process, no metadata."""
    side_px = min(
        settings.AI_PROOF_MAX_IMAGE_RESOLUTION_X, settings.AI_PROOF_MAX_IMAGE_RESOLUTION_Y
    )
    with tempfile.TemporaryDirectory(dir=storage.quarantine_dir()) as folder:
        made = Path(folder) / "picture.jpg"
        with storage.at_hand(storage_name) as path:
            pool.render_derivative(path, made, side_px)
        return made.read_bytes()
