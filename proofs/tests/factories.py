"""Evidence for tests: photos that were taken on the site, and the way they go in."""

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from escrow.services.evidence import open_milestone
from escrow.tests.factories import as_provider, make_escrow
from kobatela.embedded.sample_documents import InvoiceText, make_invoice_pdf
from kobatela.embedded.sample_photos import make_photo
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.uploads import quarantine
from kobatela.uploads.services import files
from proofs.models import Proof
from proofs.readers import document_reading
from proofs.readers.documents.facts import Box, Field, FieldName, Reading, ReadingStatus, Source
from proofs.services import evidence
from proofs.services.evidence import Sent
from proofs.services.reading import read_document
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
INVOICE_TEXT = InvoiceText(
    number="F-2026-118",
    issued_on="2026-11-20",
    supplier="Quincaillerie du Plateau",
    customer="Chantier de deux pièces",
    lines=(("Ciment, 40 sacs", "1 000,00 €"), ("Transport", "200,00 €")),
    total="1 200,00 €",
    iban="FR76 3000 6000 0112 3456 7890 189",
)
INVOICE_FIELDS: dict[str, str] = {
    "total": "1200.00",
    "currency": "EUR",
    "number": "F-2026-118",
    "date": "2026-11-20",
    "supplier": "Quincaillerie du Plateau",
    "iban": "FR7630006000011234567890189",
}
PDF = make_invoice_pdf(INVOICE_TEXT)
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


def photo(position: tuple[float, float] | None = None, **overrides: Any) -> bytes:
    """A small JPEG taken ten minutes ago; each one shows something else.

    If not at `position`, then near the site, each a centimetre beside the one before: nobody stands
    twice exactly where he stood.
    """
    seed = next(_seeds)
    position = position or (NEARBY[0], NEARBY[1] + seed % 1000 * 1e-7)
    values: dict[str, Any] = {
        "taken_at": clock.now() - timedelta(minutes=10),
        "seed": seed,
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


def invoice_escrow(requirements: Mapping[str, Any] | None = None, **options: Any) -> "Escrow":
    """A funded escrow whose one milestone asks for an invoice with these requirements."""
    terms = {"proof_kind": "INVOICE", "proof_requirements": dict(requirements or {})}
    return site_escrow(options.pop("amount_minor", 120_000), terms=terms, **options)


def field_of(name: str, value: str, **values: Any) -> Field:
    """A field as it is read from a page, in its middle."""
    place: dict[str, Any] = {"page": 1, "box": Box(x0=0.4, y0=0.4, x1=0.6, y1=0.42)}
    sure: dict[str, Any] = {"confidence": 0.9, "source": Source.TEXT, "raw": value}
    return Field(name=FieldName(name), value=value, **(place | sure | values))


def reading_of(
    fields: Mapping[str, str] | None = None,
    xml_fields: Mapping[str, str] | None = None,
    **values: Any,
) -> Reading:
    """What is read of an invoice; with `fields` None of the one in `INVOICE_TEXT`."""
    shown = INVOICE_FIELDS if fields is None else fields
    exact = {"page": None, "box": None, "source": Source.XML, "confidence": 1.0}
    defaults: dict[str, Any] = {
        "media_type": "application/pdf",
        "pages_total": 1,
        "pages_read": 1,
        "engine": "text",
        "engine_version": "1",
        "status": ReadingStatus.READ,
        "text": "Facture F-2026-118",
    }
    return Reading(
        fields={FieldName(name): field_of(name, value) for name, value in shown.items()},
        xml_fields={
            FieldName(name): field_of(name, value, **exact)
            for name, value in (xml_fields or {}).items()
        },
        **(defaults | values),
    )


def read_invoice(
    escrow: "Escrow | None" = None, reading: Reading | None = None, **options: Any
) -> Proof:
    """An invoice that a worker has read and checked; `reading` is what was read."""
    defaults = {"proof_type": "INVOICE", "content": make_invoice_pdf(invoice_text())}
    proof = submit(escrow or invoice_escrow(), **(defaults | options))
    with patch.object(document_reading, "read_document", return_value=reading or reading_of()):
        read_document(proof_id=proof.pk)
    proof.refresh_from_db()
    return proof


def invoice_text(**values: Any) -> InvoiceText:
    """The text of an invoice; its customer differs each time, so that no two files are the same."""
    return replace(INVOICE_TEXT, customer=f"Chantier {next(_seeds)}", **values)
