"""Handing payments to the PSP: intent, call, outcome."""

from datetime import timedelta

import pytest
from django.db import connection

from audit.models import Alert, AuditEntry
from audit.services import switches
from kobatela.kernel import clock
from payments.models import Attempt, Payment
from payments.psp.base import OrderKind, OrderState, Outcome, Reason
from payments.services import sending
from payments.services.sending import send_payment
from payments.tests.books import assert_in_order, at_psp, payable
from payments.tests.factories import make_payout, make_refund, make_sent
from payments.tests.stub_psp import UNKNOWN, StubPsp

pytestmark = pytest.mark.django_db


def again(payment: Payment, *, after: timedelta = timedelta(minutes=15)) -> Payment:
    """Another worker, later."""
    with clock.frozen(clock.now() + after):
        send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    return payment


def test_a_payment_is_sent_once_with_its_stored_key(psp: StubPsp) -> None:
    payment = make_payout()

    send_payment(payment_id=payment.pk)
    send_payment(payment_id=payment.pk)

    payment.refresh_from_db()
    attempt = Attempt.objects.get()
    assert psp.sent == [(OrderKind.TRANSFER, payment.psp_key, attempt.request_body)]
    assert attempt.request_body == f"transfer 10000 EUR fake:{payment.payee_id}"
    assert (payment.status, payment.psp_ref) == ("SENT", "tr_1")
    assert (attempt.psp_key, attempt.psp_ref, attempt.number) == (payment.psp_key, "tr_1", 1)
    assert payable(payment) == 0
    assert_in_order()


def test_a_refund_goes_back_through_its_charge(psp: StubPsp) -> None:
    payment = make_refund()

    send_payment(payment_id=payment.pk)

    ((kind, _key, body),) = psp.sent
    assert (kind, body) == (OrderKind.REFUND, "refund 10000 EUR charge_7")


@pytest.mark.django_db(transaction=True)
def test_d13_key_and_state_are_committed_before_the_call_which_stands_in_no_transaction(
    psp: StubPsp,
) -> None:
    payment = make_payout()
    seen: list[tuple[str, str]] = []

    def look(key: str) -> None:
        # Another connection sees only what is committed.
        with connection.copy().cursor() as cursor:
            cursor.execute("SELECT status, psp_key FROM payments_payment WHERE id=%s", [payment.pk])
            seen.append(cursor.fetchone())
            cursor.connection.close()

    psp.before_answer = look
    send_payment(payment_id=payment.pk)

    ((_, key, _),) = psp.sent
    assert seen == [("SENT", key)]
    assert psp.in_transaction == [False]


@pytest.mark.django_db(transaction=True)
def test_d13_a_worker_that_dies_in_the_call_pays_once(psp: StubPsp) -> None:
    payment = make_payout()

    class Killed(BaseException):
        """SIGKILL, as far as one process can play it."""

    def die(_key: str) -> None:
        raise Killed

    psp.before_answer = die
    with pytest.raises(Killed):
        send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    assert payment.status == "SENT"
    psp.before_answer = lambda _key: None

    send_payment(payment_id=payment.pk)
    assert len(psp.sent) == 1, "another worker has the payment for as long as the lease lasts"

    again(payment)
    assert len(psp.orders) == 1
    assert len(psp.sent) == 1, "the PSP knew the key, so it was only asked"
    assert (payment.status, payment.psp_ref) == ("SENT", "tr_1")
    assert_in_order()


def test_an_order_that_never_reached_the_psp_is_sent_again_word_for_word(psp: StubPsp) -> None:
    psp.next_answers, psp.accepts = [UNKNOWN], False
    payment = make_payout()
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    assert (payment.status, payment.reason) == ("SENT", "OUTCOME_UNKNOWN")
    assert payable(payment) == 0, "the money stays in transit until the PSP's own record is known"

    psp.accepts = True
    again(payment)

    first, second = psp.sent
    assert first == second
    assert psp.looked_up == [payment.psp_key]
    assert (payment.status, payment.reason, payment.psp_ref) == ("SENT", "", "tr_1")


def test_an_order_that_was_accepted_without_an_answer_is_found(psp: StubPsp) -> None:
    psp.next_answers = [UNKNOWN]
    payment = make_payout()
    send_payment(payment_id=payment.pk)
    psp.set_state(psp.sent[0][1], OrderState.SETTLED)

    payment.refresh_from_db()
    again(payment)

    assert len(psp.sent) == 1
    assert (payment.status, payment.psp_ref) == ("SETTLED", "tr_1")
    assert at_psp() == 0
    assert_in_order()


