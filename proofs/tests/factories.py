"""Evidence for tests: photos that were taken on the site, and the way they go in."""

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

from escrow.services.evidence import open_milestone
from escrow.tests.factories import as_provider, make_escrow
from kobatela.embedded.sample_photos import make_photo
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.uploads import quarantine
from kobatela.uploads.services import files
from proofs.models import Proof
from proofs.services import evidence
from proofs.services.evidence import Sent
from proofs.services.submissions import submit_proof

if TYPE_CHECKING:
    from escrow.models import Escrow

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SITE = (5.35, -4.0)
# About 111 m to the north.
NEARBY = (5.351, -4.0)
FAR_AWAY = (5.36, -4.0)
FENCE: Mapping[str, Any] = {
    "geofence_lat": Decimal("5.350000"),
    "geofence_lng": Decimal("-4.000000"),
    "geofence_radius_m": Decimal("200.00"),
}
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
_seeds = count(1)


def site_escrow(
    *amounts: int, terms: Mapping[str, Any] | None = None, **overrides: Any
) -> "Escrow":
    """A funded escrow whose milestones ask for a photo within 200 m of the site, 120 minutes old.

    `terms` changes every milestone; amounts are in minor units, 1,000.00 unless given.
    """
    milestones = [
        {"amount_minor": amount, **FENCE, **(terms or {})} for amount in amounts or (100_000,)
    ]
    total = sum(amounts or (100_000,))
    return make_escrow(milestones=milestones, **({"amount_total_minor": total} | overrides))


def photo(position: tuple[float, float] = NEARBY, **overrides: Any) -> bytes:
    """A small JPEG taken ten minutes ago near the site; each one shows something else."""
    values: dict[str, Any] = {
        "taken_at": clock.now() - timedelta(minutes=10),
        "seed": next(_seeds),
        "width": 320,
        "height": 240,
    }
    return make_photo(latitude=position[0], longitude=position[1], **(values | overrides))


def vague_photo() -> bytes:
    """A photo that a person has to look at: inside the fence, but perhaps not."""
    return photo(positioning_error_m=500.0)


def submit(
    escrow: "Escrow",
    content: bytes | None = None,
    *,
    caller: Caller | None = None,
    idx: int = 1,
    proof_type: str = "PHOTO",
    metadata: Mapping[str, Any] | None = None,
    **sent: Any,
) -> Proof:
    """Send evidence through the services, as the view does. Without content it is a claim."""
    caller = caller or as_provider(escrow)
    milestone = open_milestone(caller=caller, escrow_id=escrow.pk, milestone_idx=idx)
    file = None if content is None else quarantine.take_in(io.BytesIO(content), "photo.jpg")
    gathered = evidence.gather(
        sent=Sent(arrived_at=clock.now(), file=file, **sent),
        proof_type=proof_type,
        terms=evidence.terms_of(milestone),
        caller=caller,
    )
    if file is not None:
        stored = files.keep(file=file, media_type=gathered.media_type)
        file.close()
        gathered = replace(gathered, stored=stored)
    return submit_proof(
        caller=caller,
        escrow_id=escrow.pk,
        milestone_idx=idx,
        proof_type=proof_type,
        evidence=gathered,
        metadata=metadata or {},
    )


def claim(escrow: "Escrow", **options: Any) -> Proof:
    """A proof without a file."""
    sent = {"claimed_url": "https://example.org/photo.jpg", "sha256": "ab" * 32}
    return submit(escrow, **(sent | options))


def pending_proof(escrow: "Escrow | None" = None, **options: Any) -> Proof:
    """A photo that waits for a person."""
    return submit(escrow or site_escrow(), vague_photo(), **options)
