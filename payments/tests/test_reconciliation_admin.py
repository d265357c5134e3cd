"""What support sees of the reconciliation: runs, differences, and their file."""

import csv
import io
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from audit.models import AuditEntry
from kobatela.accounts.tests.factories import make_staff
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments.models import Difference, Reach, ReconciliationRun
from payments.psp.base import Movement, MovementKind, OrderState
from payments.services.reconciliation import reconcile
from payments.tests.factories import make_settled
from payments.tests.stub_psp import StubPsp

pytestmark = [pytest.mark.console, pytest.mark.django_db]
LIST = "admin:payments_difference_changelist"
EXPORT = "admin:payments_difference_export"


@pytest.fixture
def console() -> Client:
    """Somebody of support, signed in."""
    client = Client()
    client.force_login(make_staff("support"))
    return client


@pytest.fixture
def run(psp: StubPsp) -> ReconciliationRun:
    """A run that missed one of ours and found three of strangers, one of them spiteful."""
    begun_at = clock.now() - timedelta(hours=2)
    with clock.frozen(begun_at):
        make_settled(psp)
    psp.movements = [
        Movement(
            kind=MovementKind.TRANSFER,
            psp_ref=ref,
            key=key,
            money=Money(1_234, currency),
            state=OrderState.SETTLED,
            created_at=begun_at,
        )
        for ref, key, currency in (
            ("tr_stranger", "", "EUR"),
            ("=HYPERLINK(1)", "+49", "XOF"),
            ("@SUM(A1)", "-1+1", "USD"),
        )
    ]
    return reconcile(psp="fake", reach=Reach.NIGHTLY)


def page(console: Client, name: str, *arguments: object, **query: str) -> str:
    response = console.get(reverse(name, args=arguments), query)
    assert response.status_code == 200
    return str(response.content.decode())


def exported(console: Client, **query: str) -> list[dict[str, str]]:
    """The rows of the file."""
    response = console.get(reverse(EXPORT), query)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    text = response.getvalue().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_run_shows_its_figures_and_what_it_found(run: ReconciliationRun, console: Client) -> None:
    shown = page(console, "admin:payments_reconciliationrun_change", run.pk)
    for words in ("tr_stranger", "MISSING_THERE", "MISSING_HERE", "ours: nothing", "12.34 EUR"):
        assert words in shown, words
    assert "nightly" in page(console, "admin:payments_reconciliationrun_changelist", psp="fake")


def test_differences_are_filtered(run: ReconciliationRun, console: Client) -> None:
    assert "tr_stranger" not in page(console, LIST, status="CLOSED")
    missing_there = page(console, LIST, kind="MISSING_THERE")
    assert "payment:" in missing_there
    assert "tr_stranger" not in missing_there
    assert "tr_stranger" in page(console, LIST, q="tr_stranger")


def test_a_difference_is_accepted_with_a_note(run: ReconciliationRun, console: Client) -> None:
    row = Difference.objects.get(psp_ref="tr_stranger")
    path = reverse("admin:payments_difference_accept", args=[row.pk])

    assert console.post(path, {"sure": "yes"}).status_code == 200
    row.refresh_from_db()
    assert row.status == "OPEN"

    console.post(path, {"sure": "yes", "note": "Theirs; it was a test of the bank."})
    row.refresh_from_db()
    assert (row.status, row.note) == ("ACCEPTED", "Theirs; it was a test of the bank.")
    assert "It is ACCEPTED." in console.get(path).content.decode()


def test_the_file_holds_what_the_list_shows(run: ReconciliationRun, console: Client) -> None:
    rows = exported(console, kind="MISSING_HERE")
    assert [row["kind"] for row in rows] == ["MISSING_HERE"] * 3
    stranger = next(row for row in rows if row["psp_ref"] == "tr_stranger")
    assert (stranger["theirs_amount"], stranger["theirs_currency"]) == ("12.34", "EUR")
    assert (stranger["ours_amount"], stranger["ours_state"]) == ("", "")
    assert len(exported(console)) == 4
    entry = AuditEntry.objects.filter(action="reconciliation.exported").earliest("pk")
    assert entry.actor.startswith("staff:")


def test_no_cell_of_the_file_is_a_formula(run: ReconciliationRun, console: Client) -> None:
    row = Difference.objects.get(psp_ref="tr_stranger")
    Difference.objects.filter(pk=row.pk).update(note=" =1+1\r\n@x")
    cells = [cell for row in exported(console) for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert {"'=HYPERLINK(1)", "'+49", "'@SUM(A1)", "'-1+1", "'=1+1  @x"} <= set(cells)


def test_a_filter_that_makes_no_sense_leads_back(run: ReconciliationRun, console: Client) -> None:
    response = console.get(reverse(EXPORT), {"kind__nonsense": "x"})
    assert response.status_code == 302


def test_only_staff_comes_to_the_file(run: ReconciliationRun) -> None:
    assert Client().get(reverse(EXPORT)).status_code == 302
    nobody = Client()
    nobody.force_login(make_staff("visitors"))
    assert nobody.get(reverse(EXPORT)).status_code == 403
    assert not AuditEntry.objects.filter(action="reconciliation.exported").exists()


def test_the_list_costs_the_same_whatever_it_shows(
    run: ReconciliationRun, console: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    page(console, LIST)
    with django_assert_max_num_queries(10):
        page(console, LIST)


@pytest.mark.parametrize("name", ["difference", "reconciliationrun"])
def test_nothing_is_added_or_deleted_by_form(
    run: ReconciliationRun, console: Client, name: str
) -> None:
    assert console.get(reverse(f"admin:payments_{name}_add")).status_code == 403
