"""Runs of the reconciliation: what is judged, what waits, and what becomes of a difference."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from audit.models import Alert, AuditEntry, JobRun
from kobatela.accounts.tests.factories import make_caller, make_staff_caller
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState
from kobatela.kernel.money import Money
from payments import tasks
from payments.errors import DifferenceNotFound
from payments.models import Attempt, Batch, BatchLine, Difference, Payment, Reach, ReconciliationRun
from payments.psp.base import Movement, MovementKind, OrderState, PspDown
from payments.services.differences import accept_difference
from payments.services.outcomes import LOOK_AFTER_ACCEPTED
from payments.services.payouts import execute_payment
from payments.services.reconciliation import reconcile, reconcile_all
from payments.services.sending import send_payment
from payments.services.spans import GRACE
from payments.tests.batches import make_batch, tell_outcomes
from payments.tests.books import assert_in_order
from payments.tests.factories import make_failed, make_payout, make_sent, make_settled, report
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def begun_at() -> Iterator[datetime]:
    """The moment at which the movements of a test are made."""
    moment = clock.now().replace(microsecond=0) - HOUR
    with clock.frozen(moment):
        yield moment


def line(payment: Payment, **told: object) -> Movement:
    """The PSP's honest line about the payment as it is."""
    attempt = Attempt.objects.get(payment=payment, number=payment.attempt)
    honest = Movement(
        kind=MovementKind.REFUND if payment.kind == "refund" else MovementKind.TRANSFER,
        psp_ref=attempt.psp_ref or "tr_new",
        key=attempt.psp_key,
        money=payment.money,
        state=OrderState(attempt.result or "accepted"),
        created_at=attempt.started_at,
        changed_at=attempt.finished_at or attempt.started_at,
    )
    return replace(honest, **told)  # type: ignore[arg-type]  # a test names the fields


def run_after(by: timedelta, reach: Reach = Reach.NIGHTLY) -> ReconciliationRun:
    """A run so long after what happened."""
    with clock.frozen(clock.now() + by):
        return reconcile(psp="fake", reach=reach)


def only() -> Difference:
    return Difference.objects.get()


# --- What is judged -------------------------------------------------------------------------------


def test_two_records_that_agree_leave_a_run_and_nothing_else(
    psp: StubPsp, begun_at: datetime
) -> None:
    psp.movements = [line(make_settled(psp)), line(make_sent(psp)), line(make_failed(psp))]

    run = run_after(HOUR)

    assert (run.status, run.listed, run.ours, run.agreed, run.in_flight) == ("DONE", 3, 3, 3, 0)
    assert (run.found, run.opened, run.closed) == ({}, 0, 0)
    assert not Difference.objects.exists()
    assert not Alert.objects.filter(type="RECONCILIATION_MISMATCH").exists()
    entry = AuditEntry.objects.get(action="reconciliation.run")
    assert entry.subject == run.reference


@pytest.mark.django_db(transaction=True)
def test_the_psp_is_asked_outside_any_transaction(psp: StubPsp) -> None:
    reconcile(psp="fake", reach=Reach.RECENT)
    assert set(psp.in_transaction) == {False}


def test_the_psp_is_asked_for_a_span_and_not_for_everything(
    psp: StubPsp, begun_at: datetime
) -> None:
    psp.movements = [line(make_settled(psp), created_at=begun_at - timedelta(days=9))]
    assert run_after(HOUR).listed == 0
    assert only().kind == "MISSING_THERE"
    # The line is found as soon as a run looks that far back.
    assert run_after(2 * HOUR, Reach.WEEKLY).listed == 1
    assert only().status == "CLOSED"


@pytest.mark.parametrize("minutes", [1, 29])
def test_what_was_reported_a_moment_ago_is_in_flight(
    psp: StubPsp, begun_at: datetime, minutes: int
) -> None:
    payment = make_sent(psp)
    settled_at = begun_at + HOUR
    psp.movements = [line(payment, state=OrderState.SETTLED, changed_at=settled_at)]

    run = run_after(HOUR + minutes * MINUTE)

    assert (run.in_flight, run.found) == (1, {})
    assert run_after(HOUR + 31 * MINUTE).found == {"STATUS": 1}


