"""Staff have a document read once more, and a worker does it: once, and whatever becomes of it."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
from django.db import IntegrityError, transaction
from pytest_django.fixtures import Settings

from audit.models import AuditEntry
from audit.tests.together import run_together
from conftest import Doorbells
from escrow.tests.factories import as_client, as_provider
from kobatela.accounts.services.callers import staff_caller
from kobatela.accounts.tests.factories import make_staff, make_staff_caller
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import DomainError
from proofs import tasks
from proofs.errors import NoDocument, OwnProofForbidden, ProofNotFound, ProofProcessing
from proofs.models import DocumentReading, Proof
from proofs.readers import document_reading
from proofs.readers.documents.facts import Reading
from proofs.readers.errors import ReaderUnavailable
from proofs.services import rereading
from proofs.services.decisions import decide_proof
from proofs.services.reading import (
    LEASE,
    MAX_ATTEMPTS,
    RING_AGAIN_AFTER,
    UNHEARD_AFTER,
    read_document,
    sweep_documents,
)
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
    site_escrow,
    submit,
)

TASK = "proofs.tasks.reread_document"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


@pytest.fixture
def rung(
    doorbells: Doorbells, django_capture_on_commit_callbacks: Any
) -> Callable[[Callable[[], object]], list[tuple[Any, ...]]]:
    """What an act rings for, once it is committed."""

    def after(act: Callable[[], object]) -> list[tuple[Any, ...]]:
        doorbells.rung.clear()
        with django_capture_on_commit_callbacks(execute=True):
            act()
        return doorbells.for_task(TASK)

    return after


def reads(**fields: str) -> Any:
    found = reading_of(INVOICE_FIELDS | {"total": "900.00"} | fields)
    return patch.object(document_reading, "read_document", return_value=found)


def breaks(error: Exception) -> Any:
    return patch.object(document_reading, "read_document", side_effect=error)


def asked(proof: Proof | None = None) -> Proof:
    """An invoice that somebody of staff wants to have read once more."""
    proof = proof or read_invoice()
    assert ask_to_reread(caller=make_staff_caller(), proof_id=proof.pk)
    proof.refresh_from_db()
    return proof


def is_waited_for(proof: Proof) -> bool:
    proof.refresh_from_db()
    return proof.reread_asked_at is not None


def entries_of(proof: Proof, *actions: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(subject=f"proof:{proof.pk}", action__in=actions))


# --- Asking ---------------------------------------------------------------------------------------


def test_asking_stands_on_the_row_is_audited_and_rings_once(rung: Any) -> None:
    proof, caller = read_invoice(), make_staff_caller()
    before = (proof.processing, proof.status, proof.findings, proof.reading, proof.updated_at)

    bells = rung(lambda: ask_to_reread(caller=caller, proof_id=proof.pk))

    proof.refresh_from_db()
    assert (proof.reread_asked_at, proof.reread_asked_by) == (clock.now(), caller.actor)
    assert bells == [(str(proof.pk),)]
    (entry,) = entries_of(proof, "reread.asked")
    assert (entry.actor, entry.stream) == (caller.actor, f"escrow:{proof.escrow_id}")
    after = (proof.processing, proof.status, proof.findings, proof.reading, proof.updated_at)
    assert after == before, "nobody who decides, and no party, notices"


def test_asking_again_meanwhile_changes_nothing_and_says_so(rung: Any) -> None:
    proof = asked()
    row = Proof.objects.filter(pk=proof.pk).values().get()
    clock.advance(timedelta(minutes=1))

    def again() -> None:
        assert not ask_to_reread(caller=make_staff_caller(), proof_id=proof.pk)

    bells = rung(again)

    assert bells == []
    assert Proof.objects.filter(pk=proof.pk).values().get() == row
    assert len(entries_of(proof, "reread.asked")) == 1


def the_provider(proof: Proof) -> Caller:
    return as_provider(proof.escrow)


def the_validating_sender(proof: Proof) -> Caller:
    return as_client(proof.escrow)


@pytest.mark.parametrize("who", [the_provider, the_validating_sender])
def test_no_party_has_a_document_read_again(who: Callable[[Proof], Caller]) -> None:
    proof = read_invoice(site_escrow(terms={"proof_kind": "INVOICE", "validator": "SENDER"}))

    with pytest.raises(DomainError) as refused:
        ask_to_reread(caller=who(proof), proof_id=proof.pk)

    assert refused.value.code == "INSUFFICIENT_SCOPE"
    assert not is_waited_for(proof)
    assert entries_of(proof, "reread.asked") == []


def test_staff_who_may_not_decide_a_proof_may_not_have_it_read_again(rung: Any) -> None:
    person = make_staff()
    proof = read_invoice(invoice_escrow(provider=person))

    def try_it() -> None:
        with pytest.raises(OwnProofForbidden):
            ask_to_reread(caller=staff_caller(person), proof_id=proof.pk)

    assert rung(try_it) == []
    assert not is_waited_for(proof)


def test_what_is_no_document_or_was_not_read_for_the_first_time_is_refused() -> None:
    caller = make_staff_caller()
    mere_claim, photo = claim(invoice_escrow(), proof_type="INVOICE"), pending_proof()
    queued = submit(invoice_escrow(), PDF, proof_type="INVOICE")

    for proof, refusal in (
        (mere_claim.pk, NoDocument),
        (photo.pk, NoDocument),
        (queued.pk, ProofProcessing),
        (999_999_999, ProofNotFound),
    ):
        with pytest.raises(refusal):
            ask_to_reread(caller=caller, proof_id=proof)

    assert not Proof.objects.filter(reread_asked_at__isnull=False).exists()


@pytest.mark.parametrize(
    "change",
    [
        {"reread_asked_by": "staff:1"},
        {"reread_asked_at": "2026-11-24T12:00:00Z"},
        {
            "reread_asked_at": "2026-11-24T12:00:00Z",
            "reread_asked_by": "staff:1",
            "processing": "queued",
        },
    ],
)
def test_the_database_keeps_no_request_of_nobodys_nor_beside_a_first_reading(
    change: dict[str, str],
) -> None:
    proof = read_invoice()

    with pytest.raises(IntegrityError), transaction.atomic():
        Proof.objects.filter(pk=proof.pk).update(**change)


# --- Reading --------------------------------------------------------------------------------------


def test_a_worker_reads_it_with_more_time_and_nobody_waits_any_more(settings: Settings) -> None:
    settings.OCR_REREAD_SECONDS = 77.0
    proof = asked(read_invoice(invoice_escrow({"expected_amount": "900.00"})))
    asked_by, first = proof.reread_asked_by, proof.reading
    assert proof.review_reasons == ["DOCUMENT", "AMOUNT_DIFFERS"]

    with reads() as reader:
        assert reread_as_asked(proof_id=proof.pk)

    assert reader.call_args.kwargs["ocr_budget_s"] == 77.0
    assert not is_waited_for(proof)
    assert (proof.reread_asked_by, proof.processing_due_at) == ("", None)
    assert (proof.processing, proof.review_reasons) == (Processing.DONE, ["DOCUMENT"])
    assert proof.reading is not None
    assert proof.reading != first
    assert proof.reading.read_by == asked_by
    (entry,) = entries_of(proof, "proof.document_reread")
    assert entry.actor == asked_by


def test_a_decision_may_be_taken_meanwhile_and_stays() -> None:
    proof = asked(read_invoice(invoice_escrow({"expected_amount": "1200.00"})))
    decide_proof(
        caller=make_staff_caller(), proof_id=proof.pk, decision=ProofStatus.APPROVED, note=""
    )
    proof.refresh_from_db()
    decided = (proof.status, proof.decided_by, proof.decided_at, proof.review_reasons)

    with reads():
        assert reread_as_asked(proof_id=proof.pk)

    assert not is_waited_for(proof)
    assert (proof.status, proof.decided_by, proof.decided_at, proof.review_reasons) == decided
    assert [finding["code"] for finding in proof.findings] == ["AMOUNT_DIFFERS"]
    assert DocumentReading.objects.filter(proof=proof).count() == 2


def test_a_decided_proof_may_be_asked_for() -> None:
    proof = read_invoice()
    decide_proof(
        caller=make_staff_caller(), proof_id=proof.pk, decision=ProofStatus.REJECTED, note="No."
    )

    asked(proof)
    with reads():
        assert reread_as_asked(proof_id=proof.pk)

    assert not is_waited_for(proof)
    assert proof.status == ProofStatus.REJECTED


def test_what_the_machine_gave_up_is_done_then() -> None:
    proof = submit(invoice_escrow(amount_minor=90_000), PDF, proof_type="INVOICE")
    with breaks(ReaderUnavailable("no")):
        for _ in range(MAX_ATTEMPTS):
            read_document(proof_id=proof.pk)

    asked(proof)
    assert proof.processing == Processing.FAILED
    with reads():
        assert reread_as_asked(proof_id=proof.pk)

    assert not is_waited_for(proof)
    assert (proof.processing, proof.findings) == (Processing.DONE, [])


def test_a_second_bell_and_one_for_what_nobody_asked_read_nothing() -> None:
    proof, other = asked(), read_invoice()
    with reads():
        reread_as_asked(proof_id=proof.pk)

    with breaks(AssertionError()):
        assert not reread_as_asked(proof_id=proof.pk)
        assert not reread_as_asked(proof_id=other.pk)

    assert DocumentReading.objects.count() == 3


def test_what_one_worker_reads_again_no_other_touches() -> None:
    proof = asked()

    def while_reading(*_args: Any, **_options: Any) -> Reading:
        clock.advance(LEASE - timedelta(seconds=1))
        with breaks(AssertionError()):
            assert not reread_as_asked(proof_id=proof.pk)
        return reading_of()

    with patch.object(document_reading, "read_document", side_effect=while_reading):
        assert reread_as_asked(proof_id=proof.pk)
    assert DocumentReading.objects.filter(proof=proof).count() == 2


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_of_two_who_ask_and_two_workers_at_once_one_each_does_it() -> None:
    proof = read_invoice()
    callers = [make_staff_caller(), make_staff_caller()]

    together, check = threading.Barrier(2), rereading.check_may_ask

    def checks(caller: Caller, proof: Proof) -> None:
        # Nobody comes so far while somebody else is here: whoever is waits in vain.
        with suppress(threading.BrokenBarrierError):
            together.wait(0.4)
        check(caller, proof)

    with patch.object(rereading, "check_may_ask", checks):
        done = run_together(
            [partial(ask_to_reread, caller=caller, proof_id=proof.pk) for caller in callers]
        )
    assert sorted(done) == [False, True]
    assert len(entries_of(proof, "reread.asked")) == 1

    with reads() as reader:
        done = run_together([partial(reread_as_asked, proof_id=proof.pk)] * 2)
    assert sorted(done) == [False, True]
    assert reader.call_count == 1


# --- Lost, tried again, and given up --------------------------------------------------------------


def test_the_sweeper_rings_for_a_lost_message_but_not_every_minute(rung: Any) -> None:
    proof = asked()

    assert rung(sweep_documents) == []
    clock.advance(UNHEARD_AFTER)
    assert rung(sweep_documents) == [(str(proof.pk),)]
    clock.advance(timedelta(minutes=1))
    assert rung(sweep_documents) == []
    with reads():
        assert reread_as_asked(proof_id=proof.pk), "that it was rung for keeps no worker away"
    clock.advance(RING_AGAIN_AFTER)
    assert rung(sweep_documents) == []


def test_what_a_dead_worker_left_is_read_by_another_once_its_claim_ran_out(rung: Any) -> None:
    proof = asked()
    assert rereading._claim(proof.pk) is not None

    clock.advance(LEASE - timedelta(seconds=1))
    assert rung(sweep_documents) == []
    clock.advance(timedelta(seconds=1))
    ((rung_for,),) = rung(sweep_documents)

    with reads():
        tasks.reread_document(rung_for)
    assert not is_waited_for(proof)
    assert DocumentReading.objects.filter(proof=proof).count() == 2


def test_an_error_that_nobody_named_leaves_the_request_to_the_sweeper(rung: Any) -> None:
    proof = asked()

    with breaks(KeyError("a defect")), pytest.raises(KeyError):
        reread_as_asked(proof_id=proof.pk)

    assert is_waited_for(proof)
    clock.advance(LEASE)
    assert rung(sweep_documents) == [(str(proof.pk),)]


@pytest.mark.parametrize("error", [ReaderUnavailable("no child starts"), FileNotFoundError("gone")])
def test_where_reading_does_not_work_it_is_given_up_after_a_few_tries(
    error: Exception, rung: Any
) -> None:
    proof = asked()
    before = (proof.reading, proof.findings, proof.review_reasons, proof.processing)

    with breaks(error):
        for attempt in range(1, MAX_ATTEMPTS + 1):
            assert is_waited_for(proof)
            assert not reread_as_asked(proof_id=proof.pk)
            assert not reread_as_asked(proof_id=proof.pk), "it rests a little"
            proof.refresh_from_db()
            assert proof.processing_attempts == attempt
            clock.advance(timedelta(minutes=2))
            assert len(rung(sweep_documents)) == (attempt < MAX_ATTEMPTS)

    assert not is_waited_for(proof)
    assert (proof.reading, proof.findings, proof.review_reasons, proof.processing) == before
    (entry,) = entries_of(proof, "reread.given_up")
    assert (entry.actor, entry.stream) == ("system:documents", f"escrow:{proof.escrow_id}")
    assert json.loads(entry.body)["attempts"] == MAX_ATTEMPTS
    asked(proof)


def test_a_document_that_kills_every_worker_is_given_up() -> None:
    proof = asked()
    for _ in range(MAX_ATTEMPTS):
        assert rereading._claim(proof.pk) is not None
        clock.advance(LEASE)

    with breaks(AssertionError()):
        assert not reread_as_asked(proof_id=proof.pk)

    assert not is_waited_for(proof)
    assert len(entries_of(proof, "reread.given_up")) == 1


def test_a_worker_that_comes_late_takes_no_try_from_a_newer_request() -> None:
    proof = asked()

    def overtaken(*_args: Any, **_options: Any) -> Reading:
        clock.advance(LEASE)
        with reads():
            assert reread_as_asked(proof_id=proof.pk)
        asked(proof)
        raise ReaderUnavailable("late")

    with patch.object(document_reading, "read_document", side_effect=overtaken):
        assert not reread_as_asked(proof_id=proof.pk)

    assert is_waited_for(proof)
    assert proof.processing_attempts == 0
    assert proof.processing_due_at == clock.now() + UNHEARD_AFTER
