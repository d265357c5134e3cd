"""Money that a PSP collects."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from audit.models import Alert, OutboxEvent
from escrow.models import Deposit, Escrow
from escrow.tests.factories import as_client, make_escrow
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments import selectors
from payments.errors import PspNotConfigured, PspRefused, PspUnavailable
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Funding, Payment
from payments.psp.base import FundingFound, OrderState, PspDown, PspSaysNo
from payments.services.fundings import (
    create_funding,
    fail_funding,
    open_session,
    succeed_funding,
)
from payments.services.holds import lift_hold
from payments.services.sending import send_payment
from payments.services.sweeps import sweep
from payments.tests.books import assert_in_order, at_psp
from payments.tests.factories import take_event
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db


@pytest.fixture
def escrow() -> Escrow:
    """An escrow that waits for 100.00 EUR."""
    return make_escrow("DRAFT")


def open_for(escrow: Escrow, amount_minor: int = 10_000) -> Funding:
    """A session of its client."""
    return open_session(
        caller=as_client(escrow),
        escrow_id=escrow.pk,
        payer_id=escrow.client_id,
        money=Money(amount_minor, "EUR"),
    )


def held(escrow: Escrow) -> int:
    """What the ledger holds for the escrow."""
    return ledger.balance_minor(chart.escrow_held(escrow.pk), "EUR")


def test_a_session_has_what_the_payers_device_needs(psp: StubPsp, escrow: Escrow) -> None:
    funding = open_for(escrow)

    assert (funding.status, funding.client_secret, funding.psp_ref) == (
        "CREATED",
        "secret_1",
        "ch_1",
    )
    assert selectors.open_funding(escrow.pk) == funding
    assert held(escrow) == 0
    assert_in_order()


def test_d19_an_open_session_for_the_same_amount_is_answered_again(
    psp: StubPsp, escrow: Escrow
) -> None:
    first, second = open_for(escrow), open_for(escrow)

    assert (first.pk, first.client_secret) == (second.pk, second.client_secret)
    assert len(psp.fundings) == 1


def test_a_session_for_another_amount_replaces_the_open_one(psp: StubPsp, escrow: Escrow) -> None:
    first, second = open_for(escrow), open_for(escrow, 4_000)

    first.refresh_from_db()
    assert (first.status, first.reason) == ("FAILED", "SUPERSEDED")
    assert selectors.open_funding(escrow.pk) == second


def test_a_retry_after_a_silent_psp_opens_the_same_session(psp: StubPsp, escrow: Escrow) -> None:
    psp.funding_error = PspDown("read timeout")
    with pytest.raises(PspUnavailable):
        open_for(escrow)
    psp.funding_error = None

    funding = open_for(escrow)

    assert Funding.objects.count() == 1
    assert list(psp.fundings) == [funding.psp_key]


def test_a_session_that_the_psp_refuses_has_failed(psp: StubPsp, escrow: Escrow) -> None:
    psp.funding_error = PspSaysNo("too small")
    with pytest.raises(PspRefused):
        open_for(escrow)

    assert Funding.objects.get().status == "FAILED"
    assert selectors.open_funding(escrow.pk) is None


def test_without_a_collecting_psp_there_is_no_session(
    escrow: Escrow, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    setattr(settings, "KOBATELA_PSP", "manual")  # noqa: B010 - the fixture's own way
    with pytest.raises(PspNotConfigured):
        open_for(escrow)
    assert not Funding.objects.exists()


def test_an_escrow_has_one_open_session_whatever_the_code_does(
    psp: StubPsp, escrow: Escrow
) -> None:
    funding = open_for(escrow)
    funding.pk, funding.psp_key, funding.psp_ref = None, "other", None
    with pytest.raises(IntegrityError, match="funding_one_open"), transaction.atomic():
        funding.save(force_insert=True)


def test_the_psps_report_books_the_money_once(psp: StubPsp, escrow: Escrow) -> None:
    funding = open_for(escrow)

    for number in range(3):
        take_event(
            "funding.succeeded",
            event_id=f"evt_{number}",
            psp_ref=funding.psp_ref,
            amount="100.00",
            currency="EUR",
        )

    funding.refresh_from_db()
    escrow.refresh_from_db()
    assert (funding.status, funding.received_minor) == ("SUCCEEDED", 10_000)
    assert (escrow.status, held(escrow), at_psp()) == ("FUNDED", 10_000, 10_000)
    deposit = Deposit.objects.get()
    assert (deposit.source, deposit.charge_ref) == ("psp:fake", funding.psp_ref)
    # Whether three events were one payment only the PSP's own record tells.
    assert Alert.objects.get().severity == "warning"
    event = OutboxEvent.objects.get(event="funding.succeeded")
    assert list(event.audience) == [escrow.client_id]
    assert_in_order()


def test_a_report_that_overtakes_our_own_call_finds_the_session(
    psp: StubPsp, escrow: Escrow
) -> None:
    with transaction.atomic():
        funding = create_funding(
            actor="system:tests",
            escrow_id=escrow.pk,
            payer_id=escrow.client_id,
            money=Money(10_000, "EUR"),
        )

    event = take_event("funding.succeeded", psp_ref="ch_9", payment_reference=funding.psp_key)

    funding.refresh_from_db()
    assert (event.status, event.funding_id) == ("PROCESSED", funding.pk)
    assert (funding.status, funding.psp_ref, held(escrow)) == ("SUCCEEDED", "ch_9", 10_000)


def test_d18_more_than_was_asked_is_booked_and_goes_back_with_an_alert(
    psp: StubPsp, escrow: Escrow
) -> None:
    funding = open_for(escrow)

    take_event("funding.succeeded", psp_ref=funding.psp_ref, amount="130.00", currency="EUR")

    assert (held(escrow), at_psp()) == (10_000, 13_000)
    (refund,) = Payment.objects.all()
    assert (refund.kind, refund.amount_minor, refund.charge_ref) == (
        "refund",
        3_000,
        funding.psp_ref,
    )
    assert set(Alert.objects.values_list("type", flat=True)) == {
        "RECONCILIATION_MISMATCH",
        "DEPOSIT_BEYOND_NEED",
    }
    assert_in_order()


def test_less_than_was_asked_is_booked_as_it_came(psp: StubPsp, escrow: Escrow) -> None:
    funding = open_for(escrow)

    take_event("funding.succeeded", psp_ref=funding.psp_ref, amount="40.00", currency="EUR")

    escrow.refresh_from_db()
    assert (escrow.status, held(escrow), at_psp()) == ("DRAFT", 4_000, 4_000)
    assert_in_order()


def test_d18_money_of_another_currency_is_booked_and_goes_back(
    psp: StubPsp, escrow: Escrow
) -> None:
    funding = open_for(escrow)

    take_event("funding.succeeded", psp_ref=funding.psp_ref, amount="5000", currency="XOF")

    (refund,) = Payment.objects.all()
    assert (held(escrow), at_psp(), at_psp("XOF")) == (0, 0, 5_000)
    assert (refund.amount_minor, refund.currency) == (5_000, "XOF")
    assert_in_order()


def test_money_that_comes_after_the_session_failed_is_booked(psp: StubPsp, escrow: Escrow) -> None:
    funding = open_for(escrow)
    fail_funding(funding_id=funding.pk, reason="PSP_REFUSED", actor="psp:fake")
    assert selectors.open_funding(escrow.pk) is None

    take_event("funding.succeeded", psp_ref=funding.psp_ref)

    assert held(escrow) == 10_000
    assert_in_order()


def test_both_sessions_paid_fills_the_escrow_once_and_returns_the_rest(
    psp: StubPsp, escrow: Escrow
) -> None:
    first, second = open_for(escrow), open_for(escrow, 9_000)

    take_event("funding.succeeded", psp_ref=second.psp_ref)
    take_event("funding.succeeded", psp_ref=first.psp_ref)

    assert (held(escrow), at_psp()) == (10_000, 19_000)
    assert Payment.objects.get().amount_minor == 9_000
    assert_in_order()


def test_a_failure_after_success_changes_nothing(psp: StubPsp, escrow: Escrow) -> None:
    funding = open_for(escrow)
    take_event("funding.succeeded", psp_ref=funding.psp_ref)

    take_event("funding.failed", psp_ref=funding.psp_ref)

    funding.refresh_from_db()
    assert (funding.status, held(escrow)) == ("SUCCEEDED", 10_000)


def test_a_failed_session_makes_room_for_the_next(psp: StubPsp, escrow: Escrow) -> None:
    funding = open_for(escrow)

    take_event("funding.failed", psp_ref=funding.psp_ref)

    funding.refresh_from_db()
    assert funding.status == "FAILED"
    assert open_for(escrow).pk != funding.pk
    assert (held(escrow), at_psp()) == (0, 0)


def test_d18_the_deposit_is_booked_in_the_transaction_of_the_report(
    psp: StubPsp, escrow: Escrow, monkeypatch: pytest.MonkeyPatch
) -> None:
    funding = open_for(escrow)

    def crash(**_values: object) -> None:
        raise RuntimeError("killed between the two")

    with monkeypatch.context() as patch:
        patch.setattr("payments.services.receipts.post", crash)
        with pytest.raises(RuntimeError):
            succeed_funding(funding_id=funding.pk, money=None, psp_ref="ch_1", actor="psp:fake")
    funding.refresh_from_db()
    assert (funding.status, held(escrow)) == ("CREATED", 0)

    succeed_funding(funding_id=funding.pk, money=None, psp_ref="ch_1", actor="psp:fake")
    assert held(escrow) == 10_000
    assert clock.now() > funding.created_at


def later(by: timedelta) -> int:
    """Sweep when so much time has gone by; how many sessions were looked up."""
    with clock.frozen(clock.now() + by):
        return sweep()["fundings"]


def test_money_whose_report_was_lost_is_found_at_the_psp(psp: StubPsp, escrow: Escrow) -> None:
    funding = open_for(escrow)
    psp.funding_states[funding.psp_key] = FundingFound(
        OrderState.SETTLED, "ch_1", Money(10_000, "EUR")
    )

    assert later(timedelta(minutes=9)) == 0
    assert later(timedelta(minutes=11)) == 1

    funding.refresh_from_db()
    assert (funding.status, held(escrow)) == ("SUCCEEDED", 10_000)
    take_event("funding.succeeded", psp_ref=funding.psp_ref)
    assert held(escrow) == 10_000
    assert_in_order()


@pytest.mark.parametrize(
    ("state", "after", "expected"),
    [
        (OrderState.ACCEPTED, timedelta(minutes=11), ("CREATED", "")),
        (OrderState.FAILED, timedelta(minutes=11), ("FAILED", "PSP_REFUSED")),
        (OrderState.UNKNOWN, timedelta(days=15), ("CREATED", "")),
        (OrderState.ACCEPTED, timedelta(days=15), ("FAILED", "EXPIRED")),
        (OrderState.NOT_FOUND, timedelta(days=15), ("FAILED", "EXPIRED")),
    ],
)
def test_an_open_session_is_looked_up_and_ends_after_a_fortnight(
    psp: StubPsp,
    escrow: Escrow,
    state: OrderState,
    after: timedelta,
    expected: tuple[str, str],
) -> None:
    funding = open_for(escrow)
    psp.funding_states[funding.psp_key] = FundingFound(state)

    later(after)

    funding.refresh_from_db()
    assert (funding.status, funding.reason) == expected
    assert held(escrow) == 0


# --- Sessions that ended without money, as far as we were told ------------------------------------


def ended(psp: StubPsp, escrow: Escrow, how: str) -> Funding:
    """A session that is over here and stays open at the PSP."""
    funding = open_for(escrow)
    if how == "SUPERSEDED":
        open_for(escrow, 5_000)
    elif how == "EXPIRED":
        later(timedelta(days=15))
    else:
        fail_funding(funding_id=funding.pk, reason="PSP_REFUSED", actor="psp:fake")
    funding.refresh_from_db()
    assert (funding.status, funding.reason) == ("FAILED", how)
    return funding


@pytest.mark.parametrize("how", ["SUPERSEDED", "EXPIRED", "PSP_REFUSED"])
def test_a_session_that_was_over_and_paid_all_the_same_is_found(
    psp: StubPsp, escrow: Escrow, how: str
) -> None:
    funding = ended(psp, escrow, how)
    paid = FundingFound(OrderState.SETTLED, funding.psp_ref or "", funding.money)
    psp.funding_states[funding.psp_key] = paid

    with clock.frozen(funding.updated_at + timedelta(hours=7)):
        assert sweep()["ended_fundings"] == 1
        assert sweep()["ended_fundings"] == 0

    funding.refresh_from_db()
    assert (funding.status, held(escrow)) == ("SUCCEEDED", 10_000)
    take_event("funding.succeeded", psp_ref=funding.psp_ref)
    assert held(escrow) == 10_000
    assert_in_order()


def test_what_is_found_and_no_escrow_can_take_goes_back_with_an_alert(
    psp: StubPsp, escrow: Escrow
) -> None:
    funding = ended(psp, escrow, "SUPERSEDED")
    second = Funding.objects.exclude(pk=funding.pk).get()
    take_event("funding.succeeded", psp_ref=second.psp_ref)
    assert held(escrow) == 5_000
    paid = FundingFound(OrderState.SETTLED, funding.psp_ref or "", funding.money)
    psp.funding_states[funding.psp_key] = paid

    later(timedelta(hours=7))

    refund = Payment.objects.get()
    assert (refund.amount_minor, refund.charge_ref) == (5_000, funding.psp_ref)
    assert held(escrow) == 10_000
    assert Alert.objects.get().type == "DEPOSIT_BEYOND_NEED"
    assert_in_order()


def test_a_session_that_nobody_paid_is_asked_about_four_times_a_day_for_a_month(
    psp: StubPsp, escrow: Escrow
) -> None:
    funding = ended(psp, escrow, "PSP_REFUSED")
    asked = []
    for hours in (2, 3, 7, 9, 24 * 29, 24 * 31):
        with clock.frozen(funding.updated_at + timedelta(hours=hours)):
            asked.append(sweep()["ended_fundings"])
    assert asked == [1, 0, 0, 1, 1, 0]
    funding.refresh_from_db()
    assert funding.status == "FAILED"


def test_one_run_asks_about_few_of_them(
    psp: StubPsp, escrow: Escrow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payments.services.sweeps.ENDED_BATCH", 2)
    for number in range(1, 5):
        open_for(escrow, 1_000 * number)
    with clock.frozen(clock.now() + timedelta(hours=7)):
        assert [sweep()["ended_fundings"] for _ in range(2)] == [2, 1]


# --- Another amount than before -------------------------------------------------------------------


def test_d18_a_second_amount_of_a_paid_session_is_booked_and_goes_back_with_an_alert(
    psp: StubPsp, escrow: Escrow
) -> None:
    funding = open_for(escrow)
    take_event("funding.succeeded", psp_ref=funding.psp_ref, amount="100.00", currency="EUR")

    for _ in range(2):
        take_event("funding.succeeded", psp_ref=funding.psp_ref, amount="130.00", currency="EUR")

    refund = Payment.objects.get()
    assert (refund.amount_minor, refund.charge_ref) == (3_000, funding.psp_ref)
    assert (held(escrow), at_psp()) == (10_000, 13_000)
    assert ledger.balance_minor(chart.user_funds(escrow.client_id), "EUR") == 3_000
    alert = Alert.objects.get(type="RECONCILIATION_MISMATCH")
    assert (alert.subject, alert.payload["reported_minor"]) == (funding.reference, 13_000)
    funding.refresh_from_db()
    assert funding.received_minor == 13_000
    assert_in_order()


def test_a_smaller_second_amount_takes_nothing_from_anybody_and_is_alerted(
    psp: StubPsp, escrow: Escrow
) -> None:
    funding = open_for(escrow)
    take_event("funding.succeeded", psp_ref=funding.psp_ref)
    take_event("funding.succeeded", psp_ref=funding.psp_ref, amount="70.00", currency="EUR")
    assert (held(escrow), at_psp()) == (10_000, 10_000)
    assert not Payment.objects.exists()
    assert Alert.objects.get().type == "RECONCILIATION_MISMATCH"
    assert_in_order()


def test_a_second_report_in_another_currency_is_booked_once(psp: StubPsp, escrow: Escrow) -> None:
    funding = open_for(escrow)
    take_event("funding.succeeded", psp_ref=funding.psp_ref)
    for _ in range(2):
        take_event("funding.succeeded", psp_ref=funding.psp_ref, amount="40.00", currency="USD")
    assert (at_psp(), at_psp("USD")) == (10_000, 4_000)
    assert Payment.objects.get().currency == "USD"
    take_event("funding.succeeded", psp_ref=funding.psp_ref, amount="70.00", currency="USD")
    assert (at_psp(), at_psp("USD")) == (10_000, 7_000)
    assert_in_order()


def test_a_second_amount_sends_nothing_until_staff_has_looked(psp: StubPsp, escrow: Escrow) -> None:
    funding = open_for(escrow)
    take_event("funding.succeeded", psp_ref=funding.psp_ref)
    take_event("funding.succeeded", psp_ref=funding.psp_ref, amount="130.00", currency="EUR")
    refund = Payment.objects.get()

    send_payment(payment_id=refund.pk)

    assert (refund.status, refund.hold_reason, refund.reason, psp.sent) == (
        "PENDING",
        "contradiction",
        "ON_HOLD",
        [],
    )
    assert all("on hold" in alert.message for alert in Alert.objects.all())
    for _ in range(2):
        lift_hold(payment_id=refund.pk, caller=make_staff_caller())
    send_payment(payment_id=refund.pk)
    assert len(psp.sent) == 1
    assert_in_order()


def test_a_report_without_an_amount_says_nothing_new(psp: StubPsp, escrow: Escrow) -> None:
    funding = open_for(escrow)
    take_event("funding.succeeded", psp_ref=funding.psp_ref, amount="60.00", currency="EUR")
    Alert.objects.all().delete()
    take_event("funding.succeeded", psp_ref=funding.psp_ref)
    assert (held(escrow), at_psp()) == (6_000, 6_000)
    assert "second time" in Alert.objects.get().message
