"""`manage.py reread`: support has documents read once more, and no decision is touched by it."""

from io import StringIO
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command

from audit.models import AuditEntry
from kobatela.accounts.tests.factories import make_staff, make_staff_caller, make_user
from kobatela.kernel import clock
from proofs.models import DocumentReading, Proof
from proofs.readers import document_reading
from proofs.readers.documents.facts import Reading
from proofs.readers.errors import ReaderUnavailable
from proofs.services.reading import MAX_ATTEMPTS, read_document
from proofs.services.rereading import ask_to_reread, reread_as_asked
from proofs.states import Processing, ProofStatus
from proofs.tests.factories import (
    INVOICE_FIELDS,
    PDF,
    claim,
    invoice_escrow,
    pending_proof,
    read_invoice,
    reading_of,
    submit,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon", "agent")]


@pytest.fixture
def agent() -> str:
    user = make_staff()
    user.username = "awa"
    user.save(update_fields=["username"])
    return f"staff:{user.pk}"


def reread(*proofs: object, reading: Reading | None = None) -> str:
    out = StringIO()
    found = reading or reading_of(INVOICE_FIELDS | {"total": "900.00"})
    with patch.object(document_reading, "read_document", return_value=found):
        call_command("reread", *map(str, proofs), by="awa", stdout=out, stderr=StringIO())
    return out.getvalue()


def test_a_pending_proof_gets_the_new_reading_and_its_findings(agent: str) -> None:
    proof = read_invoice(invoice_escrow({"expected_amount": "900.00"}))
    assert proof.review_reasons == ["DOCUMENT", "AMOUNT_DIFFERS"]
    first = proof.reading

    said = reread(proof.pk)

    proof.refresh_from_db()
    assert said == f"proof {proof.pk}: read by text, 6 fields\n"
    assert proof.reading != first
    assert (proof.findings, proof.review_reasons) == ([], ["DOCUMENT"])
    assert DocumentReading.objects.filter(proof=proof).count() == 2, "the first one stays"
    entry = AuditEntry.objects.get(action="proof.document_reread")
    assert (entry.actor, entry.subject) == (agent, f"proof:{proof.pk}")


def test_of_a_decided_proof_only_the_reading_is_new() -> None:
    proof = read_invoice(invoice_escrow({"expected_amount": "1200.00"}))
    Proof.objects.filter(pk=proof.pk).update(
        status=ProofStatus.APPROVED, decided_by="staff:1", decided_at=clock.now()
    )
    proof.refresh_from_db()
    decided = (proof.status, proof.decided_by, proof.decided_at, proof.review_reasons)

    said = reread(f"proof:{proof.pk}")

    proof.refresh_from_db()
    assert "differs: amount" in said
    assert (proof.status, proof.decided_by, proof.decided_at, proof.review_reasons) == decided
    assert proof.processing == Processing.DONE
    assert [finding["code"] for finding in proof.findings] == ["AMOUNT_DIFFERS"]


def test_what_the_machine_gave_up_is_done_then() -> None:
    proof = submit(invoice_escrow(amount_minor=90_000), PDF, proof_type="INVOICE")
    with patch.object(document_reading, "read_document", side_effect=ReaderUnavailable("no")):
        for _ in range(MAX_ATTEMPTS):
            read_document(proof_id=proof.pk)

    reread(proof.pk)

    proof.refresh_from_db()
    assert proof.processing == Processing.DONE
    assert (proof.findings, proof.review_reasons) == ([], ["DOCUMENT"])


def test_what_waits_for_a_worker_is_done_and_the_worker_finds_nothing_to_do() -> None:
    proof = submit(invoice_escrow(), PDF, proof_type="INVOICE")

    reread(proof.pk)

    with patch.object(document_reading, "read_document", side_effect=AssertionError()):
        assert read_document(proof_id=proof.pk) == Processing.DONE


def test_what_somebody_asked_for_in_the_console_is_done_then(agent: str) -> None:
    proof = read_invoice()
    ask_to_reread(caller=make_staff_caller(), proof_id=proof.pk)

    reread(proof.pk)

    proof.refresh_from_db()
    assert (proof.reread_asked_at, proof.reread_asked_by) == (None, "")
    assert proof.processing_due_at is None
    assert proof.reading is not None
    assert proof.reading.read_by == agent
    with patch.object(document_reading, "read_document", side_effect=AssertionError()):
        assert not reread_as_asked(proof_id=proof.pk), "the worker finds nothing to do"


def test_one_that_cannot_be_read_stops_no_other() -> None:
    proof, mere_claim, photo = read_invoice(), claim(invoice_escrow(), proof_type="INVOICE"), 0
    photo = pending_proof().pk

    with pytest.raises(CommandError, match="3 of 4 could not be read"):
        reread(mere_claim.pk, photo, 999_999_999, proof.pk)

    assert DocumentReading.objects.filter(proof=proof).count() == 2
    assert DocumentReading.objects.count() == 2


@pytest.mark.parametrize("wrong", ["x", "-1", "0", "escrow:3", "9" * 30])
def test_what_is_no_proof_is_refused(wrong: str) -> None:
    with pytest.raises(CommandError):
        call_command("reread", wrong, by="awa")


def test_nobody_who_is_no_staff_rereads() -> None:
    make_user(username="mere")
    proof = read_invoice()

    with pytest.raises(CommandError, match="no member of staff"):
        call_command("reread", str(proof.pk), by="mere")
