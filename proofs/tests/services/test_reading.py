"""Documents are read by workers: once, by one, and by a person where a machine cannot."""

import threading
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
from django.db import InternalError, ProgrammingError, connection, transaction
from pytest_django.fixtures import Settings

from audit.models import Alert, AuditEntry
from audit.services import switches
from audit.services.counters import counted
from audit.tests.together import run_together
from conftest import Doorbells
from escrow.services.refunds import refund_escrow
from escrow.tests.factories import as_provider
from kobatela.embedded.sample_documents import make_invoice_pdf
from kobatela.kernel import clock
from proofs import selectors
from proofs.models import DocumentReading, Proof
from proofs.readers import document_reading
from proofs.readers.documents.facts import Note, NoteCode, Reading, ReadingStatus
from proofs.readers.errors import ReaderUnavailable
from proofs.services import documents
from proofs.services import reading as reading_service
from proofs.services.closing import EvidenceOfEscrow
from proofs.services.known_people import known_values
from proofs.services.reading import (
    LEASE,
    MAX_ATTEMPTS,
    RING_AGAIN_AFTER,
    UNHEARD_AFTER,
    read_document,
    sweep_documents,
)
from proofs.states import Processing, ProofStatus
from proofs.tasks import READ_TIME_LIMIT_S
from proofs.tests.factories import (
    INVOICE_FIELDS,
    PDF,
    field_of,
    invoice_escrow,
    invoice_text,
    read_invoice,
    reading_of,
    submit,
)

ROUNDS = 5
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


def queued_invoice(**options: Any) -> Proof:
    return submit(invoice_escrow(**options), PDF, proof_type="INVOICE")


def reads(reading: Reading | None = None) -> Any:
    found = reading or reading_of()
    return patch.object(document_reading, "read_document", return_value=found)


def breaks(error: Exception) -> Any:
    return patch.object(document_reading, "read_document", side_effect=error)


def failed_note(code: NoteCode = NoteCode.OCR_FAILED) -> Note:
    return Note(code=code, message="It did not work.", retry=True)


# --- What comes of it -----------------------------------------------------------------------------


def test_what_was_read_and_how_it_compares_is_kept_and_the_proof_waits_for_a_person() -> None:
    proof = read_invoice(invoice_escrow({"expected_amount": "1200.00"}))

    assert (proof.processing, proof.processing_due_at) == (Processing.DONE, None)
    assert proof.status == ProofStatus.PENDING
    assert proof.review_reasons == ["DOCUMENT"]
    assert proof.findings == []
    reading = proof.reading
    assert reading is not None
    assert {name: field["value"] for name, field in reading.fields.items()} == INVOICE_FIELDS
    assert reading.fields["total"]["box"] == [0.4, 0.4, 0.6, 0.42]
    assert [(check["name"], check["agrees"]) for check in reading.checks] == [
        ("amount", True),
        ("currency", True),
    ]
    assert (reading.engine, reading.status, reading.raw_text) == (
        "text",
        "read",
        "Facture F-2026-118",
    )


def test_a_difference_is_a_finding_with_both_values_and_a_reason_for_a_person() -> None:
    proof = read_invoice(invoice_escrow({"expected_amount": "1000.00"}))

    assert proof.review_reasons == ["DOCUMENT", "AMOUNT_DIFFERS"]
    (finding,) = proof.findings
    assert (finding["code"], finding["severity"]) == ("AMOUNT_DIFFERS", "soft")
    assert (finding["data"]["expected"], finding["data"]["actual"]) == ("1000.00", "1200.00")


def test_a_reading_is_audited_without_any_of_its_values() -> None:
    proof = read_invoice(invoice_escrow({"expected_amount": "1000.00"}))

    entry = AuditEntry.objects.get(action="proof.document_read")
    assert (entry.actor, entry.stream) == ("system:documents", f"escrow:{proof.escrow_id}")
    assert '"engine":"text"' in entry.body
    assert '"AMOUNT_DIFFERS"' in entry.body
    for value in INVOICE_FIELDS.values():
        if value != "EUR":
            assert value not in entry.body