def test_what_settles_while_the_list_is_read_is_in_flight(psp: StubPsp, begun_at: datetime) -> None:
    payment = make_sent(psp)
    psp.movements = [line(payment)]

    psp.while_listing = lambda: settle_now(payment)
    run = run_after(HOUR)

    assert (run.in_flight, run.found) == (1, {})


def settle_now(payment: Payment) -> None:
    """Let the PSP's report come now."""
    report(payment, OrderState.SETTLED)


def test_an_order_that_was_just_given_need_not_be_listed_yet(
    psp: StubPsp, begun_at: datetime
) -> None:
    make_sent(psp)
    assert run_after(29 * MINUTE).found == {}
    assert run_after(31 * MINUTE).found == {"MISSING_THERE": 1}


def test_an_order_that_the_psp_never_confirmed_has_an_hour(
    psp: StubPsp, begun_at: datetime
) -> None:
    payment = make_sent(psp)
    Attempt.objects.filter(payment=payment).update(accepted_at=None, psp_ref=None)
    assert run_after(59 * MINUTE).found == {}
    assert run_after(61 * MINUTE).found == {"MISSING_THERE": 1}


def test_a_status_without_a_moment_is_watched_before_it_is_told(
    psp: StubPsp, begun_at: datetime
) -> None:
    payment = make_sent(psp)
    psp.movements = [line(payment, state=OrderState.SETTLED, changed_at=None)]

    run = run_after(HOUR)
    assert (run.found, run.opened, only().status) == ({"STATUS": 1}, 0, "WATCHED")
    assert run_after(HOUR + 29 * MINUTE).opened == 0
    assert not Alert.objects.exists()

    assert run_after(HOUR + 31 * MINUTE).opened == 1
    assert only().status == "OPEN"
    assert Alert.objects.get().subject == payment.reference


def test_a_status_that_the_next_report_confirms_was_never_told(
    psp: StubPsp, begun_at: datetime
) -> None:
    payment = make_sent(psp)
    psp.movements = [line(payment, state=OrderState.SETTLED, changed_at=None)]
    run_after(HOUR)
    with clock.frozen(begun_at + HOUR + MINUTE):
        settle_now(payment)

    # First it is in flight, then both agree.
    run_after(HOUR + 15 * MINUTE)
    assert only().status == "WATCHED"
    run_after(HOUR + 40 * MINUTE)
    assert only().status == "CLOSED"
    assert not Alert.objects.exists()


def test_each_try_of_a_payment_is_a_movement_of_its_own(psp: StubPsp, begun_at: datetime) -> None:
    payment = make_failed(psp)
    first = line(payment)
    execute_payment(payment_id=payment.pk, caller=make_staff_caller())
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    second = line(payment)
    psp.movements = [first, second]

    assert run_after(HOUR).agreed == 2

    psp.movements = [replace(first, state=OrderState.SETTLED), second]
    assert run_after(2 * HOUR).found == {"STATUS": 1}
    assert (only().key, only().ours_state, only().theirs_state) == (first.key, "failed", "settled")


def test_an_order_refused_at_once_is_missed_by_nobody(psp: StubPsp, begun_at: datetime) -> None:
    make_failed(psp)
    assert run_after(HOUR).found == {}


def test_an_order_under_another_reference_is_not_the_one_we_know(
    psp: StubPsp, begun_at: datetime
) -> None:
    payment = make_settled(psp)
    psp.movements = [line(payment, psp_ref="tr_other")]

    assert run_after(HOUR).found == {"MISSING_THERE": 1, "DUPLICATE": 1}
    assert set(Difference.objects.values_list("subject", flat=True)) == {payment.reference}
    assert Alert.objects.get().count == 2


def test_an_equal_amount_makes_no_match(psp: StubPsp, begun_at: datetime) -> None:
    payment = make_settled(psp)
    psp.movements = [line(payment, key="", psp_ref="tr_other")]
    assert run_after(HOUR).found == {"MISSING_THERE": 1, "MISSING_HERE": 1}


