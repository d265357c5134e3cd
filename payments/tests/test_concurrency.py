"""Many hands on one payment, on real PostgreSQL."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections

from kobatela.accounts.tests.factories import make_caller
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import DomainError
from payments.models import Payment, PspEvent
from payments.psp.base import OrderState
from payments.services.events import process_event, store_event
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.tests.books import assert_in_order, at_psp, payable
from payments.tests.factories import (
    event_body,
    funded_escrow,
    make_failed,
    make_payout,
    make_sent,
    report,
)
from payments.tests.stub_psp import StubPsp

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]
HANDS = 16


def together(work: Callable[[int], object], hands: int = HANDS) -> "Counter[str]":
    """Run `work(number)` in so many threads that start at the same moment; what they said."""
    barrier = Barrier(hands)

    def run(number: int) -> str:
        try:
            barrier.wait()
            return str(work(number))
        except DomainError as refusal:
            return refusal.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(hands) as pool:
        return Counter(pool.map(run, range(hands)))


def test_sixteen_workers_with_one_payment_make_one_call(psp: StubPsp) -> None:
    payment = make_payout()

    together(lambda _number: send_payment(payment_id=payment.pk))

    payment.refresh_from_db()
    assert payment.status == "SENT"
    assert len(psp.sent) == 1
    assert payable(payment) == 0
    assert_in_order()


def test_sixteen_workers_after_a_dead_one_pay_once(psp: StubPsp) -> None:
    payment = make_sent(psp)
    psp.set_state(payment.psp_key, OrderState.SETTLED)

    with clock.frozen(clock.now() + timedelta(hours=1)):
        together(lambda _number: send_payment(payment_id=payment.pk))

    payment.refresh_from_db()
    assert payment.status == "SETTLED"
    assert (len(psp.orders), len(psp.looked_up)) == (1, 1)
    assert at_psp() == 0
    assert_in_order()


def test_sixteen_retries_at_once_begin_one_attempt(psp: StubPsp) -> None:
    payment = make_failed(psp)
    support = make_caller(Scope.SUPPORT)

    together(lambda _number: execute_payment(payment_id=payment.pk, caller=support).attempt)

    payment.refresh_from_db()
    assert (payment.status, payment.attempt) == ("PENDING", 2)


def test_one_report_in_sixteen_deliveries_settles_once(psp: StubPsp) -> None:
    payment = make_sent(psp)
    body = event_body("payment.settled", event_id="evt_1", psp_ref=payment.psp_ref)

    said = together(lambda _number: store_event(body=body, secret_id="primary").is_duplicate)
    assert said == {"False": 1, "True": HANDS - 1}

    event = PspEvent.objects.get()
    together(lambda _number: process_event(event_id=event.pk))
    payment.refresh_from_db()
    assert payment.status == "SETTLED"
    assert at_psp() == 0
    assert_in_order()


def test_contradicting_reports_at_once_have_one_outcome(psp: StubPsp) -> None:
    for _ in range(5):
        payment = make_sent(psp)
        states = [OrderState.SETTLED, OrderState.FAILED]

        together(lambda number: report(payment, states[number % 2]).status, 8)  # noqa: B023

        payment.refresh_from_db()
        assert payment.status in {"SETTLED", "ERROR"}
        assert_in_order()


def test_d17_releases_at_once_never_exceed_what_is_held(psp: StubPsp) -> None:
    for _ in range(5):
        escrow = funded_escrow(1_000)

        said = together(lambda _number: make_payout(escrow, 300).status)  # noqa: B023

        assert said == {"PENDING": 3, "INSUFFICIENT_FUNDS": HANDS - 3}
        assert Payment.objects.filter(escrow=escrow).count() == 3
    assert_in_order()
