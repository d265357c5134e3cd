"""A payment that its PSP never got fails in the end, and is never paid twice for that."""

from datetime import timedelta

import pytest
from django.db import connection

from audit.models import Alert, AuditEntry
from escrow.tests.factories import as_client
from kobatela.accounts.tests.factories import make_caller, make_staff_caller
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.errors import InsufficientScope
from payments.errors import OwnPaymentForbidden, PaymentMayBeKnown, PaymentOnHold
from payments.models import Attempt, Payment
from payments.psp.base import OrderState, Outcome, Reason
from payments.services import sending
from payments.services.never_received import say_never_received
from payments.services.outcomes import record_outcome
from payments.services.payouts import execute_payment
from payments.services.sending import GIVE_UP_AFTER, send_payment
from payments.services.sweeps import sweep
from payments.tests.books import assert_in_order, at_psp, payable
from payments.tests.factories import make_payout, make_sent, report, take_event
from payments.tests.stub_psp import UNKNOWN, StubPsp

pytestmark = pytest.mark.django_db
A_DAY = GIVE_UP_AFTER + timedelta(minutes=1)


def lost_order(psp: StubPsp) -> Payment:
    """A payment in transit of which the PSP never heard."""
    psp.next_answers, psp.accepts = [UNKNOWN], False
    payment = make_payout()
    send_payment(payment_id=payment.pk)
    psp.accepts = True
    payment.refresh_from_db()
    assert payment.status == "SENT"
    return payment


def later(payment: Payment, after: timedelta = A_DAY) -> None:
    with clock.frozen(clock.now() + after):
        sweep()
    payment.refresh_from_db()


def given_up(psp: StubPsp) -> Payment:
    payment = lost_order(psp)
    later(payment)
    assert (payment.status, payment.reason) == ("ERROR", "NEVER_RECEIVED")
    return payment


def late_report(payment: Payment, state: str, number: int = 1) -> None:
    """What the PSP says at last of an attempt."""
    key = Attempt.objects.get(payment=payment, number=number).psp_key
    take_event(f"payment.{state}", psp_ref=f"tr_late_{number}", payment_reference=key)
    payment.refresh_from_db()


def contradictions() -> int:
    return Alert.objects.filter(type="PSP_EVENT_CONTRADICTS", severity="critical").count()


def test_what_the_psp_never_got_fails_after_a_day_and_can_be_paid_under_a_new_key(
    psp: StubPsp,
) -> None:
    payment = given_up(psp)

    assert len(psp.sent) == 1
    assert (payable(payment), at_psp()) == (10_000, 10_000)
    alert = Alert.objects.get(type="PAYOUT_FAILED")
    assert "never got" in alert.message
    assert_in_order()

    execute_payment(payment_id=payment.pk, caller=make_caller(Scope.SUPPORT))
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    report(payment, OrderState.SETTLED)

    keys = [key for _, key, _ in psp.sent]
    assert len(set(keys)) == 2
    assert list(psp.orders) == keys[1:]
    assert (payment.status, payment.attempt, at_psp()) == ("SETTLED", 2, 0)
    assert_in_order()


def test_nothing_is_given_up_within_the_day(psp: StubPsp) -> None:
    payment = lost_order(psp)
    later(payment, GIVE_UP_AFTER - timedelta(minutes=1))
    assert (payment.status, payment.reason, len(psp.sent)) == ("SENT", "OUTCOME_UNKNOWN", 1)


@pytest.mark.parametrize("what", ["cannot be asked", "may not know", "had it once"])
def test_only_a_psp_that_would_know_can_say_that_it_never_got_it(psp: StubPsp, what: str) -> None:
    payment = lost_order(psp)
    if what == "cannot be asked":
        psp.can_look_up = False
    elif what == "may not know":
        psp.knows_all_orders = False
    else:
        report(payment, OrderState.ACCEPTED)
    later(payment)
    assert (payment.status, payment.reason) == ("SENT", "OUTCOME_UNKNOWN")
    assert payable(payment) == 0
    assert_in_order()


