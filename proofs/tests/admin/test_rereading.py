"""Support has a document read once more from its page."""

from unittest.mock import patch

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.asserts import assertContains, assertNotContains

from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_staff, make_staff_caller
from kobatela.kernel import clock
from proofs.models import Proof
from proofs.readers import document_reading
from proofs.readers.documents.facts import Note, NoteCode
from proofs.readers.errors import ReaderUnavailable
from proofs.services.decisions import decide_proof
from proofs.services.reading import MAX_ATTEMPTS, RETRY_AFTER
from proofs.services.rereading import reread_as_asked
from proofs.states import ProofStatus
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

pytestmark = [pytest.mark.django_db, pytest.mark.console, pytest.mark.usefixtures("at_noon")]
BUTTON = "Read the document again</button>"


@pytest.fixture
def agent() -> User:
    return make_staff("support")


@pytest.fixture
def support(client: Client, agent: User) -> Client:
    client.force_login(agent)
    return client


def page_of(proof: Proof) -> str:
    return f"/admin/proofs/proof/{proof.pk}/change/"


def reread_of(proof: Proof) -> str:
    return f"/admin/proofs/proof/{proof.pk}/reread/"


def test_it_is_asked_for_told_meanwhile_and_the_new_reading_is_shown(
    support: Client, agent: User
) -> None:
    proof = read_invoice()
    assertContains(support.get(page_of(proof)), BUTTON)

    asked = support.post(reread_of(proof), follow=True)

    assert asked.redirect_chain == [(page_of(proof), 302)]
    assertContains(asked, "The document will be read again.")
    told = f"Asked to be read again at 2026-11-24 12:00 UTC by {agent.username} at the console"
    assertContains(asked, f"{told}; reload the page in a minute.")
    assertContains(asked, 'value="approve"')
    assertNotContains(asked, BUTTON)

    assertContains(support.post(reread_of(proof), follow=True), "is to be read again already")
    new = reading_of(INVOICE_FIELDS | {"total": "900.00"})
    with patch.object(document_reading, "read_document", return_value=new):
        reread_as_asked(proof_id=proof.pk)
    page = support.get(page_of(proof))
    assertContains(page, "900.00")
    assertContains(page, BUTTON)
    assertNotContains(page, "Asked to be read again")


def test_of_a_decided_proof_too(support: Client) -> None:
    proof = read_invoice()
    decide_proof(
        caller=make_staff_caller(), proof_id=proof.pk, decision=ProofStatus.REJECTED, note="No."
    )

    assertContains(support.get(page_of(proof)), BUTTON)
    assertContains(support.post(reread_of(proof), follow=True), "Asked to be read again")


def test_the_page_says_when_the_machine_gave_up(support: Client) -> None:
    proof = read_invoice()
    support.post(reread_of(proof))
    with patch.object(document_reading, "read_document", side_effect=ReaderUnavailable("no")):
        for _ in range(MAX_ATTEMPTS):
            reread_as_asked(proof_id=proof.pk)
            clock.advance(RETRY_AFTER * MAX_ATTEMPTS)

    page = support.get(page_of(proof))
    assertContains(page, "Reading it again did not succeed; the machine gave up at 2026-11-24 12:0")
    assertContains(page, BUTTON)
    assertNotContains(support.post(reread_of(proof), follow=True), "did not succeed")


def test_it_is_offered_for_documents_that_were_read_and_for_nothing_else(support: Client) -> None:
    for proof in (
        pending_proof(),
        claim(invoice_escrow(), proof_type="INVOICE"),
        submit(invoice_escrow(), PDF, proof_type="INVOICE"),
    ):
        assertNotContains(support.get(page_of(proof)), BUTTON)
        refused = support.post(reread_of(proof), follow=True)
        assertContains(refused, "NO_DOCUMENT" if proof.processing == "done" else "PROOF_PROCESSING")
        proof.refresh_from_db()
        assert proof.reread_asked_at is None


def test_staff_who_may_not_decide_it_are_offered_nothing_and_refused(
    support: Client, agent: User
) -> None:
    proof = read_invoice(invoice_escrow(provider=agent))

    assertNotContains(support.get(page_of(proof)), BUTTON)
    assertContains(support.post(reread_of(proof), follow=True), "OWN_PROOF_FORBIDDEN")

    proof.refresh_from_db()
    assert proof.reread_asked_at is None


def test_it_takes_a_role_the_form_of_the_page_and_no_mere_link(
    support: Client, agent: User
) -> None:
    proof = read_invoice()
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(agent)

    assert support.get(reread_of(proof)).status_code == 405
    assert careful.post(reread_of(proof)).status_code == 403
    assert "/login/" in Client().post(reread_of(proof))["Location"]
    agent.groups.clear()
    assert support.post(reread_of(proof)).status_code == 404

    proof.refresh_from_db()
    assert proof.reread_asked_at is None


@pytest.mark.parametrize(("retry", "said"), [(True, "yes"), (False, "no")])
def test_whether_pages_not_read_are_worth_another_reading_is_told(
    support: Client, *, retry: bool, said: str
) -> None:
    note = Note(code=NoteCode.PAGES_NOT_READ, message="Not read.", retry=retry, pages=(2,))
    proof = read_invoice(reading=reading_of(notes=(note,)))

    page = support.get(page_of(proof))

    assertContains(page, "or have it read again, which is given more time.")
    assertContains(page, f"worth another reading: {said}")


def test_what_is_asked_costs_few_queries(support: Client) -> None:
    proof = read_invoice(invoice_escrow({"expected_amount": "1.00"}))
    support.get(page_of(proof))

    with CaptureQueriesContext(connection) as offered:
        support.get(page_of(proof))
    support.post(reread_of(proof))
    with CaptureQueriesContext(connection) as waiting:
        support.get(page_of(proof))

    assert len(offered) <= 20, len(offered)
    assert len(waiting) <= 20, len(waiting)
