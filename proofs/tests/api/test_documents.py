"""Documents as clients meet them: taken at once, read later, and to each side its part."""

import io
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from audit.models import AuditEntry
from escrow.models import Escrow
from escrow.tests.factories import milestone_of
from kobatela.accounts.tests.factories import make_key, make_user
from kobatela.embedded.sample_documents import make_invoice_pdf, make_locked_pdf, make_pdf
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer, Api
from kobatela.uploads.models import Upload
from payments.selectors import payments_of
from proofs.models import Proof
from proofs.readers import document_reading
from proofs.readers.documents.facts import Note, NoteCode
from proofs.readers.errors import ReaderUnavailable
from proofs.selectors import PROCESSING_HOLDS_FOR
from proofs.tests.factories import (
    INVOICE_FIELDS,
    INVOICE_TEXT,
    PDF,
    invoice_escrow,
    photo,
    read_invoice,
    reading_of,
    site_escrow,
    submit,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]
IBAN = INVOICE_FIELDS["iban"]
OTHER_IBAN = "DE89370400440532013000"


def api(scope: Scope, user: Any = None) -> Api:
    return Api(make_key(scope, user)[1])


def send(escrow: Escrow, content: bytes, **fields: Any) -> Answer:
    values = {"escrow_id": escrow.pk, "milestone_idx": 1, "type": "INVOICE"}
    return api(Scope.PROVIDER, escrow.provider).post(
        "/proofs",
        files={"file": SimpleUploadedFile("invoice.pdf", content)},
        fields=values | fields,
    )