def test_the_account_that_was_read_is_known_to_what_masks_for_the_advisor() -> None:
    iban = field_of("iban", "FR7630006000011234567890189", raw="FR76 3OOO 6OOO O112 3456 7890 189")
    proof = read_invoice(reading=replace(reading_of(), fields={iban.name: iban}))

    assert {iban.value, iban.raw} <= known_values(proof).accounts


def test_r6_numbers_that_cannot_be_read_are_findings_and_nothing_is_refused() -> None:
    proof = read_invoice(reading=reading_of({}, status=ReadingStatus.EMPTY))

    assert proof.processing == Processing.DONE
    assert [finding["code"] for finding in proof.findings] == [
        "DOCUMENT_UNREADABLE",
        "INVOICE_TOTAL_UNREADABLE",
        "INVOICE_CURRENCY_UNREADABLE",
    ]
    assert all(finding["hint"] for finding in proof.findings)


def test_the_senders_own_values_stay_and_a_difference_is_told() -> None:
    metadata = {"invoice_total_amount": "1 500,00", "invoice_number": "F 2026 118"}

    proof = read_invoice(metadata=metadata)

    assert proof.metadata == metadata
    assert [(f["code"], f["data"]["claimed"], f["data"]["actual"]) for f in proof.findings] == [
        ("CLAIM_DIFFERS", "1 500,00", "1200.00")
    ]


def test_the_same_number_of_the_same_supplier_in_another_live_proof_is_found() -> None:
    first = read_invoice()
    second = read_invoice(
        reading=reading_of(
            INVOICE_FIELDS | {"number": "f 2026/118", "supplier": "QUINCAILLERIE DU PLATEAU SARL"}
        )
    )
    elsewhere = {"iban": "DE89370400440532013000", "supplier": "Koné Frères"}
    other = read_invoice(reading=reading_of(INVOICE_FIELDS | elsewhere))

    assert "REUSED_INVOICE_NUMBER" not in first.review_reasons
    (finding,) = second.findings
    assert finding["data"] == {"matches": [{"reference": first.pk}]}
    assert other.findings == [], "another account and another name are another supplier"


@pytest.mark.parametrize("name", ["iban", "vat_id", "supplier"])
def test_data_that_name_another_maker_than_the_page_hide_no_reused_number(name: str) -> None:
    page = INVOICE_FIELDS | {"vat_id": "FR40303265045"}
    data = {
        "iban": "DE89370400440532013000",
        "vat_id": "FR83404833048",
        "supplier": "Koné Frères",
    }
    # Of what tells a maker the page that comes first has this one thing alone.
    kept = {field for field in page if field not in data or field == name}
    first = read_invoice(reading=reading_of({field: page[field] for field in kept}))
    hidden = read_invoice(reading=reading_of(page, data))
    again = read_invoice(reading=reading_of({field: page[field] for field in kept}))

    assert "XML_DIFFERS_FROM_PAGE" in hidden.review_reasons
    for proof, seen in ((hidden, [first.pk]), (again, [hidden.pk, first.pk])):
        (reused,) = [f for f in proof.findings if f["code"] == "REUSED_INVOICE_NUMBER"]
        assert [match["reference"] for match in reused["data"]["matches"]] == seen


def test_a_reused_number_is_found_behind_those_of_other_suppliers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (documents, selectors):
        monkeypatch.setattr(module, "MAX_MATCHES", 1, raising=False)
    first = read_invoice()
    for iban, name in (("DE89370400440532013000", "Koné"), ("BE68539007547034", "Awa Diop")):
        read_invoice(reading=reading_of(INVOICE_FIELDS | {"iban": iban, "supplier": name}))

    (finding,) = read_invoice().findings
    (newest,) = read_invoice().findings

    assert finding["data"] == {"matches": [{"reference": first.pk}]}
    assert len(newest["data"]["matches"]) == 1, "of several the newest"