def test_a_psp_that_forgot_what_it_had_accepted_is_alerted_once_a_day(psp: StubPsp) -> None:
    payment = make_sent(psp)
    psp.orders.clear()
    for after in (timedelta(hours=21), timedelta(hours=22), timedelta(hours=48)):
        later(payment, after)
    assert (payment.status, payable(payment)) == ("SENT", 0)
    alert = Alert.objects.get()
    assert (alert.type, alert.subject, alert.count) == (
        "PSP_EVENT_CONTRADICTS",
        payment.reference,
        2,
    )
    assert len(psp.sent) == 1


def test_a_worker_that_slept_too_long_gives_no_order(
    psp: StubPsp, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payout()
    with clock.frozen(clock.now()):

        def freeze(name: str) -> None:
            if name == "payment.claimed":
                clock.advance(A_DAY)

        monkeypatch.setattr(sending, "crashpoint", freeze)
        send_payment(payment_id=payment.pk)

    payment.refresh_from_db()
    assert (payment.status, psp.sent) == ("SENT", [])


# --- People, where the PSP cannot be asked --------------------------------------------------------


def test_two_people_give_up_what_the_psp_cannot_be_asked_about(psp: StubPsp) -> None:
    payment = lost_order(psp)
    psp.can_look_up = False
    first, second = make_staff_caller(), make_staff_caller()

    with clock.frozen(clock.now() + A_DAY):
        for _ in range(2):
            state = say_never_received(payment_id=payment.pk, caller=first)
            assert (state.given, state.granted) == (1, False)
        payment.refresh_from_db()
        assert payment.status == "SENT"
        assert say_never_received(payment_id=payment.pk, caller=second).granted

    payment.refresh_from_db()
    assert (payment.status, payment.reason) == ("ERROR", "NEVER_RECEIVED")
    assert payable(payment) == 10_000
    assert AuditEntry.objects.get(action="payment.failed").actor == second.actor
    assert_in_order()


@pytest.mark.parametrize(
    ("state", "status"), [(OrderState.ACCEPTED, "SENT"), (OrderState.SETTLED, "SETTLED")]
)
def test_the_psp_is_asked_before_a_second_word_counts(
    psp: StubPsp, state: OrderState, status: str
) -> None:
    payment = lost_order(psp)
    key = Attempt.objects.get().psp_key
    with clock.frozen(clock.now() + A_DAY):
        psp.can_look_up = False
        say_never_received(payment_id=payment.pk, caller=make_staff_caller())
        psp.can_look_up = True
        psp.orders[key] = Outcome(state, psp_ref="tr_late")
        psp.looked_up.clear()
        with pytest.raises(PaymentMayBeKnown):
            say_never_received(payment_id=payment.pk, caller=make_staff_caller())

    payment.refresh_from_db()
    assert (psp.looked_up, payment.psp_ref) == ([key], "tr_late")
    assert (payment.status, payable(payment), len(psp.sent)) == (status, 0, 1)
    assert not AuditEntry.objects.filter(action="payment.failed").exists()
    assert_in_order()


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_people_have_the_psp_asked(
    psp: StubPsp, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = lost_order(psp)
    open_then: list[bool] = []

    def find(*_: object) -> Outcome:
        open_then.append(connection.in_atomic_block)
        return Outcome(OrderState.NOT_FOUND)

    monkeypatch.setattr(psp, "find", find)
    with clock.frozen(clock.now() + A_DAY):
        say_never_received(payment_id=payment.pk, caller=make_staff_caller())
    assert open_then == [False]


def test_nobody_gives_up_what_may_be_known_or_is_their_own(psp: StubPsp) -> None:
    payment = lost_order(psp)
    with pytest.raises(PaymentMayBeKnown):
        say_never_received(payment_id=payment.pk, caller=make_staff_caller())
    with clock.frozen(clock.now() + A_DAY):
        with pytest.raises(InsufficientScope):
            say_never_received(payment_id=payment.pk, caller=as_client(payment.escrow))
        party = make_caller(Scope.SUPPORT, payment.payee)
        with pytest.raises(OwnPaymentForbidden):
            say_never_received(payment_id=payment.pk, caller=party)
        report(payment, OrderState.ACCEPTED)
        with pytest.raises(PaymentMayBeKnown):
            say_never_received(payment_id=payment.pk, caller=make_staff_caller())
    assert payment.status == "SENT"


# --- What the PSP says too late -------------------------------------------------------------------


def test_an_order_that_arrived_after_all_is_booked_and_not_paid_again(psp: StubPsp) -> None:
    payment = given_up(psp)

    late_report(payment, "settled")
    again = execute_payment(payment_id=payment.pk, caller=make_caller(Scope.SUPPORT))
    send_payment(payment_id=payment.pk)

    assert (again.status, again.attempt, len(psp.sent)) == ("SETTLED", 1, 1)
    assert (payable(payment), at_psp(), contradictions()) == (0, 0, 1)
    assert AuditEntry.objects.filter(action="payment.found").count() == 1
    assert_in_order()


def test_an_order_that_turned_up_takes_its_way_to_any_end(psp: StubPsp) -> None:
    payment = given_up(psp)
    report(payment, OrderState.ACCEPTED)
    assert (payment.status, payable(payment)) == ("SENT", 0)
    report(payment, OrderState.FAILED)
    assert (payment.status, payable(payment)) == ("ERROR", 10_000)
    assert_in_order()


def test_an_order_that_came_back_before_anybody_knew_of_it_has_its_successor(psp: StubPsp) -> None:
    payment = given_up(psp)
    late_report(payment, "returned")
    successor = Payment.objects.latest("pk")
    assert (payment.status, successor.hold_reason) == ("REFUNDED", "returned")
    assert payable(payment) == 10_000
    assert_in_order()


@pytest.mark.parametrize("state", ["settled", "returned"])
def test_a_first_order_that_turns_up_stops_the_second(psp: StubPsp, state: str) -> None:
    payment = given_up(psp)
    support = make_caller(Scope.SUPPORT)
    execute_payment(payment_id=payment.pk, caller=support)

    late_report(payment, state)
    send_payment(payment_id=payment.pk)

    payment.refresh_from_db()
    assert (payment.status, payment.hold_reason) == ("PENDING", "contradiction")
    assert (len(psp.sent), contradictions()) == (1, 1)
    with pytest.raises(PaymentOnHold):
        execute_payment(payment_id=payment.pk, caller=support)
    assert_in_order()


def test_a_first_order_that_the_psp_has_after_all_stops_the_second(psp: StubPsp) -> None:
    payment = given_up(psp)
    first = Attempt.objects.get()
    execute_payment(payment_id=payment.pk, caller=make_caller(Scope.SUPPORT))

    outcome = Outcome(OrderState.ACCEPTED, psp_ref="tr_late")
    record_outcome(attempt_id=first.pk, outcome=outcome, actor="psp:fake")
    payment.refresh_from_db()
    assert (payment.hold_reason, contradictions()) == ("contradiction", 1)


def test_two_orders_that_both_arrive_are_no_secret(psp: StubPsp) -> None:
    payment = given_up(psp)
    execute_payment(payment_id=payment.pk, caller=make_caller(Scope.SUPPORT))
    make_sent(psp, payment)
    report(payment, OrderState.SETTLED)

    late_report(payment, "settled")

    assert (payment.status, at_psp(), contradictions()) == ("SETTLED", 0, 1)
    assert_in_order()


def test_what_was_given_up_at_the_moment_it_arrived_stays_paid(psp: StubPsp) -> None:
    payment = lost_order(psp)
    report(payment, OrderState.SETTLED)
    report(payment, OrderState.FAILED, reason=Reason.NEVER_RECEIVED)
    assert (payment.status, payable(payment), contradictions()) == ("SETTLED", 0, 0)
    assert_in_order()