def three_sides(proof: Proof) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The proof as staff, its sender and its provider read it."""
    sides = (
        api(Scope.SUPPORT),
        api(Scope.SENDER, proof.client),
        api(Scope.PROVIDER, proof.provider),
    )
    staff, sender, provider = (side.get(f"/proofs/{proof.pk}").json for side in sides)
    return staff, sender, provider


def decide(proof: Proof, decision: str = "approve", note: str | None = None) -> Answer:
    body = {"decision": decision, "note": note}
    return api(Scope.SUPPORT).post(f"/proofs/{proof.pk}/decision", json=body)


# --- Taken in -------------------------------------------------------------------------------------


def test_a_document_is_taken_at_once_and_read_later() -> None:
    answer = send(invoice_escrow(), PDF)

    assert answer.status == 201
    assert (answer.json["status"], answer.json["processing"]) == ("PENDING", "queued")
    assert (answer.json["media_type"], answer.json["page_count"]) == ("application/pdf", 1)
    assert (answer.json["fields"], answer.json["checks"]) == ({}, [])
    assert answer.json["invoice_total_amount"] is None


def test_an_invoice_may_be_a_picture() -> None:
    answer = send(invoice_escrow(), photo())

    assert (answer.status, answer.json["processing"]) == (201, "queued")
    assert (answer.json["media_type"], answer.json["page_count"]) == ("image/jpeg", None)


REFUSED = {
    "locked": (make_locked_pdf(), 422, "PDF_ENCRYPTED"),
    "31 pages": (make_invoice_pdf(INVOICE_TEXT, pages=31), 413, "FILE_TOO_LARGE"),
    "no page": (make_pdf([]), 422, "FILE_UNREADABLE"),
    "cut short": (PDF[:40], 422, "FILE_UNREADABLE"),
    "junk": (b"%PDF-1.7\n" + bytes(range(256)) * 20, 422, "FILE_UNREADABLE"),
    "web page": (b"<!doctype html><script>alert(1)</script>", 415, "FILE_TYPE_NOT_ALLOWED"),
    "nothing": (b"", 415, "FILE_TYPE_NOT_ALLOWED"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("ahead", [False, True])
def test_what_is_no_readable_document_is_refused_and_nothing_is_kept(
    name: str, files_dir: Path, *, ahead: bool
) -> None:
    content, status, code = REFUSED[name]
    escrow = invoice_escrow()
    if ahead:
        provider = api(Scope.PROVIDER, escrow.provider)
        answer = provider.post(
            "/files/proofs", files={"file": SimpleUploadedFile("x.pdf", content)}
        )
    else:
        answer = send(escrow, content)

    assert (answer.status, answer.code) == (status, code)
    assert not Proof.objects.exists()
    assert not Upload.objects.exists()
    assert [path for path in files_dir.rglob("*") if path.is_file()] == []
    assert milestone_of(escrow).status == "WAITING"


def test_thirty_pages_are_taken() -> None:
    answer = send(invoice_escrow(), make_invoice_pdf(INVOICE_TEXT, pages=30))

    assert (answer.status, answer.json["page_count"]) == (201, 30)


def test_a_document_with_scripts_is_taken_as_paper(files_dir: Path) -> None:
    script = b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"

    answer = send(invoice_escrow(), make_pdf([b"BT ET"], catalog=script))

    assert answer.status == 201


def test_where_files_cannot_be_read_it_is_not_the_documents_fault() -> None:
    with patch.object(document_reading, "count_pages", side_effect=ReaderUnavailable("no child")):
        answer = send(invoice_escrow(), PDF)

    assert (answer.status, answer.code) == (503, "FILE_READER_UNAVAILABLE")


# --- While it is read -----------------------------------------------------------------------------


def test_nobody_decides_while_it_is_read_but_no_longer_than_ten_minutes() -> None:
    escrow = invoice_escrow()
    proof = submit(escrow, PDF, proof_type="INVOICE")

    for decision, note in (("approve", None), ("reject", "no")):
        answer = decide(proof, decision, note)
        assert (answer.status, answer.code) == (409, "PROOF_PROCESSING")
        assert "Retry-After" in answer.headers
    clock.advance(PROCESSING_HOLDS_FOR)

    assert decide(proof).json["status"] == "APPROVED"
    assert len(payments_of(escrow.pk)) == 1


# --- Decided against a check ----------------------------------------------------------------------


def test_approving_against_a_failed_check_needs_a_note() -> None:
    escrow = invoice_escrow({"expected_amount": "1000.00"})
    proof = read_invoice(escrow)

    refused = decide(proof)
    assert (refused.status, refused.code) == (400, "DECISION_NOTE_REQUIRED")
    assert list(payments_of(escrow.pk)) == []

    allowed = decide(proof, note="The supplier explained the difference.")
    assert (allowed.status, allowed.json["status"]) == (200, "APPROVED")


@pytest.mark.parametrize(
    "said",
    [
        {"text": "Quincaillerie\nDEVIS QUANTITATIF ET ESTIMATIF\nTotal 1200,00 EUR"},
        {"notes": (Note(code=NoteCode.HIDDEN_TEXT, message="Hidden words on pages 1."),)},
    ],
)
def test_approving_what_is_no_invoice_or_hides_words_needs_a_note(said: dict[str, Any]) -> None:
    escrow = invoice_escrow({"expected_amount": "1200.00"})
    proof = read_invoice(escrow, reading_of(**said))

    refused = decide(proof)

    assert (refused.status, refused.code) == (400, "DECISION_NOTE_REQUIRED")
    assert list(payments_of(escrow.pk)) == []


def test_what_agrees_and_what_could_not_be_read_needs_none() -> None:
    agreed = read_invoice(invoice_escrow({"expected_amount": "1200.00"}))
    unread = read_invoice(invoice_escrow({"expected_amount": "1200.00"}), reading_of({}))

    assert (decide(agreed).status, decide(unread).status) == (200, 200)


def test_a_sender_who_validates_needs_no_note_for_what_only_staff_are_told() -> None:
    read_invoice()
    escrow = site_escrow(120_000, terms={"proof_kind": "INVOICE", "validator": "SENDER"})
    proof = read_invoice(escrow)
    assert "REUSED_INVOICE_NUMBER" in proof.review_reasons

    sender = api(Scope.SENDER, escrow.client)
    answer = sender.post(f"/proofs/{proof.pk}/decision", json={"decision": "approve"})

    assert (answer.status, answer.json["status"]) == (200, "APPROVED")


# --- Who reads what -------------------------------------------------------------------------------


def test_every_side_reads_its_part_of_the_fields() -> None:
    staff, sender, provider = three_sides(read_invoice())

    assert staff["fields"]["total"] == {
        "name": "total",
        "value": "1200.00",
        "raw": "1200.00",
        "confidence": 0.9,
        "page": 1,
        "box": [0.4, 0.4, 0.6, 0.42],
        "source": "text",
    }
    for side in (staff, sender, provider):
        assert (side["invoice_total_amount"], side["invoice_currency"]) == ("1200.00", "EUR")
        assert side["fields"]["supplier"]["value"] == "Quincaillerie du Plateau"
    assert staff["fields"]["iban"]["value"] == IBAN
    for side in (sender, provider):
        assert side["fields"]["iban"]["value"] == side["fields"]["iban"]["raw"] == "***0189"
        assert IBAN not in json.dumps(side)


def test_only_staff_read_how_it_was_read() -> None:
    staff, sender, provider = three_sides(read_invoice())

    assert staff["reading"] == {
        "engine": "text",
        "version": "1",
        "status": "read",
        "raw": "Facture F-2026-118",
    }
    assert (sender["reading"], provider["reading"]) == (None, None)


def test_a_provider_reads_no_expected_value_anywhere() -> None:
    wanted = {
        "expected_amount": "987.65",
        "amount_tolerance": "3.21",
        "expected_currency": "USD",
        "expected_iban": OTHER_IBAN,
        "expected_date_min": "2027-01-01",
        "expected_store_name": "Another Store",
        "expected_invoice_number": "X-777",
    }
    staff, sender, provider = three_sides(read_invoice(invoice_escrow(wanted)))

    assert len(provider["checks"]) == len(sender["checks"]) == len(staff["checks"]) == 6
    assert {check["expected"] for check in provider["checks"]} == {None}
    assert {check["agrees"] for check in provider["checks"]} == {False}
    told = json.dumps(provider)
    for secret in ("987.65", "3.21", "USD", OTHER_IBAN, "2027-01-01", "Another Store", "X-777"):
        assert secret not in told
    assert [finding["code"] for finding in provider["findings"]] == provider["review_reasons"][1:]
    assert all(finding["hint"] for finding in provider["findings"])

    amount = next(check for check in sender["checks"] if check["name"] == "amount")
    assert amount["expected"] == "987.65 ± 3.21"
    assert OTHER_IBAN not in json.dumps(sender)
    assert "***3000" in json.dumps(sender)
    assert OTHER_IBAN in json.dumps(staff)


def test_that_a_number_was_used_before_is_for_staff_alone() -> None:
    first = read_invoice()
    staff, sender, provider = three_sides(read_invoice())

    assert "REUSED_INVOICE_NUMBER" in staff["review_reasons"]
    (finding,) = staff["findings"]
    assert finding["data"] == {"matches": [{"reference": first.pk}]}
    assert [check["name"] for check in staff["checks"]] == ["number_reused"]
    for side in (sender, provider):
        assert "REUSED" not in json.dumps(side)
        assert "number_reused" not in json.dumps(side)
    entry = AuditEntry.objects.filter(action="proof.document_read").latest("pk")
    timeline = api(Scope.PROVIDER, Proof.objects.latest("pk").provider).get(
        f"/escrows/{Proof.objects.latest('pk').escrow_id}/timeline"
    )
    assert "REUSED_INVOICE_NUMBER" in entry.body
    assert "REUSED" not in json.dumps(timeline.json)


def test_lists_show_the_same_and_cost_no_query_for_each() -> None:
    provider = make_user()
    for _ in range(3):
        read_invoice(invoice_escrow(provider=provider))

    items = api(Scope.PROVIDER, provider).get("/proofs").json["items"]

    assert [item["invoice_total_amount"] for item in items] == ["1200.00"] * 3
    assert {item["reading"] for item in items} == {None}


def test_findings_are_told_in_the_readers_language() -> None:
    escrow = invoice_escrow(client=make_user(language="en"), provider=make_user(language="fr"))
    proof = read_invoice(escrow, reading_of({}))

    staff, sender, provider = three_sides(proof)

    assert provider["findings"][0]["message"] == "Le total du document n'a pas pu être lu."
    assert provider["findings"][0]["hint"].startswith("Lisez-le")
    for side in (staff, sender):
        assert side["findings"][0]["message"] == "The total of the document could not be read."


@pytest.mark.parametrize(
    ("fields", "total"),
    [
        ({"total": "1200", "currency": "EUR"}, "1200.00"),
        ({"total": "5000", "currency": "XOF"}, "5000"),
        ({"total": "5000.00", "currency": "XOF"}, "5000"),
        ({"total": "5000.50", "currency": "XOF"}, "5000.50"),
        ({"total": "12.5"}, "12.5"),
        ({}, None),
    ],
)
def test_a_total_has_the_digits_of_its_currency(fields: dict[str, str], total: str | None) -> None:
    staff, _, _ = three_sides(read_invoice(reading=reading_of(fields)))

    assert staff["invoice_total_amount"] == total


def test_the_original_comes_as_it_was_sent() -> None:
    proof = read_invoice(content=PDF)

    answer = api(Scope.SENDER, proof.client).get(f"/proofs/{proof.pk}/file")

    assert io.BytesIO(answer.body).read() == PDF
    assert answer.headers["Content-Disposition"].startswith("attachment")