def test_an_identifier_that_is_in_doubt_leaves_it_to_the_suppliers_names() -> None:
    def read(vat_id: str, confidence: float, **values: str) -> Proof:
        shown = {n: value for n, value in (INVOICE_FIELDS | values).items() if n != "iban"}
        reading = reading_of(shown)
        field = field_of("vat_id", vat_id, confidence=confidence)
        return read_invoice(reading=replace(reading, fields={**reading.fields, field.name: field}))

    first = read("FR40303265045", 0.98)
    doubted = read("FR41303265045", 0.35)
    sure = read("FR83404833048", 0.98, supplier=INVOICE_FIELDS["supplier"] + " Nord")

    assert doubted.findings[0]["data"] == {"matches": [{"reference": first.pk}]}
    assert sure.findings[0]["data"] == {"matches": [{"reference": doubted.pk}]}, "not the first"


def test_a_rejected_invoice_may_come_again() -> None:
    first = read_invoice()
    Proof.objects.filter(pk=first.pk).update(
        status=ProofStatus.REJECTED, decided_by="staff:1", decided_at=clock.now()
    )

    assert read_invoice().findings == []


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_of_two_invoices_that_are_read_at_once_one_finds_the_other() -> None:
    for number in range(ROUNDS):
        fields = INVOICE_FIELDS | {"number": f"F-{number}"}
        proofs = [
            submit(invoice_escrow(), make_invoice_pdf(invoice_text()), proof_type="INVOICE")
            for _ in range(2)
        ]
        together = threading.Barrier(2)

        def both_have_read(*_args: Any, **_options: Any) -> Reading:
            together.wait(30)  # noqa: B023 - used within this round
            return reading_of(fields)  # noqa: B023 - likewise

        with patch.object(document_reading, "read_document", side_effect=both_have_read):
            results = run_together([partial(read_document, proof_id=proof.pk) for proof in proofs])

        assert results == [Processing.DONE, Processing.DONE]
        found = [
            proof.pk
            for proof in Proof.objects.filter(pk__in=[proof.pk for proof in proofs])
            if "REUSED_INVOICE_NUMBER" in proof.review_reasons
        ]
        assert len(found) == 1


# --- Once, by one ---------------------------------------------------------------------------------


def test_a_reading_that_staff_ask_for_may_take_longer(settings: Settings) -> None:
    proof = queued_invoice()
    settings.OCR_BUDGET_SECONDS, settings.OCR_REREAD_SECONDS = 11.0, 77.0

    with reads() as reader:
        read_document(proof_id=proof.pk)
        reading_service.reread_document(proof_id=proof.pk, actor="staff:1")

    assert [call.kwargs["ocr_budget_s"] for call in reader.call_args_list] == [11.0, 77.0]


def test_a_second_bell_reads_nothing() -> None:
    proof = read_invoice()

    with breaks(AssertionError()):
        assert read_document(proof_id=proof.pk) == Processing.DONE

    assert DocumentReading.objects.count() == 1


def test_what_one_worker_reads_no_other_touches() -> None:
    proof = queued_invoice()

    def while_reading(*_args: Any, **_options: Any) -> Reading:
        with breaks(AssertionError()):
            assert read_document(proof_id=proof.pk) == Processing.READING
        return reading_of()

    with patch.object(document_reading, "read_document", side_effect=while_reading):
        assert read_document(proof_id=proof.pk) == Processing.DONE
    assert DocumentReading.objects.count() == 1


