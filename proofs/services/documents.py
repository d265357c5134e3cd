"""What a document says, and how that is stored: read outside a transaction, checked inside one."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import connection

from audit.actions import Action
from audit.services import counters, entries
from audit.services.alerts import AlertType, Severity, raise_alert
from audit.services.switches import SwitchName, is_on
from kobatela.kernel import clock
from kobatela.kernel.money import format_minor
from kobatela.uploads import storage
from proofs.checks import findings
from proofs.checks.against_xml import against_xml
from proofs.checks.document_words import DOCUMENT_CODES
from proofs.checks.documents import Case, Compared, check_document, merged_fields
from proofs.checks.findings import Finding
from proofs.checks.sameness import ISSUER_IDS, Issuer, number_key, same_issuer
from proofs.models import DocumentReading, Proof
from proofs.readers import document_reading
from proofs.readers.documents.facts import FieldName, NoteCode, Reading
from proofs.selectors import MAX_MATCHES, invoices_numbered, readings_since
from proofs.states import ProofStatus

NO_ENGINE = "none"
# Engines that read pictures; anything else is the file's own text.
OCR_ENGINES = frozenset({"rapidocr", "tesseract", "rapidocr+tesseract", "tesseract+rapidocr"})
_OCR_TROUBLE = frozenset({NoteCode.OCR_FAILED, NoteCode.OCR_UNAVAILABLE})
_COUNTRY_OF_FRANCS = {"XOF": "SN", "XAF": "CM"}
_NUMBER_LOCKS = 7103
# Below it are wrong check digits, and numbers that may be the customer's.
_SURE_OF_AN_ID = 0.5
_FAILING_WITHIN = timedelta(minutes=15)
# One failure among few says nothing about the engine.
_FAILING_FROM = 5
_FAILING_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class FileRead:
    """A reading and how long it took."""

    reading: Reading
    took_ms: int


def engine_now() -> str:
    """The OCR engine to ask: of the settings, unless staff or the settings have it off."""
    if not settings.INVOICE_OCR_ENABLED or not is_on(SwitchName.OCR):
        return NO_ENGINE
    return str(settings.INVOICE_OCR_PROVIDER)


def country_of(proof: Proof) -> str | None:
    """Where the document of a proof (with its milestone) is thought to come from.

    The agreed country; else one of those that the escrow's francs are from, which is enough to
    tell one FCFA from the other.
    """
    agreed = proof.milestone.proof_requirements.get("expected_country")
    return str(agreed) if agreed else _COUNTRY_OF_FRANCS.get(proof.currency)


def read_file(
    storage_name: str, media_type: str, country: str | None, *, budget_s: float
) -> FileRead:
    """Read a kept file in children, outside any transaction, within `budget_s` of CPU time.

    Raises ReaderUnavailable, FileStorageUnavailable and FileNotFoundError, which say nothing about
    the document.
    """
    started = time.perf_counter()
    with storage.at_hand(storage_name) as path:
        reading = document_reading.read_document(
            path,
            media_type=media_type,
            engine=engine_now(),
            ocr_max_pages=settings.OCR_MAX_PAGES,
            country=country,
            with_second=settings.INVOICE_OCR_SECOND_OPINION,
            ocr_budget_s=budget_s,
        )
    if reading.engine in OCR_ENGINES:
        counters.count("ocr.calls")
        if _is_trouble(reading):
            counters.count("ocr.errors")
    return FileRead(reading, round((time.perf_counter() - started) * 1000))


def store(*, proof: Proof, read: FileRead, actor: str, action: Action) -> Compared:
    """Check a reading and keep it as the newest of its locked proof; the caller saves the proof.

    The findings of an earlier reading give way. Why a person must look changes only while nobody
    has decided; a decision is never touched.
    """
    reading = read.reading
    fields = merged_fields(reading)
    number = fields.get(FieldName.NUMBER)
    key = "" if number is None else number_key(number.value)
    shown = {name.value: found.to_json() for name, found in fields.items()}
    # What the document says against itself is what an earlier proof has kept of its own.
    alone = [check.to_json() for check, _ in against_xml(reading)]
    twins = _twins(proof, key, _issuer(shown, alone))
    compared = check_document(reading, _case(proof, twins))
    proof.reading = DocumentReading.objects.create(
        proof=proof,
        engine=reading.engine,
        engine_version=reading.engine_version,
        status=reading.status.value,
        pages_total=reading.pages_total,
        pages_read=reading.pages_read,
        fields=shown,
        checks=[check.to_json() for check in compared.checks],
        findings=[found.to_json() for found in compared.findings],
        raw_text=reading.text,
        number_key=key,
        took_ms=read.took_ms,
        read_by=actor,
        created_at=clock.now(),
    )
    tell(proof, compared.findings)
    _record(proof, compared, actor=actor, action=action)
    return compared


def tell(proof: Proof, found: Sequence[Finding]) -> None:
    """Put the findings on the locked proof, in place of those of an earlier reading."""
    kept = [item for item in proof.findings if item["code"] not in DOCUMENT_CODES]
    proof.findings = kept + [item.to_json() for item in found]
    if proof.status != ProofStatus.PENDING:
        return
    reasons = [code for code in proof.review_reasons if code not in DOCUMENT_CODES]
    soft = (item.code.value for item in found if item.severity is findings.Severity.SOFT)
    proof.review_reasons = list(dict.fromkeys([*reasons, *soft]))


def alert_when_ocr_fails() -> None:
    """Alert when more than a tenth of what OCR read in the last 15 minutes failed."""
    engines = readings_since(clock.now() - _FAILING_WITHIN).filter(engine__in=OCR_ENGINES)
    codes = [
        {found["code"] for found in found_of}
        for found_of in engines.values_list("findings", flat=True)
    ]
    failed = sum(1 for found in codes if found & _OCR_TROUBLE)
    if len(codes) < _FAILING_FROM or failed <= len(codes) * _FAILING_SHARE:
        return
    raise_alert(
        type=AlertType.OCR_FAILING,
        severity=Severity.WARNING,
        subject=f"ocr:{settings.INVOICE_OCR_PROVIDER}",
        message="Reading documents by OCR fails again and again.",
        payload={"read": len(codes), "failed": failed},
    )


def _case(proof: Proof, twins: Sequence[int]) -> Case:
    return Case(
        kind=proof.milestone_kind,
        currency=proof.currency,
        amount=format_minor(proof.amount_minor, proof.currency),
        requirements=proof.milestone.proof_requirements,
        claims=proof.metadata,
        twins=twins,
    )


def _twins(proof: Proof, key: str, issuer: Issuer) -> list[int]:
    """Other live proofs with the same number of the same supplier, the newest 20; true to the
    transaction's end.

    Of two that are read at once the later one finds the earlier.
    """
    if not key:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_NUMBER_LOCKS, key])
    twins = (
        proof_id
        for proof_id, fields, checks in invoices_numbered(key, but=proof.pk)
        if same_issuer(issuer, _issuer(fields, checks))
    )
    return list(islice(twins, MAX_MATCHES))


def _issuer(fields: dict[str, Any], checks: Sequence[dict[str, Any]]) -> Issuer:
    """All that tells who made a document, on its page and in its XML.

    An identifier that may be misread leaves it to the name. The fields are the XML's where it has
    them; what the page shows instead stands in the comparison of the two.
    """
    said = {
        name: {str(fields[name]["value"])}
        for name in (*ISSUER_IDS, "supplier")
        if name in fields
        and (name not in ISSUER_IDS or fields[name]["confidence"] >= _SURE_OF_AN_ID)
    }
    for check in checks:
        name = check["name"].removeprefix("xml_")
        if name in said and name != check["name"] and check["agrees"] is False:
            said[name].add(str(check["actual"]))
    return said


def _is_trouble(reading: Reading) -> bool:
    return any(note.code in _OCR_TROUBLE for note in reading.notes)


def _record(proof: Proof, compared: Compared, *, actor: str, action: Action) -> None:
    reading = proof.reading
    assert reading is not None, "a reading is recorded when it is stored"
    entries.record(
        actor=actor,
        action=action,
        subject=f"proof:{proof.pk}",
        stream=f"escrow:{proof.escrow_id}",
        body={
            "reading_id": reading.pk,
            "file_sha256": proof.file_sha256,
            "engine": reading.engine,
            "engine_version": reading.engine_version,
            "reading_status": reading.status,
            "pages_total": reading.pages_total,
            "pages_read": reading.pages_read,
            "took_ms": reading.took_ms,
            "fields_found": sorted(reading.fields),
            "checks": {check.name: check.agrees for check in compared.checks},
            "findings": [found.code.value for found in compared.findings],
        },
    )
