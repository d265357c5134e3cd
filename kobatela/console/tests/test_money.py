"""The money desk."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries
from pytest_django.asserts import assertContains

from kobatela.accounts.tests.factories import make_staff, make_user
from kobatela.console import desk
from kobatela.console.money import money_desk
from payments.ledger import chart
from payments.ledger.tests.helpers import give, move
from payments.models import Payment
from payments.tasks import watch_coverage
from payments.tests.conftest import psp as psp  # noqa: PLC0414
from payments.tests.factories import make_payout
from payments.tests.stub_psp import StubPsp

pytestmark = [pytest.mark.django_db, pytest.mark.console]


@pytest.fixture
def console() -> Client:
    """Somebody of support, signed in."""
    client = Client()
    client.force_login(make_staff("support"), backend="kobatela.accounts.backends.StaffBackend")
    return client


def test_an_empty_house_has_an_empty_desk(console: Client) -> None:
    page = console.get(reverse("admin:money_desk"))
    assertContains(page, "Nothing is booked yet.")
    assertContains(page, "None waits.")


def test_each_currency_shows_what_is_owed_and_where_it_lies(psp: StubPsp, console: Client) -> None:
    psp.held = {"EUR": 69_990}
    collector = make_user()
    give(1, 70_000)
    give(2, 5_000, currency="XOF", source=f"collector:{collector.pk}")
    watch_coverage()

    euros, francs = money_desk().sheets

    assert (euros.owed, euros.at_psps, euros.at_collectors) == ("700.00", "700.00", "0.00")
    assert (euros.places[0].held, euros.places[0].says) == ("700.00", "699.90")
    assert euros.is_covered
    assert (francs.owed, francs.at_psps, francs.at_collectors) == ("5000", "0", "5000")
    assert francs.collectors == [(str(collector.pk), "5000")]
    assertContains(console.get(reverse("admin:money_desk")), "699.90")


def test_what_waits_for_money_is_shown_and_listed(psp: StubPsp, console: Client) -> None:
    payment = make_payout()
    move("surplus", chart.collector(1), chart.user_funds(1), 500)
    move("payment.sent", chart.user_funds(1), chart.in_transit(1), 500)
    move("payment.settled", chart.in_transit(1), chart.psp("fake"), 500)
    Payment.objects.filter(pk=payment.pk).update(reason="UNCOVERED")

    shown = money_desk()

    assert shown.waiting == [("fake", "EUR", 1, "100.00")]
    assert (shown.sheets[0].is_covered, shown.sheets[0].places[0].short) == (False, "5.00")
    assertContains(console.get(reverse("admin:money_desk")), "<strong>short</strong>")
    assertContains(console.get(shown.waiting_url), payment.reference.partition(":")[2])


def test_the_desk_costs_the_same_whatever_there_is(
    console: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(1, 30):
        give(number, 100, source=f"collector:{number}")
    console.get(reverse("admin:money_desk"))
    with django_assert_max_num_queries(12):
        console.get(reverse("admin:money_desk"))


def test_only_staff_with_a_role_comes_to_the_money_desk() -> None:
    assert Client().get(reverse("admin:money_desk")).status_code == 302


def test_the_first_page_leads_to_differences_and_to_the_money_desk(console: Client) -> None:
    assert "Differences with PSPs" in {card.label for card in desk.cards()}
    assertContains(console.get("/admin/"), reverse("admin:money_desk"))