def test_a_worker_that_comes_back_from_the_dead_stores_nothing() -> None:
    proof = queued_invoice()

    def very_slow(*_args: Any, **_options: Any) -> Reading:
        clock.advance(LEASE)
        with reads(reading_of(INVOICE_FIELDS | {"total": "1.00"})):
            assert read_document(proof_id=proof.pk) == Processing.DONE
        return reading_of()

    with patch.object(document_reading, "read_document", side_effect=very_slow):
        assert read_document(proof_id=proof.pk) == Processing.DONE

    reading = DocumentReading.objects.get()
    assert reading.fields["total"]["value"] == "1.00"


def test_a_worker_is_killed_before_its_claim_runs_out() -> None:
    assert timedelta(seconds=READ_TIME_LIMIT_S) < LEASE


def test_an_escrow_that_closes_meanwhile_keeps_its_decision() -> None:
    proof = queued_invoice()

    def closes(*_args: Any, **_options: Any) -> Reading:
        Proof.objects.filter(pk=proof.pk).update(
            status=ProofStatus.REJECTED, decided_by="system:close", decided_at=clock.now()
        )
        return reading_of({})

    with patch.object(document_reading, "read_document", side_effect=closes):
        read_document(proof_id=proof.pk)

    proof.refresh_from_db()
    assert (proof.status, proof.processing) == (ProofStatus.REJECTED, Processing.DONE)
    assert proof.review_reasons == ["DOCUMENT"], "why a person had to look is as it was"


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_a_reading_that_ends_while_its_escrow_closes_stands_in_no_circle_with_it() -> None:
    proof = queued_invoice()
    closing, store = threading.Event(), documents.store
    rejects = EvidenceOfEscrow.escrow_closed

    def closes(self: EvidenceOfEscrow, escrow_id: int, actor: str) -> None:
        closing.set()
        rejects(self, escrow_id, actor)

    def stores(**options: Any) -> Any:
        # Whoever closes the escrow has come as far as to the proof, if it can come so far at all.
        closing.wait(1.0)
        return store(**options)

    with (
        reads(),
        patch.object(documents, "store", stores),
        patch.object(EvidenceOfEscrow, "escrow_closed", closes),
    ):
        refund = partial(
            refund_escrow,
            caller=as_provider(proof.escrow),
            escrow_id=proof.escrow_id,
            amount_in=None,
        )
        results = run_together([partial(read_document, proof_id=proof.pk), refund])

    assert results[0] == Processing.DONE
    assert not isinstance(results[1], Exception), results[1]
    proof.refresh_from_db()
    assert (proof.status, proof.decided_by) == (ProofStatus.REJECTED, "system:close")
    assert proof.reading is not None


# --- Tried again, and given up --------------------------------------------------------------------


@pytest.mark.parametrize("error", [ReaderUnavailable("no child starts"), FileNotFoundError("gone")])
def test_where_reading_does_not_work_it_is_tried_again_and_then_left_to_a_person(
    error: Exception,
) -> None:
    proof = queued_invoice()

    with breaks(error):
        for attempt in range(1, MAX_ATTEMPTS):
            assert read_document(proof_id=proof.pk) == Processing.QUEUED
            proof.refresh_from_db()
            assert proof.processing_attempts == attempt
            assert proof.processing_due_at is not None
            assert proof.processing_due_at > clock.now()
        assert read_document(proof_id=proof.pk) == Processing.FAILED

    proof.refresh_from_db()
    assert (proof.status, proof.processing_due_at) == (ProofStatus.PENDING, None)
    assert proof.review_reasons == ["DOCUMENT", "DOCUMENT_NOT_READ"]
    assert proof.findings[0]["data"] == {"retry": True, "attempts": MAX_ATTEMPTS}
    assert AuditEntry.objects.filter(action="proof.document_not_read").count() == 1


def test_an_error_that_nobody_named_is_not_tried_again_by_itself() -> None:
    proof = queued_invoice()

    with breaks(KeyError("a defect")), pytest.raises(KeyError):
        read_document(proof_id=proof.pk)

    proof.refresh_from_db()
    assert proof.processing == Processing.READING
    assert proof.processing_attempts == 1


