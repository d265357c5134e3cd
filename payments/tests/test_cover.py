"""Payments wait until the PSP that makes them holds the money, and go on when it does."""

from datetime import timedelta

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from audit.models import Alert, AuditEntry, JobRun
from conftest import Doorbells
from kobatela.accounts.tests.factories import make_staff_caller, make_user
from kobatela.kernel import clock
from payments import tasks
from payments.coverage import Coverage, coverage, free_minor
from payments.errors import NothingToCollect, NothingToExport
from payments.ledger import chart
from payments.ledger.tests.helpers import give, move
from payments.models import Payment
from payments.psp.base import OrderState, PspDown
from payments.services.batch_files import release_file
from payments.services.batches import collect_batch
from payments.services.payouts import execute_payment
from payments.services.refunds import confirm_external
from payments.services.sending import send_payment
from payments.services.sweeps import sweep
from payments.tests.batches import lines, make_batch, make_waiting
from payments.tests.books import assert_in_order, at_psp, payable
from payments.tests.factories import (
    charged_escrow,
    make_payout,
    make_refund,
    make_sent,
    make_settled,
    report,
)
from payments.tests.stub_psp import StubPsp
from payments.tests.test_chargebacks import tell
from payments.tests.test_concurrency import together

pytestmark = pytest.mark.django_db
NOWHERE = 9_999_999


@pytest.fixture(autouse=True)
def required(settings: Settings) -> None:
    """As in production."""
    settings.KOBATELA_REQUIRE_COVERAGE = True


def drain(amount_minor: int, name: str = "fake", currency: str = "EUR") -> None:
    """Let so much of a PSP's money lie with a collector instead."""
    move("surplus", chart.collector(NOWHERE), chart.user_funds(NOWHERE), amount_minor, currency)
    move(
        "payment.sent", chart.user_funds(NOWHERE), chart.in_transit(NOWHERE), amount_minor, currency
    )
    move("payment.settled", chart.in_transit(NOWHERE), chart.psp(name), amount_minor, currency)


def fill(amount_minor: int, name: str = "fake", currency: str = "EUR") -> None:
    """Let somebody pay so much in through a PSP."""
    move("surplus", chart.psp(name), chart.user_funds(NOWHERE), amount_minor, currency)


def stand(payment: Payment) -> tuple[str, str]:
    """Status and reason of a payment."""
    payment.refresh_from_db()
    return payment.status, payment.reason


def sweep_later(minutes: float = 1) -> dict[str, int]:
    with clock.frozen(clock.now() + timedelta(minutes=minutes)):
        return sweep()


def test_what_the_psp_holds_is_paid(psp: StubPsp) -> None:
    payment = make_sent(psp)
    assert free_minor("fake", "EUR") == 0
    report(payment, OrderState.SETTLED)
    assert (free_minor("fake", "EUR"), at_psp()) == (0, 0)


def test_what_the_psp_does_not_hold_waits_and_nobody_is_called(psp: StubPsp) -> None:
    payment = make_payout()
    drain(1)

    send_payment(payment_id=payment.pk)

    assert stand(payment) == ("PENDING", "UNCOVERED")
    assert psp.sent == []
    assert payable(payment) == 10_000
    entry = AuditEntry.objects.get(action="payment.uncovered")
    assert entry.subject == payment.reference
    alert = Alert.objects.get()
    assert (alert.type, alert.subject) == ("COVERAGE_SHORTFALL", "coverage:fake:EUR")
    assert alert.payload["free_minor"] == 9_999
    assert_in_order()


def test_executing_it_by_hand_does_not_make_money(psp: StubPsp) -> None:
    payment = make_payout()
    drain(1)
    send_payment(payment_id=payment.pk)

    execute_payment(payment_id=payment.pk, caller=make_staff_caller())
    send_payment(payment_id=payment.pk)

    assert stand(payment) == ("PENDING", "UNCOVERED")
    assert (psp.sent, Alert.objects.get().count) == ([], 1)


