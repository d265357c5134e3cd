"""Chargebacks in the console."""

import pytest
from django.test import Client
from django.urls import reverse

from escrow.services.acceptance import approve_escrow
from escrow.services.journal import Said
from escrow.tests.factories import as_client
from kobatela.accounts.tests.factories import make_staff
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Chargeback, Payment
from payments.tests.books import assert_in_order
from payments.tests.factories import charged_escrow, make_settled, take_event
from payments.tests.stub_psp import StubPsp

pytestmark = [pytest.mark.console, pytest.mark.django_db]


def signed_in(role: str = "support") -> Client:
    """Somebody of staff, signed in."""
    client = Client()
    client.force_login(make_staff(role))
    return client


def shown(client: Client, name: str, *arguments: object, query: str = "") -> str:
    """The text of a page that must be there."""
    response = client.get(reverse(f"admin:{name}", args=arguments) + query)
    assert response.status_code == 200
    return str(response.content.decode())


def a_case(psp: StubPsp, *ends: str) -> Chargeback:
    """A chargeback of an escrow whose money was paid on."""
    escrow, funding = charged_escrow()
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    make_settled(psp, Payment.objects.get(escrow=escrow))
    case = f"cb_{escrow.pk}"
    for what in ("opened", *ends):
        take_event(f"chargeback.{what}", psp_ref=case, payment_reference=funding.psp_ref)
    return Chargeback.objects.get(psp_ref=case)


def test_a_case_shows_its_postings_and_what_was_reported(psp: StubPsp) -> None:
    case = a_case(psp, "lost")

    text = shown(signed_in(), "payments_chargeback_change", case.pk)

    for words in (
        f"chargeback:{case.pk}:pending",
        f"user:{case.payer_id}:receivable",
        "chargeback.lost",
        case.psp_ref,
    ):
        assert words in text, words


def test_cases_are_found_by_state_and_by_charge(psp: StubPsp) -> None:
    opened, lost = a_case(psp), a_case(psp, "lost")
    client = signed_in()

    only_open = shown(client, "payments_chargeback_changelist", query="?status__exact=OPEN")
    by_charge = shown(client, "payments_chargeback_changelist", query=f"?q={lost.funding.psp_ref}")

    link = "/payments/chargeback/{}/change/"
    assert link.format(opened.pk) in only_open
    assert link.format(lost.pk) not in only_open
    assert link.format(lost.pk) in by_charge
    assert link.format(opened.pk) not in by_charge


def test_the_page_of_an_escrow_shows_what_is_frozen(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    take_event("chargeback.opened", psp_ref="cb_7", payment_reference=funding.psp_ref, amount="40")

    text = shown(signed_in(), "escrow_escrow_change", escrow.pk)

    case = Chargeback.objects.get()
    assert "Frozen by chargebacks" in text
    assert "40.00 EUR" in text
    assert f"/payments/chargeback/{case.pk}/change/" in text


def test_two_admins_write_a_debt_off_and_support_does_not(psp: StubPsp) -> None:
    case = a_case(psp, "lost")
    path = reverse("admin:payments_chargeback_write_off", args=[case.pk])

    assert signed_in().post(path, {"sure": "yes"}).status_code == 403
    assert ledger.balance_minor(chart.receivable(case.payer_id), "EUR") == 10_000
    assert signed_in("admin").post(path, {"sure": "yes"}).status_code == 302
    assert ledger.balance_minor(chart.receivable(case.payer_id), "EUR") == 10_000
    assert signed_in("admin").post(path, {"sure": "yes"}).status_code == 302

    assert ledger.balance_minor(chart.receivable(case.payer_id), "EUR") == 0
    assert ledger.balance_minor(chart.chargeback_loss(), "EUR") == 10_000
    assert_in_order()


def test_the_list_costs_the_same_with_more_cases(
    psp: StubPsp, django_assert_max_num_queries: object
) -> None:
    for _ in range(3):
        a_case(psp)
    client = signed_in()
    with django_assert_max_num_queries(12):  # type: ignore[operator]  # a pytest-django fixture
        shown(client, "payments_chargeback_changelist")


def test_a_payment_that_a_chargeback_holds_offers_no_command(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    take_event("chargeback.opened", psp_ref="cb_7", payment_reference=funding.psp_ref)
    payment = Payment.objects.get()

    text = shown(signed_in(), "payments_payment_change", payment.pk)

    assert text.count("A chargeback holds it.") == 2