# --- What becomes of a difference -----------------------------------------------------------------


def with_amount(psp: StubPsp, amount_minor: int) -> Payment:
    """A payment of 100.00 EUR that the PSP lists with another amount."""
    payment = make_settled(psp)
    psp.movements = [line(payment, money=Money(amount_minor, "EUR"))]
    return payment


def test_a_difference_tells_both_sides_and_moves_nothing(psp: StubPsp, begun_at: datetime) -> None:
    payment = with_amount(psp, 10_001)

    run = run_after(HOUR)

    row = only()
    assert (row.kind, row.subject, row.status) == ("AMOUNT", payment.reference, "OPEN")
    assert (row.ours_minor, row.ours_currency, row.ours_state) == (10_000, "EUR", "settled")
    assert (row.theirs_minor, row.theirs_currency, row.theirs_state) == (10_001, "EUR", "settled")
    assert (row.first_run, row.last_run, row.closed_run) == (run, run, None)
    alert = Alert.objects.get()
    assert (alert.type, alert.subject) == ("RECONCILIATION_MISMATCH", payment.reference)
    assert (alert.severity, alert.payload["theirs_minor"]) == ("critical", 10_001)
    payment.refresh_from_db()
    assert (payment.status, payment.amount_minor) == ("SETTLED", 10_000)
    assert_in_order()


def test_the_next_runs_know_a_difference_again_and_alert_once_a_day(
    psp: StubPsp, begun_at: datetime
) -> None:
    with_amount(psp, 10_001)
    run_after(HOUR), run_after(2 * HOUR)
    run = run_after(20 * HOUR)
    assert (only().last_run, Alert.objects.get().count) == (run, 1)
    assert AuditEntry.objects.filter(action="difference.opened").count() == 1

    run_after(26 * HOUR)
    assert Alert.objects.get().count == 2


def test_a_difference_that_disappears_is_closed_by_the_next_run(
    psp: StubPsp, begun_at: datetime
) -> None:
    payment = with_amount(psp, 10_001)
    run_after(HOUR)
    psp.movements = [line(payment)]

    run = run_after(2 * HOUR)

    assert (run.closed, only().status, only().closed_run) == (1, "CLOSED", run)
    assert AuditEntry.objects.filter(action="difference.closed").count() == 1
    # Should it come back, it is a new one.
    psp.movements = [line(payment, money=Money(1, "EUR"))]
    run_after(3 * HOUR)
    assert Difference.objects.filter(status="OPEN").count() == 1


def test_an_old_difference_is_looked_at_by_short_runs_too(psp: StubPsp, begun_at: datetime) -> None:
    payment = with_amount(psp, 10_001)
    run_after(HOUR)
    psp.movements = [line(payment)]

    run = run_after(timedelta(days=9), Reach.RECENT)

    assert only().closed_run == run
    assert run.since == begun_at


def test_a_run_closes_nothing_that_it_did_not_look_at(psp: StubPsp, begun_at: datetime) -> None:
    payment = with_amount(psp, 10_001)
    run_after(HOUR)
    accept(only())
    psp.movements = []

    run_after(timedelta(days=9), Reach.RECENT)
    assert only().status == "ACCEPTED"

    psp.movements = [line(payment)]
    run_after(timedelta(days=9), Reach.WEEKLY)
    assert only().status == "CLOSED"


def accept(row: Difference, note: str = "The PSP has told us why.") -> Difference:
    return accept_difference(difference_id=row.pk, caller=make_staff_caller(), note=note)


def test_what_somebody_accepted_is_alerted_no_more_until_it_changes(
    psp: StubPsp, begun_at: datetime
) -> None:
    payment = with_amount(psp, 10_001)
    run_after(HOUR)
    accept(only())
    run_after(timedelta(days=2))
    assert (only().status, Alert.objects.get().count) == ("ACCEPTED", 1)
    entry = AuditEntry.objects.get(action="difference.accepted")
    assert entry.actor.startswith("staff:")

    psp.movements = [line(payment, money=Money(10_002, "EUR"))]
    run = run_after(timedelta(days=2) + HOUR)
    assert (only().status, only().theirs_minor, run.opened) == ("OPEN", 10_002, 1)
    assert Alert.objects.get().count == 2