def test_no_new_key_is_made_while_the_outcome_is_unknown(psp: StubPsp) -> None:
    psp.next_answers, psp.accepts = [UNKNOWN] * 4, False
    payment = make_payout()
    send_payment(payment_id=payment.pk)
    for _ in range(3):
        payment.refresh_from_db()
        again(payment)

    assert len({key for _, key, _ in psp.sent}) == 1
    assert Attempt.objects.count() == 1
    assert payment.attempt == 1


def test_an_old_key_that_the_psp_may_have_forgotten_is_not_sent_again(psp: StubPsp) -> None:
    psp.next_answers, psp.accepts = [UNKNOWN], False
    payment = make_payout()
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()

    psp.accepts = True
    again(payment, after=sending.REPEAT_WITHIN + timedelta(minutes=1))

    assert len(psp.sent) == 1
    assert (payment.status, payment.reason) == ("SENT", "OUTCOME_UNKNOWN")


def test_while_the_psp_cannot_be_asked_nothing_is_sent(psp: StubPsp) -> None:
    psp.next_answers, psp.accepts, psp.can_look_up = [UNKNOWN], False, False
    payment = make_payout()
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()

    again(payment)

    assert len(psp.sent) == 1
    assert payment.status == "SENT"


def test_looks_come_after_longer_and_longer_waits(psp: StubPsp) -> None:
    psp.next_answers, psp.accepts, psp.can_look_up = [UNKNOWN], False, False
    payment = make_payout()
    waits = []
    with clock.frozen(clock.now()):
        send_payment(payment_id=payment.pk)
        for _ in range(8):
            payment.refresh_from_db()
            assert payment.lease_until is not None
            waits.append(int((payment.lease_until - clock.now()).total_seconds()))
            clock.advance(timedelta(seconds=waits[-1]))
            send_payment(payment_id=payment.pk)

    assert waits == [15, 30, 60, 120, 240, 480, 600, 600]


def test_a_busy_psp_is_asked_again_later(psp: StubPsp) -> None:
    psp.next_answers, psp.accepts = [Outcome(OrderState.BUSY, reason=Reason.PSP_BUSY)], False
    payment = make_payout()
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    assert (payment.status, payment.reason) == ("SENT", "PSP_BUSY")

    psp.accepts = True
    again(payment)
    assert (payment.status, payment.reason) == ("SENT", "")


def test_a_psp_that_refuses_our_credentials_alerts_and_keeps_the_money_in_transit(
    psp: StubPsp,
) -> None:
    psp.next_answers = [Outcome(OrderState.BLOCKED, reason=Reason.PSP_ACCESS_REFUSED)]
    psp.accepts = False
    payment = make_payout()

    send_payment(payment_id=payment.pk)

    payment.refresh_from_db()
    assert (payment.status, payment.reason) == ("SENT", "PSP_ACCESS_REFUSED")
    assert Alert.objects.get().subject == "psp:fake"
    assert payable(payment) == 0


def test_paused_payouts_wait_and_those_in_transit_are_still_followed(psp: StubPsp) -> None:
    under_way = make_sent(psp)
    switches.set_switch(name="payouts_paused", is_on=True, reason="A drill.", actor="system:tests")
    waiting = make_payout()

    send_payment(payment_id=waiting.pk)
    psp.set_state(under_way.psp_key, OrderState.SETTLED)
    again(under_way)

    waiting.refresh_from_db()
    assert (waiting.status, under_way.status) == ("PENDING", "SETTLED")
    assert len(psp.sent) == 1


def test_an_unknown_or_external_payment_is_left_alone(psp: StubPsp) -> None:
    external = make_refund("psp:manual")

    send_payment(payment_id=external.pk)
    send_payment(payment_id=external.pk + 100)

    assert psp.sent == []


def test_d25_what_the_psp_says_stays_with_staff(psp: StubPsp) -> None:
    words = "Balance of acct_9 too low, call Bob"
    psp.next_answers = [Outcome(OrderState.FAILED, reason=Reason.PSP_BALANCE_SHORT, message=words)]
    payment = make_payout()

    send_payment(payment_id=payment.pk)

    payment.refresh_from_db()
    assert (payment.status, payment.reason) == ("ERROR", "PSP_BALANCE_SHORT")
    assert Attempt.objects.get().psp_message == words
    assert not any("Bob" in entry.body for entry in AuditEntry.objects.all())
    assert "Bob" not in str(Alert.objects.get().payload)
