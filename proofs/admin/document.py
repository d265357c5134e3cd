"""What the proof page shows of a document: its pages with the fields on them, and the checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from proofs.models import Proof
from proofs.states import Derivative, Processing

# In the order in which a person compares an invoice with an agreement.
_FIELD_WORDS: Mapping[str, str] = {
    "total": "Total",
    "currency": "Currency",
    "supplier": "Supplier",
    "number": "Number",
    "date": "Date",
    "due_date": "Due",
    "iban": "IBAN",
    "net": "Net",
    "tax": "Tax",
    "payable": "Left to pay",
    "vat_id": "VAT id",
    "siret": "SIRET",
    "type_code": "Kind (UNTDID 1001)",
}
_CHECK_WORDS: Mapping[str, str] = {
    "amount": "Amount",
    "currency": "Currency",
    "iban": "Account",
    "date": "Date",
    "supplier": "Supplier",
    "invoice_number": "Invoice number",
    "number_reused": "Number used before",
    "document_kind": "Kind",
    "hidden_text": "Hidden words",
    "beneficiary": "Beneficiary",
    "country": "Country",
    "city": "City",
}
_AGAINST: Mapping[str, str] = {"xml_": "file's own data", "claimed_": "sender's word"}
_SOURCE_WORDS: Mapping[str, str] = {"xml": "file's data", "text": "text", "ocr": "OCR"}
_AGREE_WORDS: Mapping[bool | None, tuple[str, str]] = {
    True: ("good", "agrees"),
    False: ("bad", "differs"),
    None: ("", "not read"),
}
_PROCESSING_WORDS: Mapping[str, str] = {
    Processing.QUEUED: "Waits for the machine to read it.",
    Processing.READING: "The machine is reading it.",
    Processing.CHECKING: "The machine is checking what it read.",
    Processing.ADVISING: "The advisor is asked.",
    Processing.FAILED: "The machine gave up on it.",
}
_UNSURE_BELOW = 0.6


@dataclass(frozen=True, slots=True)
class Place:
    """A field's box on its page, in percent of the page's sides."""

    number: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class FieldShown:
    """A field that was read; tone warns of one that was hard to read."""

    name: str
    label: str
    value: str
    source: str
    sure: str
    tone: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class CheckShown:
    """A comparison, side by side."""

    label: str
    against: str
    expected: str
    actual: str
    tone: str
    verdict: str


@dataclass(frozen=True, slots=True)
class PageShown:
    """The picture of a page and the fields on it."""

    number: int
    url: str
    fields: Sequence[FieldShown]


@dataclass(frozen=True, slots=True)
class DocumentShown:
    """All that the page shows of a document. state is empty once it was read."""

    state: str
    how: str
    pages: Sequence[PageShown]
    fields: Sequence[FieldShown]
    checks: Sequence[CheckShown]
    raw: str


def shown(proof: Proof) -> DocumentShown | None:
    """What is shown of a proof's document, None for what is none."""
    is_document = proof.page_count is not None or proof.reading is not None
    if not is_document and proof.processing == Processing.DONE:
        return None
    reading = proof.reading
    fields = [] if reading is None else _fields(reading.fields)
    return DocumentShown(
        state=_PROCESSING_WORDS.get(proof.processing, ""),
        how="" if reading is None else _how(proof),
        pages=_pages(proof, fields),
        fields=fields,
        checks=[] if reading is None else [_check(check) for check in reading.checks],
        raw="" if reading is None else reading.raw_text,
    )


def _pages(proof: Proof, fields: Sequence[FieldShown]) -> list[PageShown]:
    if proof.derivative != Derivative.DONE:
        return []
    if proof.page_count is None:
        url = reverse("admin:proofs_proof_picture", args=[proof.pk])
        return [PageShown(1, url, _on_page(fields, 1))]
    return [
        PageShown(
            number,
            reverse("admin:proofs_proof_page", args=[proof.pk, number]),
            _on_page(fields, number),
        )
        for number in range(1, proof.page_count + 1)
    ]


def _on_page(fields: Sequence[FieldShown], number: int) -> list[FieldShown]:
    return [field for field in fields if field.place is not None and field.place.number == number]


def _fields(fields: Mapping[str, Mapping[str, Any]]) -> list[FieldShown]:
    order = [*_FIELD_WORDS, *(name for name in fields if name not in _FIELD_WORDS)]
    return [_field(name, fields[name]) for name in order if name in fields]


def _field(name: str, field: Mapping[str, Any]) -> FieldShown:
    confidence = float(field["confidence"])
    return FieldShown(
        name=name,
        label=_FIELD_WORDS.get(name, name.replace("_", " ")),
        value=str(field["value"]),
        source=_SOURCE_WORDS.get(field["source"], str(field["source"])),
        sure=f"{confidence:.0%}",
        tone="soft" if confidence < _UNSURE_BELOW else "",
        place=_place(field),
    )


def _place(field: Mapping[str, Any]) -> Place | None:
    if field["page"] is None or field["box"] is None:
        return None
    left, top, right, bottom = (100 * float(side) for side in field["box"])
    return Place(
        number=int(field["page"]),
        left=round(left, 2),
        top=round(top, 2),
        width=round(right - left, 2),
        height=round(bottom - top, 2),
    )


def _check(check: Mapping[str, Any]) -> CheckShown:
    name, against = str(check["name"]), "agreement"
    for prefix, words in _AGAINST.items():
        if name.startswith(prefix):
            name, against = name.removeprefix(prefix), words
    tone, verdict = _AGREE_WORDS[check["agrees"]]
    return CheckShown(
        label=_CHECK_WORDS.get(name, name.replace("_", " ")),
        against=against,
        expected=check["expected"] or "",
        actual=check["actual"] or "not read",
        tone=tone,
        verdict="not compared" if check["agrees"] is None and check["actual"] else verdict,
    )


def _how(proof: Proof) -> str:
    """By what it was read, how much of it, and how long that took."""
    reading = proof.reading
    assert reading is not None
    engine = "its own text" if reading.engine == "text" else reading.engine
    version = f" {reading.engine_version}" if reading.engine_version else ""
    pages = f"{reading.pages_read} of {reading.pages_total} pages"
    return f"Read by {engine}{version}, {pages}, in {reading.took_ms / 1000:.1f} s"