def test_a_document_that_kills_every_worker_is_given_up() -> None:
    proof = queued_invoice()
    for _ in range(MAX_ATTEMPTS):
        assert reading_service._claim(proof.pk) is not None
        clock.advance(LEASE)

    with breaks(AssertionError()):
        assert read_document(proof_id=proof.pk) == Processing.FAILED


# --- The sweeper ----------------------------------------------------------------------------------


def test_the_sweeper_rings_for_what_nobody_heard_of_but_not_every_minute(
    doorbells: Doorbells, django_capture_on_commit_callbacks: Any
) -> None:
    proof = queued_invoice()

    def swept() -> list[tuple[Any, ...]]:
        doorbells.rung.clear()
        with django_capture_on_commit_callbacks(execute=True):
            sweep_documents()
        return doorbells.for_task("proofs.tasks.read_document")

    assert swept() == []
    clock.advance(UNHEARD_AFTER)
    assert swept() == [(str(proof.pk),)]
    clock.advance(timedelta(minutes=1))
    assert swept() == []
    clock.advance(RING_AGAIN_AFTER)
    assert swept() == [(str(proof.pk),)]


def test_the_sweeper_rings_for_what_a_dead_worker_left(
    doorbells: Doorbells, django_capture_on_commit_callbacks: Any
) -> None:
    proof = queued_invoice()
    reading_service._claim(proof.pk)
    clock.advance(LEASE)

    with django_capture_on_commit_callbacks(execute=True):
        assert sweep_documents() == {"rung": 1}

    assert doorbells.for_task("proofs.tasks.read_document") == [(str(proof.pk),)]
    with reads():
        assert read_document(proof_id=proof.pk) == Processing.DONE


def test_staff_are_alerted_when_ocr_fails_again_and_again(settings: Settings) -> None:
    settings.INVOICE_OCR_PROVIDER = "rapidocr"
    for number in range(5):
        read_invoice(
            reading=reading_of(INVOICE_FIELDS | {"number": str(number)}, engine="rapidocr")
        )
    sweep_documents()
    assert not Alert.objects.exists()

    read_invoice(reading=reading_of({}, engine="rapidocr", notes=(failed_note(),)))
    sweep_documents()

    alert = Alert.objects.get()
    assert (alert.type, alert.subject) == ("OCR_FAILING", "ocr:rapidocr")
    assert alert.payload == {"read": 6, "failed": 1}


# --- Engines and switches -------------------------------------------------------------------------


def test_the_engine_is_that_of_the_settings_unless_it_is_off(settings: Settings) -> None:
    settings.INVOICE_OCR_PROVIDER = "tesseract"

    def engine() -> str:
        with reads() as asked:
            read_document(proof_id=queued_invoice().pk)
        return str(asked.call_args.kwargs["engine"])

    assert engine() == "tesseract"
    switches.set_switch(name="ocr", is_on=False, reason="too slow", actor="staff:1")
    assert engine() == "none"
    switches.set_switch(name="ocr", is_on=True, reason="", actor="staff:1")
    settings.INVOICE_OCR_ENABLED = False
    assert engine() == "none"


def test_ocr2_runs_of_ocr_are_counted_for_all_processes_and_errors_are_told() -> None:
    read_invoice()
    read_invoice(reading=reading_of(engine="rapidocr"))
    proof = read_invoice(reading=reading_of({}, engine="rapidocr", notes=(failed_note(),)))

    assert counted("ocr") == {"calls": 2, "errors": 1}
    failed = next(finding for finding in proof.findings if finding["code"] == "OCR_FAILED")
    assert failed["hint"]
    assert failed["data"]["retry"] is True


# --- What was read stays --------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["UPDATE {} SET status = 'x'", "DELETE FROM {}"])
def test_a_reading_is_never_changed(statement: str) -> None:
    read_invoice()

    with (
        pytest.raises((ProgrammingError, InternalError)),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format("proofs_documentreading"))
