"""What a card brought can be paid out days later: the payment waits for that, and is paid once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from audit.models import Alert, AuditEntry
from escrow.tests.factories import as_client, milestone_of
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel import clock
from payments.models import Attempt, Payment
from payments.psp.base import OrderState, Outcome, Reason
from payments.psp.tests.stripe_installation import stripe_server as stripe_server  # noqa: PLC0414
from payments.psp.tests.stripe_server import StripeServer
from payments.services.funds_pending import FIRST_WAIT, LONGEST_WAIT
from payments.services.holds import hold_payment, lift_hold
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.services.sweeps import sweep
from payments.tests.books import assert_in_order, payable
from payments.tests.factories import make_payout
from payments.tests.stub_psp import StubPsp
from payments.tests.test_stripe_money import collected, in_order, released

pytestmark = pytest.mark.django_db
SHORT = Outcome(OrderState.FAILED, reason=Reason.FUNDS_PENDING)


@contextmanager
def later(moment: datetime, by: timedelta) -> Iterator[None]:
    """The clock, so much after a moment."""
    with clock.frozen(moment + by):
        yield


def refused(psp: StubPsp) -> Payment:
    """A payout for which the PSP had no money available."""
    payment = make_payout()
    psp.next_answers, psp.accepts = [SHORT] * 40, False
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    return payment


def test_a_payout_soon_after_a_card_payment_waits_at_stripe_and_is_paid_once(
    stripe_server: StripeServer,
) -> None:
    stripe_server.holds_back = True
    escrow, _ = collected(stripe_server, milestones=[10_000])
    payment = released(stripe_server, escrow)
    now = clock.now()

    send_payment(payment_id=payment.pk)

    payment.refresh_from_db()
    assert (payment.status, payment.reason, payment.attempt) == ("PENDING", "FUNDS_PENDING", 2)
    assert (payable(payment), milestone_of(escrow).status) == (10_000, "APPROVED")
    assert not Alert.objects.filter(type__startswith="PAYOUT").exists()
    in_order()
    for _ in range(2):
        sweep()
        send_payment(payment_id=payment.pk)
    assert len(stripe_server.posts("/v1/transfers")) == 1, "not before its time"

    stripe_server.make_available()
    with later(now, FIRST_WAIT + timedelta(minutes=1)):
        for _ in range(2):
            sweep()

    payment.refresh_from_db()
    assert (payment.status, payment.reason, payment.attempt) == ("SETTLED", "", 2)
    keys = [seen.key for seen in stripe_server.posts("/v1/transfers")]
    assert keys == list(Attempt.objects.order_by("number").values_list("psp_key", flat=True))
    assert len(set(keys)) == 2, "under the first one Stripe repeats its refusal"
    assert [item["amount"] for item in stripe_server.all("transfer")] == [10_000]
    assert (milestone_of(escrow).status, payable(payment)) == ("PAID", 0)
    in_order()


def test_the_tries_grow_rarer_and_one_alert_tells_of_a_week(psp: StubPsp) -> None:
    began_at = clock.now()
    payment = refused(psp)
    waits = []
    moment = began_at
    while moment - began_at < timedelta(days=9):
        assert payment.lease_until is not None
        waits.append(payment.lease_until - moment)
        moment = payment.lease_until + timedelta(seconds=1)
        with clock.frozen(moment):
            sweep()
            sweep()
        payment.refresh_from_db()
        assert len(psp.sent) == payment.attempt - 1 == len(waits) + 1

    assert waits[0] >= FIRST_WAIT
    assert waits[1:] == [min(FIRST_WAIT * 2**n, LONGEST_WAIT) for n in range(1, len(waits))]
    assert len(waits) < 25
    (alert,) = Alert.objects.filter(subject=payment.reference)
    assert (alert.type, alert.severity, alert.count) == ("COVERAGE_SHORTFALL", "warning", 1)
    # Nobody is told of each try.
    told = AuditEntry.objects.filter(subject=payment.reference)
    assert not told.filter(action="payment.failed").exists()
    assert told.filter(action="payment.funds_pending").count() == len(waits) + 1
    assert len({key for _, key, _ in psp.sent}) == len(psp.sent)
    assert payable(payment) == 10_000
    assert_in_order()


def test_staff_may_try_at_once_and_a_party_waits(psp: StubPsp) -> None:
    payment = refused(psp)
    psp.next_answers, psp.accepts = [], True

    execute_payment(payment_id=payment.pk, caller=as_client(payment.escrow))
    send_payment(payment_id=payment.pk)
    assert len(psp.sent) == 1
    execute_payment(payment_id=payment.pk, caller=make_staff_caller("support"))
    send_payment(payment_id=payment.pk)

    payment.refresh_from_db()
    assert (payment.status, len(psp.sent), len(psp.orders)) == ("SENT", 2, 1)
    assert_in_order()


def test_a_hold_stands_above_the_next_try(psp: StubPsp) -> None:
    payment = refused(psp)
    psp.next_answers, psp.accepts = [], True
    now, staff = clock.now(), make_staff_caller("support")
    hold_payment(payment_id=payment.pk, caller=staff)
    with later(now, timedelta(days=1)):
        sweep()
        assert len(psp.sent) == 1
        lift_hold(payment_id=payment.pk, caller=staff)
        send_payment(payment_id=payment.pk)
    assert len(psp.orders) == 1
    assert_in_order()
