"""A chargeback of which no report came is found in the PSP's own list, and so is another end."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import pytest

from audit.models import Alert
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments.models import Chargeback, Difference, Funding, Reach, ReconciliationRun
from payments.psp.base import Movement, MovementKind, OrderState
from payments.psp.tests.stripe_installation import stripe_server as stripe_server  # noqa: PLC0414
from payments.psp.tests.stripe_server import StripeServer
from payments.services.difference_export import export_differences
from payments.services.reconciliation import reconcile, reconcile_all
from payments.tests.books import assert_in_order
from payments.tests.factories import charged_escrow
from payments.tests.stripe_events import take
from payments.tests.stub_psp import StubPsp
from payments.tests.test_chargebacks import books, tell
from payments.tests.test_stripe_money import collected

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def case_of(
    funding: Funding, *, state: OrderState = OrderState.ACCEPTED, **fields: Any
) -> Movement:
    """How the PSP lists a case about all of a charge."""
    told: dict[str, Any] = {
        "kind": MovementKind.CHARGEBACK,
        "psp_ref": "cb_1",
        "key": "",
        "money": Money(10_000, "EUR"),
        "state": state,
        "created_at": clock.now(),
        "changed_at": clock.now(),
        "charge_ref": str(funding.psp_ref),
    }
    return Movement(**(told | fields))


def compare(psp: StubPsp, lines: list[Movement], moment: datetime) -> ReconciliationRun:
    """A run over these cases at a moment; the charge itself is not what this is about."""
    psp.movements = lines
    with clock.frozen(moment):
        return reconcile(psp=psp.name, reach=Reach.RECENT)


def cases() -> list[tuple[str, str]]:
    """The differences in chargebacks that are not closed: what, and since when sure."""
    live = Difference.objects.filter(movement="chargeback").exclude(status="CLOSED")
    return [(row.kind, row.status) for row in live.order_by("pk")]


def test_a_chargeback_whose_report_is_lost_is_told_and_ends_when_it_comes(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    line, now = case_of(funding), clock.now()

    # What happened a moment ago may still be on its way.
    compare(psp, [line], now + timedelta(minutes=20))
    assert cases() == []
    compare(psp, [line], now + timedelta(hours=1))

    assert cases() == [("MISSING_HERE", "OPEN")]
    alert = Alert.objects.get(subject="psp:fake:cb_1")
    assert (alert.type, alert.severity) == ("RECONCILIATION_MISMATCH", "critical")
    assert "send its report again" in alert.message
    assert not Chargeback.objects.exists(), "a reconciler repairs nothing"
    rows, staff = Difference.objects.all(), make_staff_caller()
    exported = io.StringIO("".join(export_differences(caller=staff, rows=rows, filters={})))
    assert "chargeback" in next(row for row in csv.reader(exported) if "cb_1" in row)

    tell("opened", funding)
    compare(psp, [line], now + timedelta(hours=2))
    assert cases() == []
    assert_in_order()


def test_an_end_that_comes_after_months_without_a_report_is_told(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    tell("opened", funding)
    now = clock.now()
    ended = now + 80 * DAY
    line = case_of(funding, state=OrderState.SETTLED, created_at=now - DAY, changed_at=ended)

    compare(psp, [line], ended + timedelta(hours=1))

    assert cases() == [("STATUS", "OPEN")]
    row = Difference.objects.get(movement="chargeback")
    assert (row.subject, row.ours_state, row.theirs_state) == (
        Chargeback.objects.get().reference,
        "accepted",
        "settled",
    )
    assert books(Chargeback.objects.get()) == {"pending": 10_000, "frozen": 10_000}

    with clock.frozen(ended + timedelta(hours=2)):
        tell("lost", funding)
    compare(psp, [line], ended + timedelta(hours=3))
    assert cases() == []


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"money": Money(9_999, "EUR")}, "AMOUNT"),
        ({"money": Money(10_000, "USD")}, "CURRENCY"),
        ({"state": OrderState.RETURNED}, "STATUS"),
        ({"state": OrderState.FAILED}, "STATUS"),
        (None, "MISSING_THERE"),
    ],
)
def test_what_the_psp_tells_otherwise_of_a_case_is_told(
    psp: StubPsp, fields: dict[str, Any] | None, kind: str
) -> None:
    _, funding = charged_escrow()
    tell("opened", funding)
    lines = [] if fields is None else [case_of(funding, **fields)]
    compare(psp, lines, clock.now() + timedelta(hours=1))
    assert cases() == [(kind, "OPEN")]


def test_two_cases_of_one_charge_are_two(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    money = Money(3_000, "EUR")
    for name in ("cb_1", "cb_2"):
        tell("opened", funding, case=name, amount="30.00")
    lines = [case_of(funding, psp_ref=name, money=money) for name in ("cb_1", "cb_2")]
    compare(psp, lines, clock.now() + timedelta(hours=1))
    assert cases() == []


def test_a_question_of_a_bank_that_took_nothing_is_no_difference(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    line = case_of(funding, state=OrderState.FAILED)
    compare(psp, [line], clock.now() + timedelta(hours=1))
    assert cases() == []


def test_a_dispute_of_which_stripe_never_told_is_found_in_its_list(
    stripe_server: StripeServer,
) -> None:
    _, funding = collected(stripe_server)
    opened = stripe_server.dispute(str(funding.psp_ref), "needs_response")
    event = stripe_server.event("charge.dispute.created", opened)
    now = clock.now()

    with clock.frozen(now + timedelta(hours=1)):
        assert reconcile(psp="stripe", reach=Reach.NIGHTLY).found == {"MISSING_HERE": 1}
    take(event)
    with clock.frozen(now + timedelta(hours=2)):
        run = reconcile(psp="stripe", reach=Reach.NIGHTLY)
    assert (run.found, run.closed, Chargeback.objects.get().status) == ({}, 1, "OPEN")

    stripe_server.dispute(str(funding.psp_ref), "lost")
    for hours in (3, 4):
        with clock.frozen(now + timedelta(hours=hours)):
            run = reconcile(psp="stripe", reach=Reach.NIGHTLY)
        assert run.found == {"STATUS": 1}
    # Stripe does not tell since when, so that the first look only watches it.
    assert (run.opened, cases()) == (1, [("STATUS", "OPEN")])


# --- Taken in before anything is compared ---------------------------------------------------------


def job(psp: StubPsp, lines: list[Movement], moment: datetime) -> int:
    """The hourly job at a moment; how many cases it took in."""
    psp.movements = lines
    with clock.frozen(moment):
        return reconcile_all()["cases"]


def test_what_no_report_told_is_taken_in_from_the_list_once(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    now, line = clock.now(), case_of(funding)

    assert job(psp, [line], now + timedelta(minutes=20)) == 0, "its report may still come"
    assert job(psp, [line], now + timedelta(hours=1)) == 1

    case = Chargeback.objects.get()
    assert (case.status, case.psp_ref, books(case)) == (
        "OPEN",
        "cb_1",
        {"pending": 10_000, "frozen": 10_000},
    )
    assert Alert.objects.filter(type="CHARGEBACK_OPENED").count() == 1
    tell("opened", funding)
    assert job(psp, [line], now + timedelta(hours=2)) == 0

    ended = now + 80 * DAY
    lost = case_of(funding, state=OrderState.SETTLED, created_at=now, changed_at=ended)
    assert job(psp, [lost], ended + timedelta(hours=1)) == 1
    assert job(psp, [lost], ended + timedelta(hours=3)) == 0
    tell("lost", funding)
    case.refresh_from_db()
    assert (case.status, books(case)) == ("LOST", {})
    assert cases() == []
    assert Alert.objects.filter(type="PSP_EVENT_CONTRADICTS").count() == 0
    assert_in_order()


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"charge_ref": "ch_nobody"}, "MISSING_HERE"),
        ({"charge_ref": ""}, "MISSING_HERE"),
        ({"money": Money(10_001, "EUR")}, "MISSING_HERE"),
        ({"state": OrderState.FAILED}, None),
    ],
)
def test_what_cannot_be_taken_in_is_left_to_people(
    psp: StubPsp, fields: dict[str, Any], kind: str | None
) -> None:
    _, funding = charged_escrow()
    assert job(psp, [case_of(funding, **fields)], clock.now() + timedelta(hours=1)) == 0
    assert not Chargeback.objects.exists()
    assert cases() == ([(kind, "OPEN")] if kind else [])
    assert_in_order()


def test_a_list_that_contradicts_what_is_known_changes_no_case(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    tell("lost", funding)
    line = case_of(funding, state=OrderState.RETURNED)
    assert job(psp, [line], clock.now() + timedelta(hours=1)) == 0
    assert (Chargeback.objects.get().status, cases()) == ("LOST", [("STATUS", "OPEN")])
    assert_in_order()


def test_a_dispute_of_which_stripe_never_told_is_taken_in(stripe_server: StripeServer) -> None:
    _, funding = collected(stripe_server)
    stripe_server.dispute(str(funding.psp_ref), "needs_response")
    now = clock.now()
    with clock.frozen(now + timedelta(hours=1)):
        assert reconcile_all()["cases"] == 1
    stripe_server.dispute(str(funding.psp_ref), "lost")
    with clock.frozen(now + timedelta(hours=2)):
        assert reconcile_all()["cases"] == 1
    assert Chargeback.objects.get().status == "LOST"
    assert cases() == []
    assert_in_order()
