"""A session that is told to have been paid a second time: a repeat, or money that must be held."""

import pytest

from audit.models import Alert, AuditEntry
from escrow.models import Escrow
from escrow.tests.factories import as_client, make_escrow
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Funding, Payment
from payments.psp.base import FundingFound, OrderState
from payments.services.fundings import FEE_EVERY, look_up_funding, open_session
from payments.services.holds import lift_hold
from payments.services.sending import send_payment
from payments.services.sweeps import sweep
from payments.tests.books import assert_in_order, at_psp
from payments.tests.factories import take_event
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db
EUROS = {"amount": "100.00", "currency": "EUR"}


@pytest.fixture
def funding(psp: StubPsp) -> Funding:
    """An open session for 100.00 EUR; its PSP names it ch_1."""
    escrow = make_escrow("DRAFT")
    opened = open_session(
        caller=as_client(escrow),
        escrow_id=escrow.pk,
        payer_id=escrow.client_id,
        money=Money(10_000, "EUR"),
    )
    assert opened.psp_ref == "ch_1"
    return opened


def tell(funding: Funding, charge: str = "", **told: str) -> None:
    """The PSP says that the session was paid; charge: under a name that is not the session's."""
    named = charge or funding.psp_ref
    take_event("funding.succeeded", psp_ref=named, payment_reference=funding.psp_key, **told)
    funding.refresh_from_db()


def held(escrow: Escrow) -> int:
    """What the ledger holds for the escrow."""
    return ledger.balance_minor(chart.escrow_held(escrow.pk), "EUR")


def alerts() -> int:
    return Alert.objects.filter(type="RECONCILIATION_MISMATCH").count()


# --- Under another charge -------------------------------------------------------------------------


def test_an_equal_payment_under_another_charge_is_booked_once_and_held(
    psp: StubPsp, funding: Funding
) -> None:
    tell(funding, **EUROS)
    for _ in range(2):
        tell(funding, "ch_other", **EUROS)

    refund = Payment.objects.get()
    assert (refund.amount_minor, refund.charge_ref) == (10_000, "ch_other")
    assert (refund.status, refund.hold_reason) == ("PENDING", "contradiction")
    assert (held(funding.escrow), at_psp()) == (10_000, 20_000)
    assert (funding.received_minor, funding.psp_ref) == (10_000, "ch_1")
    alert = Alert.objects.get(type="RECONCILIATION_MISMATCH")
    assert (alert.subject, alert.severity) == (funding.reference, "critical")
    assert alert.payload["charge"] == "ch_other"
    assert AuditEntry.objects.filter(action="funding.corrected").count() == 1
    assert_in_order()

    send_payment(payment_id=refund.pk)
    assert psp.sent == []
    for _ in range(2):
        lift_hold(payment_id=refund.pk, caller=make_staff_caller())
    send_payment(payment_id=refund.pk)
    assert len(psp.sent) == 1
    assert_in_order()


def test_another_amount_under_another_charge_is_booked_whole(
    psp: StubPsp, funding: Funding
) -> None:
    tell(funding, **EUROS)
    tell(funding, "ch_other", amount="130.00", currency="EUR")
    tell(funding, "ch_third", amount="20.00", currency="EUR")
    refunds = Payment.objects.order_by("pk").values_list("amount_minor", "charge_ref")
    assert list(refunds) == [(13_000, "ch_other"), (2_000, "ch_third")]
    assert (held(funding.escrow), at_psp()) == (10_000, 25_000)
    assert_in_order()


def test_the_charge_that_was_told_first_is_no_second_one_when_it_is_told_again(
    psp: StubPsp, funding: Funding
) -> None:
    for _ in range(2):
        tell(funding, "ch_first", **EUROS)
    assert not Payment.objects.exists()
    tell(funding, "ch_other", **EUROS)
    assert Payment.objects.get().charge_ref == "ch_other"
    assert at_psp() == 20_000
    assert_in_order()


# --- Under no other name --------------------------------------------------------------------------


def test_an_equal_payment_that_has_no_name_of_its_own_is_alerted_and_not_booked(
    psp: StubPsp, funding: Funding
) -> None:
    tell(funding, **EUROS)
    assert alerts() == 0

    tell(funding, **EUROS)

    assert (held(funding.escrow), at_psp()) == (10_000, 10_000)
    assert not Payment.objects.exists()
    alert = Alert.objects.get()
    assert (alert.subject, alert.severity) == (funding.reference, "warning")
    assert "second time" in alert.message
    assert_in_order()


def test_the_first_report_of_what_we_found_ourselves_is_no_second_payment(
    psp: StubPsp, funding: Funding
) -> None:
    psp.funding_states[funding.psp_key] = FundingFound(
        OrderState.SETTLED, "ch_1", Money(10_000, "EUR")
    )
    look_up_funding(funding_id=funding.pk)
    tell(funding, **EUROS)
    with clock.frozen(clock.now() + FEE_EVERY * 2):
        sweep()
    assert (at_psp(), Alert.objects.count()) == (10_000, 0)
    assert_in_order()


# --- In another currency --------------------------------------------------------------------------


def test_an_amount_in_another_currency_is_no_sum_of_what_was_told_before(
    psp: StubPsp, funding: Funding
) -> None:
    tell(funding, **EUROS)
    for amount in ("40.00", "70.00", "70.00", "50.00"):
        tell(funding, amount=amount, currency="USD")
    assert (at_psp(), at_psp("USD")) == (10_000, 7_000)
    refunds = Payment.objects.order_by("pk").values_list("amount_minor", "currency", "hold_reason")
    assert list(refunds) == [(4_000, "USD", "contradiction"), (3_000, "USD", "contradiction")]
    assert_in_order()


def test_an_amount_without_a_currency_is_in_the_one_that_came_in(
    psp: StubPsp, funding: Funding
) -> None:
    tell(funding, amount="100.00", currency="USD")
    assert (funding.received_currency, at_psp("USD")) == ("USD", 10_000)

    tell(funding, amount="100.00")
    assert (at_psp(), at_psp("USD")) == (0, 10_000)
    tell(funding, amount="130.00")
    assert (at_psp(), at_psp("USD")) == (0, 13_000)
    tell(funding, "ch_other", amount="5.00")
    assert (at_psp(), at_psp("USD")) == (0, 13_500)
    assert_in_order()
