"""What happens to money after it left is the same whoever pays: each fails, returns, retries."""

from collections.abc import Iterator
from typing import Protocol

import pytest

from audit.models import Alert
from escrow.services.acceptance import approve_escrow
from escrow.services.journal import Said
from escrow.services.refunds import refund_escrow
from escrow.tests.factories import as_client, as_provider, make_escrow
from kobatela.accounts.services.users import set_stripe_account
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel.money import Money
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Attempt, BatchLine, Payment
from payments.psp.base import OrderState
from payments.psp.tests.stripe_installation import stripe_server as stripe_server  # noqa: PLC0414
from payments.psp.tests.stripe_server import StripeServer
from payments.services.batch_files import release_file
from payments.services.batches import approve_batch, collect_batch
from payments.services.fundings import open_session
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.tests import batches
from payments.tests.books import assert_in_order, payable
from payments.tests.factories import charge, make_payout, report
from payments.tests.stripe_events import take
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db


class Way(Protocol):
    """One PSP, as it is told to behave."""

    def payout(self) -> Payment:
        """A payment that waits to be made."""

    def fail(self, payment: Payment) -> None:
        """Try it; it definitely fails."""

    def settle(self, payment: Payment) -> None:
        """Try it; it arrives."""

    def bring_back(self, payment: Payment) -> None:
        """What arrived comes back."""


class Fake:
    """The sandbox's protocol."""

    def payout(self) -> Payment:
        """See Way."""
        return make_payout()

    def fail(self, payment: Payment) -> None:
        """See Way."""
        send_payment(payment_id=payment.pk)
        payment.refresh_from_db()
        report(payment, OrderState.FAILED)

    def settle(self, payment: Payment) -> None:
        """See Way."""
        send_payment(payment_id=payment.pk)
        payment.refresh_from_db()
        report(payment, OrderState.SETTLED)

    def bring_back(self, payment: Payment) -> None:
        """See Way."""
        report(payment, OrderState.RETURNED)


class Stripe:
    """Connect transfers."""

    def __init__(self, server: StripeServer) -> None:
        self._server = server

    def payout(self) -> Payment:
        """See Way."""
        escrow = make_escrow(psp="stripe")
        set_stripe_account(
            caller=make_staff_caller("admin"),
            user_id=escrow.provider_id,
            account_id=self._server.add_account(),
        )
        approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
        return Payment.objects.get()

    def fail(self, payment: Payment) -> None:
        """See Way: the account cannot be paid. What is only not available yet does not fail."""
        self._may_be_paid("inactive")
        send_payment(payment_id=payment.pk)

    def settle(self, payment: Payment) -> None:
        """See Way."""
        self._may_be_paid("active")
        self._server.balance["eur"] = payment.amount_minor
        send_payment(payment_id=payment.pk)

    def _may_be_paid(self, transfers: str) -> None:
        for account in self._server.all("account"):
            account["capabilities"]["transfers"] = transfers

    def bring_back(self, payment: Payment) -> None:
        """See Way."""
        payment.refresh_from_db()
        take(self._server.reverse(str(payment.psp_ref)))


class Manual:
    """People with a file and a statement."""

    def payout(self) -> Payment:
        """See Way."""
        return batches.make_waiting()

    def fail(self, payment: Payment) -> None:
        """See Way."""
        self._tell(payment, "failed")

    def settle(self, payment: Payment) -> None:
        """See Way."""
        self._tell(payment, "settled")

    def bring_back(self, payment: Payment) -> None:
        """See Way."""
        batch = BatchLine.objects.filter(payment=payment).latest("pk").batch
        batches.tell_outcomes(batch, "returned")

    def _tell(self, payment: Payment, outcome: str) -> None:
        staff = make_staff_caller()
        batch = collect_batch(caller=staff, currency="XOF", kind="mobile_money")
        for _ in range(2):
            approve_batch(caller=make_staff_caller(), batch_id=batch.pk)
        release_file(caller=staff, batch_id=batch.pk)
        assert batches.tell_outcomes(batch, outcome).problems == [], payment


@pytest.fixture(params=["fake", "stripe", "manual"])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    """Each PSP in turn."""
    if request.param == "stripe":
        yield Stripe(request.getfixturevalue("stripe_server"))
    elif request.param == "manual":
        yield Manual()
    else:
        request.getfixturevalue("psp")
        yield Fake()


def test_a_payout_fails_is_retried_comes_back_and_is_paid_again(way: Way) -> None:
    payment = way.payout()
    amount_minor = payment.amount_minor
    staff = make_staff_caller("support")

    way.fail(payment)
    payment.refresh_from_db()
    assert (payment.status, payable(payment)) == ("ERROR", amount_minor)
    assert Alert.objects.filter(type="PAYOUT_FAILED").count() == 1

    execute_payment(payment_id=payment.pk, caller=staff)
    way.settle(payment)
    payment.refresh_from_db()
    assert (payment.status, payment.attempt, payable(payment)) == ("SETTLED", 2, 0)

    way.bring_back(payment)
    payment.refresh_from_db()
    again = Payment.objects.exclude(pk=payment.pk).get()
    assert (payment.status, payable(payment)) == ("REFUNDED", amount_minor)
    assert (again.status, again.hold_reason, again.amount_minor) == (
        "PENDING",
        "returned",
        amount_minor,
    )
    assert Alert.objects.filter(type="PAYOUT_RETURNED").count() == 1

    execute_payment(payment_id=again.pk, caller=staff)
    way.settle(again)
    again.refresh_from_db()
    assert (again.status, payable(again)) == ("SETTLED", 0)
    keys = list(Attempt.objects.values_list("psp_key", flat=True))
    assert len(set(keys)) == len(keys) == 3
    assert_in_order()


def test_what_came_in_above_the_need_goes_back_through_its_charge_at_stripe(
    stripe_server: StripeServer,
) -> None:
    escrow = make_escrow("DRAFT")
    funding = open_session(
        caller=as_client(escrow),
        escrow_id=escrow.pk,
        payer_id=escrow.client_id,
        money=Money(10_000, "EUR"),
    )

    take(stripe_server.pay(str(funding.psp_ref), 12_500))

    escrow.refresh_from_db()
    refund = Payment.objects.get()
    assert (escrow.status, escrow.funded_minor, refund.amount_minor) == ("FUNDED", 10_000, 2_500)
    assert Alert.objects.filter(type="DEPOSIT_BEYOND_NEED").count() == 1
    send_payment(payment_id=refund.pk)
    (at_stripe,) = stripe_server.all("refund")
    take(stripe_server.end_refund(at_stripe["id"], "succeeded"))
    refund.refresh_from_db()
    assert (refund.status, refund.charge_ref) == ("SETTLED", funding.psp_ref)
    assert ledger.balance_minor(chart.psp("stripe"), "EUR") == 10_000
    assert_in_order()


def test_a_refund_takes_several_charges_newest_first(psp: StubPsp) -> None:

    escrow = make_escrow("DRAFT")
    first, second = charge(escrow, 7_000), charge(escrow, 3_000)

    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)

    parts = Payment.objects.order_by("pk").values_list("charge_ref", "amount_minor")
    assert list(parts) == [(second.psp_ref, 3_000), (first.psp_ref, 7_000)]
    assert_in_order()
