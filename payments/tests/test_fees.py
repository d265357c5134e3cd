"""What PSPs charge is an expense, booked once, whenever they tell it."""

import json
from datetime import timedelta

import pytest

from audit.models import Alert, AuditEntry
from escrow.tests.factories import as_client, make_escrow
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Chargeback
from payments.psp.base import FundingFound, OrderState
from payments.services.fundings import open_session
from payments.services.sweeps import sweep
from payments.tests.books import assert_in_order, at_psp
from payments.tests.factories import charged_escrow, make_refund, make_sent, report, take_event
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db


def fees() -> int:
    """What was spent on PSPs, in euro cents."""
    return ledger.balance_minor(chart.psp_fee(), "EUR")


def test_the_fee_of_a_payout_comes_on_top_of_it(psp: StubPsp) -> None:
    payment = make_sent(psp)

    for _ in range(2):
        take_event("payment.settled", psp_ref=payment.psp_ref, amount="100.00", fee="0.25")

    assert (fees(), at_psp()) == (25, -25)
    entry = AuditEntry.objects.get(action="psp_fee.booked")
    assert entry.stream == f"escrow:{payment.escrow_id}"
    assert_in_order()


def test_the_fee_of_a_refund_is_told_later_than_its_end(psp: StubPsp) -> None:
    payment = make_sent(psp, make_refund())
    take_event("refund.settled", psp_ref=payment.psp_ref)
    assert fees() == 0
    report(payment, OrderState.SETTLED, fee=Money(30, "EUR"))
    assert (fees(), at_psp()) == (30, -30)
    assert_in_order()


def test_the_fee_of_a_charge_lowers_no_escrow(psp: StubPsp) -> None:
    escrow = make_escrow("DRAFT")
    funding = open_session(
        caller=as_client(escrow),
        escrow_id=escrow.pk,
        payer_id=escrow.client_id,
        money=Money(10_000, "EUR"),
    )

    for number in range(2):
        take_event(
            "funding.succeeded", event_id=f"evt_{number}", psp_ref=funding.psp_ref, fee="3.20"
        )

    escrow.refresh_from_db()
    funding.refresh_from_db()
    assert (escrow.funded_minor, funding.fee_minor) == (10_000, 320)
    assert (fees(), at_psp()) == (320, 9_680)
    assert_in_order()


def test_a_charge_whose_report_was_lost_brings_its_fee_with_the_record(psp: StubPsp) -> None:
    escrow = make_escrow("DRAFT")
    funding = open_session(
        caller=as_client(escrow),
        escrow_id=escrow.pk,
        payer_id=escrow.client_id,
        money=Money(10_000, "EUR"),
    )
    psp.funding_states[funding.psp_key] = FundingFound(
        OrderState.SETTLED, funding.psp_ref or "", Money(10_000, "EUR"), Money(320, "EUR")
    )
    with clock.frozen(clock.now() + timedelta(hours=1)):
        sweep()
    assert fees() == 320


@pytest.mark.parametrize("fee", ["0", "0.00", None])
def test_no_fee_is_no_posting(psp: StubPsp, fee: str | None) -> None:
    payment = make_sent(psp)
    event = take_event("payment.settled", psp_ref=payment.psp_ref, fee=fee)
    assert (event.status, fees()) == ("PROCESSED", 0)


def test_a_fee_that_is_no_amount_is_shown_to_staff(psp: StubPsp) -> None:
    payment = make_sent(psp)
    event = take_event("payment.settled", psp_ref=payment.psp_ref, fee="0.255")
    assert (event.status, event.reason) == ("FAILED", "AMOUNT_INVALID")
    assert fees() == 0


def test_a_chargeback_costs_a_fee_that_grows_and_shrinks_with_what_is_told(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    named = {"psp_ref": "cb_1", "payment_reference": funding.psp_ref}
    seen = []
    for what, fee in [("opened", "15.00"), ("opened", "15.00"), ("lost", "20.00"), ("lost", "0")]:
        take_event(f"chargeback.{what}", fee=fee, **named)
        seen.append(ledger.balance_minor(chart.dispute_fee(), "EUR"))

    assert seen == [1_500, 1_500, 2_000, 0]
    assert at_psp() == 0
    entries = AuditEntry.objects.filter(action="psp_fee.booked").order_by("pk")
    assert [json.loads(entry.body)["fee_minor"] for entry in entries] == [1_500, 500, -2_000]
    case = Chargeback.objects.get()
    told = {(entry.subject, entry.stream, entry.actor) for entry in entries}
    assert told == {(case.reference, f"escrow:{case.escrow_id}", "psp:default")}
    assert_in_order()


@pytest.mark.parametrize("order", [("opened", "won"), ("won", "opened")])
def test_the_fee_of_a_case_is_what_its_end_tells_in_whatever_order(
    psp: StubPsp, order: tuple[str, str]
) -> None:
    _, funding = charged_escrow()
    told = {"opened": "15.00", "won": "0"}
    for what in order:
        event = take_event(
            f"chargeback.{what}",
            psp_ref="cb_1",
            payment_reference=funding.psp_ref,
            fee=told[what],
        )
        assert event.status == "PROCESSED"
    assert ledger.balance_minor(chart.dispute_fee(), "EUR") == 0
    assert at_psp() == 10_000
    assert_in_order()


def test_a_fee_above_what_it_is_charged_for_is_not_booked_and_shown_to_staff(psp: StubPsp) -> None:
    payment = make_sent(psp)
    _, funding = charged_escrow()

    take_event("payment.settled", psp_ref=payment.psp_ref, fee="100.01")
    take_event("funding.succeeded", psp_ref=funding.psp_ref, fee="100.01")
    case = {"psp_ref": "cb_1", "payment_reference": funding.psp_ref, "amount": "1.00"}
    take_event("chargeback.opened", **case, currency="EUR", fee="100.01")

    assert (fees(), ledger.balance_minor(chart.dispute_fee(), "EUR")) == (0, 0)
    payment.refresh_from_db()
    assert (payment.status, Chargeback.objects.get().fee_minor) == ("SETTLED", 0)
    told = Alert.objects.filter(type="RECONCILIATION_MISMATCH").order_by("pk")
    assert [(alert.subject, alert.payload["fee_minor"]) for alert in told] == [
        (f"{payment.reference}:1", 10_001),
        (funding.reference, 10_001),
        (Chargeback.objects.get().reference, 10_001),
    ]
    take_event("funding.succeeded", psp_ref=funding.psp_ref, fee="3.20")
    assert fees() == 320
    assert_in_order()