def test_only_staff_accepts_and_only_what_is_open(psp: StubPsp, begun_at: datetime) -> None:
    payment = with_amount(psp, 10_001)
    run_after(HOUR)
    row = only()
    with pytest.raises(DifferenceNotFound):
        accept_difference(
            difference_id=row.pk, caller=make_caller(Scope.SENDER, payment.payer), note="mine"
        )
    accept(row)
    with pytest.raises(InvalidState):
        accept(row)


# --- When, and with whom --------------------------------------------------------------------------


def test_a_list_that_cannot_be_read_opens_and_closes_nothing(
    psp: StubPsp, begun_at: datetime
) -> None:
    with_amount(psp, 10_001)
    run_after(HOUR)
    psp.listing_error = PspDown("page 2 of 3: read timeout")

    run = run_after(2 * HOUR)

    assert (run.status, run.reason) == ("UNREAD", "page 2 of 3: read timeout")
    assert (only().status, Alert.objects.get().count) == ("OPEN", 1)


def test_a_psp_that_cannot_be_read_for_hours_is_told(psp: StubPsp, begun_at: datetime) -> None:
    run_after(HOUR)
    psp.listing_error = PspDown("read timeout")
    for hours in (2, 3, 4.9):
        run_after(hours * HOUR)
    assert not Alert.objects.exists()
    run_after(5 * HOUR)
    assert Alert.objects.get().subject == "psp:fake"
    psp.listing_error = None
    run_after(6 * HOUR)
    psp.listing_error = PspDown("read timeout")
    run_after(7 * HOUR)
    assert Alert.objects.get().count == 1


def test_a_run_looks_far_back_once_a_day_and_farther_once_a_week(
    psp: StubPsp, begun_at: datetime
) -> None:
    looked: list[str] = []
    for hours in (0, 1, 24, 25, 48, 24 * 7 - 1, 24 * 7, 24 * 7 + 1):
        with clock.frozen(begun_at + hours * HOUR):
            reconcile_all()
            looked.append(ReconciliationRun.objects.filter(psp="fake").latest("pk").reach)
    assert looked == [
        "weekly",
        "recent",
        "nightly",
        "recent",
        "nightly",
        "nightly",
        "weekly",
        "recent",
    ]


def test_people_are_compared_by_what_their_statements_told(
    psp: StubPsp, begun_at: datetime
) -> None:
    batch: Batch = make_batch("EXPORTED", amounts=(5_000, 7_000))
    tell_outcomes(batch, "settled")
    with clock.frozen(begun_at + HOUR):
        assert reconcile(psp="manual", reach=Reach.RECENT).agreed == 2

    BatchLine.objects.filter(batch=batch, number=1).update(status="RETURNED")
    with clock.frozen(begun_at + 2 * HOUR):
        assert reconcile(psp="manual", reach=Reach.RECENT).found == {"STATUS": 1}


def test_the_job_runs_for_every_psp_and_leaves_its_figures(
    psp: StubPsp, begun_at: datetime
) -> None:
    with_amount(psp, 10_001)
    with clock.frozen(begun_at + HOUR):
        tasks.reconcile()
    run = JobRun.objects.get()
    assert (run.name, run.status) == ("reconciliation", "DONE")
    assert run.result == {"runs": 2, "unread": 0, "cases": 0, "opened": 1, "closed": 0}


def test_more_differences_than_anybody_reads_are_told_together(
    psp: StubPsp, begun_at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payments.services.differences.ALERTS_AT_MOST", 2)
    for _ in range(4):
        make_settled(psp, make_payout())
    run_after(HOUR)
    alerts = Alert.objects.order_by("pk")
    assert [alert.subject for alert in alerts][2:] == ["psp:fake"]
    assert (alerts[2].count, alerts[2].payload["found"]) == (2, {"MISSING_THERE": 4})


def test_the_grace_outlasts_the_sweepers_look_at_a_lost_report() -> None:
    assert GRACE >= 2 * LOOK_AFTER_ACCEPTED