def test_it_goes_on_when_the_money_comes(
    psp: StubPsp,
    doorbells: Doorbells,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    payment = make_payout()
    drain(500)
    send_payment(payment_id=payment.pk)
    assert sweep_later()["covered"] == 0

    fill(499)
    assert sweep_later(2)["covered"] == 0
    fill(1)
    with django_capture_on_commit_callbacks(execute=True):
        assert sweep_later(3)["covered"] == 1

    assert stand(payment) == ("PENDING", "")
    assert doorbells.for_task("payments.tasks.send_payment")[-1] == (str(payment.pk),)
    assert AuditEntry.objects.filter(action="payment.covered").count() == 1
    send_payment(payment_id=payment.pk)
    assert stand(payment) == ("SENT", "")
    assert_in_order()


def test_a_refund_waits_like_a_payout(psp: StubPsp) -> None:
    refund = make_refund()
    drain(1)
    send_payment(payment_id=refund.pk)
    assert stand(refund) == ("PENDING", "UNCOVERED")


def test_money_at_another_psp_or_in_another_currency_covers_nothing(psp: StubPsp) -> None:
    payment = make_payout()
    drain(1)
    fill(50_000, name="manual")
    fill(50_000, currency="USD")
    send_payment(payment_id=payment.pk)
    assert stand(payment) == ("PENDING", "UNCOVERED")


def test_money_that_is_on_its_way_out_is_not_given_twice(psp: StubPsp) -> None:
    first, second = make_payout(), make_payout()
    drain(10_000)
    make_sent(psp, first)

    send_payment(payment_id=second.pk)
    assert stand(second) == ("PENDING", "UNCOVERED")

    # When the first fails, its money is there again.
    report(first, OrderState.FAILED)
    assert sweep_later()["covered"] == 1


def test_money_that_comes_is_promised_once(psp: StubPsp) -> None:
    large, small, third = make_payout(), make_payout(None, 4_000), make_payout(None, 4_000)
    drain(18_000)
    for payment in (large, small, third):
        send_payment(payment_id=payment.pk)
    fill(7_000)

    assert sweep_later()["covered"] == 1
    assert [stand(row)[1] for row in (large, small, third)] == ["UNCOVERED", "", "UNCOVERED"]


def test_nothing_waits_where_coverage_is_not_required(psp: StubPsp, settings: Settings) -> None:
    payment = make_payout()
    drain(1)
    send_payment(payment_id=payment.pk)
    settings.KOBATELA_REQUIRE_COVERAGE = False

    assert sweep_later()["covered"] == 1
    send_payment(payment_id=payment.pk)
    assert stand(payment) == ("SENT", "")


def test_what_is_on_hold_stays_on_hold_when_money_comes(psp: StubPsp) -> None:
    payment = make_payout()
    drain(1)
    send_payment(payment_id=payment.pk)
    Payment.objects.filter(pk=payment.pk).update(hold_reason="staff", reason="ON_HOLD")
    fill(1)
    assert sweep_later()["covered"] == 0
    assert stand(payment) == ("PENDING", "ON_HOLD")


# --- People ---------------------------------------------------------------------------------------


def test_what_people_cannot_pay_is_marked_and_not_collected(psp: StubPsp) -> None:
    payment = make_waiting(5_000)
    assert sweep_later()["covered"] == 1
    assert stand(payment) == ("PENDING", "UNCOVERED")
    with pytest.raises(NothingToCollect):
        collect_batch(caller=make_staff_caller(), currency="XOF", kind="mobile_money")

    fill(5_000, name="manual", currency="XOF")
    assert sweep_later()["covered"] == 1
    batch = collect_batch(caller=make_staff_caller(), currency="XOF", kind="mobile_money")
    assert [line.payment_id for line in lines(batch)] == [payment.pk]


def test_a_file_holds_only_what_can_be_paid(psp: StubPsp) -> None:
    batch = make_batch("APPROVED", amounts=(5_000, 7_000, 2_000))
    fill(7_500, name="manual", currency="XOF")

    release_file(caller=make_staff_caller(), batch_id=batch.pk)

    batch.refresh_from_db()
    assert (batch.status, batch.line_count, batch.total_minor) == ("EXPORTED", 2, 7_000)
    assert [line.status for line in lines(batch)] == ["OPEN", "DROPPED", "OPEN"]
    assert [stand(line.payment) for line in lines(batch)] == [
        ("SENT", ""),
        ("PENDING", "UNCOVERED"),
        ("SENT", ""),
    ]
    assert_in_order()


def test_a_file_for_which_there_is_no_money_is_not_released(psp: StubPsp) -> None:
    batch = make_batch("APPROVED", amounts=(5_000,))
    with pytest.raises(NothingToExport):
        release_file(caller=make_staff_caller(), batch_id=batch.pk)
    batch.refresh_from_db()
    (line,) = lines(batch)
    assert (batch.status, line.status, stand(line.payment)[0]) == ("APPROVED", "OPEN", "PENDING")
    assert sweep_later()["covered"] == 1
    assert stand(line.payment) == ("PENDING", "UNCOVERED")


# --- At once --------------------------------------------------------------------------------------


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_sixteen_workers_give_away_what_is_there_and_no_more(psp: StubPsp) -> None:
    payments = [make_payout() for _ in range(16)]
    drain(16 * 10_000 - 55_000)

    together(lambda number: send_payment(payment_id=payments[number].pk))

    states = [stand(payment) for payment in payments]
    assert sorted(states) == [("PENDING", "UNCOVERED")] * 11 + [("SENT", "")] * 5
    assert (len(psp.sent), free_minor("fake", "EUR")) == (5, 5_000)
    assert_in_order()


# --- Per currency ---------------------------------------------------------------------------------


def only(currency: str) -> Coverage:
    return next(row for row in coverage() if row.currency == currency)


def test_each_currency_tells_what_is_owed_and_where_the_money_lies(psp: StubPsp) -> None:
    give(1, 70_000)
    give(2, 20_000, source="psp:manual")
    give(3, 5_000, source=f"collector:{make_user().pk}")
    give(4, 9_000, currency="XOF")
    move("release", chart.escrow_held(1), chart.platform_fee(), 1_000)

    euros = only("EUR")

    assert euros.owed_minor == 94_000
    assert euros.at_psps == {"fake": 70_000, "manual": 20_000}
    assert (euros.at_psps_minor, euros.at_collectors_minor) == (90_000, 5_000)
    assert (euros.shortfall_minor, euros.short_at, euros.is_covered) == (0, {}, True)
    assert (only("XOF").owed_minor, only("XOF").at_collectors) == (9_000, {})


def test_money_of_a_collector_pays_nothing_at_a_psp(psp: StubPsp) -> None:
    make_settled(psp)
    waiting = make_payout()
    drain(4_000)

    euros = only("EUR")

    assert euros.at_collectors_minor == 4_000
    assert (euros.owed_minor, euros.at_psps["fake"]) == (10_000, 6_000)
    assert (euros.shortfall_minor, euros.short_at) == (0, {"fake": 4_000})
    assert waiting.amount_minor == euros.leaving["fake"]


def test_refunds_that_a_collector_pays_ask_nothing_of_a_psp(psp: StubPsp) -> None:
    collector = make_user()
    make_refund(f"collector:{collector.pk}")
    assert only("EUR").leaving == {}


def test_an_open_chargeback_leaves_what_is_owed_without_its_money(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    tell("opened", funding, amount="40.00", currency="EUR")

    euros = only("EUR")

    assert euros.shortfall_minor == 4_000
    assert euros.owed_minor - euros.at_psps_minor == 4_000
    assert not euros.is_covered


def test_the_watch_alerts_for_what_is_short_and_keeps_its_figures(psp: StubPsp) -> None:
    psp.held = {"EUR": 5_990}
    make_payout()
    drain(4_000)

    tasks.watch_coverage()

    alert = Alert.objects.get()
    assert (alert.type, alert.subject) == ("COVERAGE_SHORTFALL", "coverage:fake:EUR")
    assert alert.payload == {"held_minor": 6_000, "leaving_minor": 10_000, "missing_minor": 4_000}
    run = JobRun.objects.get()
    assert run.result["EUR"] == {
        "owed_minor": 10_000,
        "at_psps": {"fake": 6_000},
        "at_collectors_minor": 4_000,
        "moved": {},
        "put_in_minor": 0,
        "shortfall_minor": 0,
        "short_at": {"fake": 4_000},
        "advanced_by": {},
        "psp_says": {"fake": 5_990, "manual": None},
    }


def test_what_lies_nowhere_is_critical(psp: StubPsp, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Coverage("EUR", owed_minor=100, at_psps={"fake": 60}, at_collectors={"7": 30})
    monkeypatch.setattr("payments.services.coverage.coverage", lambda: [row])

    tasks.watch_coverage()

    alert = Alert.objects.get()
    assert (alert.subject, alert.severity) == ("coverage:EUR", "critical")
    assert (alert.payload["shortfall_minor"], row.is_covered) == (10, False)


def test_what_a_collector_paid_for_us_is_not_fine(psp: StubPsp) -> None:
    collector = make_user()
    make_refund(f"collector:{collector.pk}")
    # What it had collected lies at the PSP already.
    confirm_external(payment_id=Payment.objects.get().pk, caller=make_staff_caller("support"))

    tasks.watch_coverage()

    (row,) = coverage()
    assert (row.shortfall_minor, row.short_at, row.is_covered) == (0, {}, False)
    alert = Alert.objects.get()
    assert alert.subject == f"coverage:collector:{collector.pk}:EUR"
    assert alert.payload == {"collector": str(collector.pk), "advanced_minor": 10_000}


def test_a_psp_that_does_not_answer_does_not_hide_our_own_figures(psp: StubPsp) -> None:
    psp.listing_error = PspDown("read timeout")
    give(1, 70_000)
    tasks.watch_coverage()
    assert JobRun.objects.get().result["EUR"]["psp_says"]["fake"] is None
    assert JobRun.objects.get().result["EUR"]["owed_minor"] == 70_000
