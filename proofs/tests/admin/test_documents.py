"""Support looks at a document: its pages, what was read and where, and what differs."""

from io import BytesIO

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image
from pytest_django.asserts import assertContains, assertNotContains

from kobatela.accounts.tests.factories import make_staff
from kobatela.embedded.sample_documents import make_invoice_pdf
from kobatela.kernel import clock
from proofs.models import Proof
from proofs.readers.documents.facts import ReadingStatus
from proofs.selectors import PROCESSING_HOLDS_FOR
from proofs.services.derivatives import make_derivative
from proofs.tests.factories import (
    INVOICE_FIELDS,
    INVOICE_TEXT,
    PDF,
    invoice_escrow,
    photo,
    read_invoice,
    reading_of,
    submit,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]
QUEUE = "/admin/proofs/proof/"


@pytest.fixture
def support(client: Client) -> Client:
    """Somebody of support, signed in."""
    client.force_login(make_staff("support"))
    return client


def page_of(proof: Proof) -> str:
    return f"{QUEUE}{proof.pk}/change/"


def test_while_it_is_read_the_page_says_so_and_offers_no_verdict(support: Client) -> None:
    proof = submit(invoice_escrow(), PDF, proof_type="INVOICE")

    page = support.get(page_of(proof))

    assertContains(page, "Waits for the machine to read it.")
    assertContains(page, "The machine is not done with it yet")
    assertNotContains(page, 'value="approve"')
    assertContains(support.get(QUEUE), "being read")
    clock.advance(PROCESSING_HOLDS_FOR)
    assertContains(support.get(page_of(proof)), 'value="approve"')


def test_expected_and_read_values_stand_side_by_side(support: Client) -> None:
    wanted = {"expected_amount": "1000.00", "expected_invoice_number": "F-2026-118"}
    proof = read_invoice(invoice_escrow(wanted))

    page = support.get(page_of(proof)).content.decode()

    amount = page.partition('<th scope="row">Amount</th>')[2].partition("</tr>")[0]
    assert "<td>1000.00</td><td>1200.00</td>" in amount
    assert "differs" in amount
    number = page.partition('<th scope="row">Invoice number</th>')[2].partition("</tr>")[0]
    assert "agrees" in number
    assert "to approve against a check that failed" in page
    assert "AMOUNT_DIFFERS" in page


def test_every_field_stands_with_how_sure_it_is_and_where(support: Client) -> None:
    proof = read_invoice()

    page = support.get(page_of(proof))

    for value in INVOICE_FIELDS.values():
        assertContains(page, value)
    assertContains(page, 'data-shows="total" data-page="1"')
    assertContains(page, "90%")
    assertContains(page, "Read by its own text 1, 1 of 1 pages")


def test_the_pages_are_shown_as_pictures_with_the_fields_marked_on_them(support: Client) -> None:
    proof = read_invoice(content=make_invoice_pdf(INVOICE_TEXT, pages=3))
    assertContains(support.get(page_of(proof)), "The picture is being prepared.")
    make_derivative(proof_id=proof.pk)

    page = support.get(page_of(proof))

    for number in (1, 2, 3):
        assertContains(page, f'src="{QUEUE}{proof.pk}/pages/{number}/"')
    assertContains(
        page, '<rect data-field="total" class="" x="40.0" y="40.0" width="20.0" height="2.0">'
    )
    assertNotContains(page, f'src="{QUEUE}{proof.pk}/original/"')


def test_a_page_is_a_picture_of_ours_in_which_nothing_runs(support: Client) -> None:
    proof = read_invoice()
    make_derivative(proof_id=proof.pk)

    response = support.get(f"{QUEUE}{proof.pk}/pages/1/")

    assert (response.status_code, response["Content-Type"]) == (200, "image/jpeg")
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["X-Content-Type-Options"] == "nosniff"
    content = b"".join(response)
    with Image.open(BytesIO(content)) as picture:
        assert picture.format == "JPEG"


@pytest.mark.parametrize("number", [0, 2, 99])
def test_there_is_no_other_page(support: Client, number: int) -> None:
    proof = read_invoice()
    make_derivative(proof_id=proof.pk)

    assert support.get(f"{QUEUE}{proof.pk}/pages/{number}/").status_code == 404
    assert support.get(f"{QUEUE}{proof.pk}/picture/").status_code == 404


def test_pages_are_for_staff(client: Client) -> None:
    proof = read_invoice()
    make_derivative(proof_id=proof.pk)

    assert client.get(f"{QUEUE}{proof.pk}/pages/1/").status_code == 302


def test_an_invoice_that_is_a_photo_is_marked_too(support: Client) -> None:
    proof = read_invoice(content=photo(), reading=reading_of(media_type="image/jpeg"))
    make_derivative(proof_id=proof.pk)

    page = support.get(page_of(proof))

    assertContains(page, f'src="{QUEUE}{proof.pk}/picture/"')
    assertContains(page, 'data-field="total"')
    assertNotContains(page, "Camera&#x27;s clock")


def test_what_was_read_is_shown_as_text_and_never_run(support: Client) -> None:
    evil = "<script>alert(1)</script>"
    fields = INVOICE_FIELDS | {"supplier": evil}
    proof = read_invoice(
        invoice_escrow({"expected_store_name": "Quincaillerie"}), reading_of(fields, text=evil)
    )

    page = support.get(page_of(proof))

    assertNotContains(page, evil)
    assertContains(page, "&lt;script&gt;alert(1)&lt;/script&gt;", count=4)


def test_a_document_that_nobody_could_read_says_what_to_do(support: Client) -> None:
    proof = read_invoice(reading=reading_of({}, status=ReadingStatus.FAILED, text=""))

    page = support.get(page_of(proof))

    assertContains(page, "The document could not be read.")
    assertContains(page, "Read it yourself, or ask for it in another format.")


def test_the_queue_is_filtered_by_what_differs(support: Client) -> None:
    differs = read_invoice(invoice_escrow({"expected_amount": "1.00"}))
    agrees = read_invoice(reading=reading_of(INVOICE_FIELDS | {"number": "other"}))

    page = support.get(f"{QUEUE}?reason=AMOUNT_DIFFERS")

    assertContains(page, f"#{differs.pk} Invoice")
    assertNotContains(page, f"#{agrees.pk} Invoice")


def test_a_document_costs_no_more_queries_than_a_photo(support: Client) -> None:
    proof = read_invoice(invoice_escrow({"expected_amount": "1.00"}))
    make_derivative(proof_id=proof.pk)
    support.get(page_of(proof))

    with CaptureQueriesContext(connection) as queries:
        support.get(page_of(proof))

    assert len(queries) <= 20
