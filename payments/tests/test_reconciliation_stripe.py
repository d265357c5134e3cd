"""Honest rounds through Stripe's own library leave no difference; what it did beside us does."""

from datetime import timedelta

import pytest

from escrow.services.refunds import refund_escrow
from escrow.tests.factories import as_provider
from kobatela.kernel import clock
from payments.models import Difference, Funding, Payment, Reach, ReconciliationRun
from payments.psp.tests.stripe_installation import stripe_server as stripe_server  # noqa: PLC0414
from payments.psp.tests.stripe_server import StripeServer
from payments.services.reconciliation import reconcile
from payments.services.sending import send_payment
from payments.tests.stripe_events import take
from payments.tests.test_stripe_money import collected, in_order, released

pytestmark = pytest.mark.django_db


def compare(hours: float) -> ReconciliationRun:
    """A run so many hours from now."""
    with clock.frozen(clock.now() + timedelta(hours=hours)):
        return reconcile(psp="stripe", reach=Reach.NIGHTLY)


def paid_out(server: StripeServer) -> tuple[Funding, Payment]:
    """A deposit that Stripe collected and paid on."""
    escrow, funding = collected(server, milestones=[10_000])
    payment = released(server, escrow)
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    assert payment.status == "SETTLED"
    return funding, payment


def given_back(server: StripeServer) -> Payment:
    """A deposit that Stripe collected and is giving back."""
    escrow, _ = collected(server)
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    payment = Payment.objects.get(escrow=escrow, kind="refund")
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    return payment


def test_honest_rounds_through_stripe_agree(stripe_server: StripeServer) -> None:
    paid_out(stripe_server)
    refund = given_back(stripe_server)
    assert refund.status == "SENT"

    run = compare(1)
    assert (run.status, run.found, run.listed, run.agreed) == ("DONE", {}, 4, 4)

    take(stripe_server.end_refund(str(refund.psp_ref), "succeeded"))
    refund.refresh_from_db()
    assert refund.status == "SETTLED"
    run = compare(2)
    assert (run.found, run.agreed) == ({}, 4)
    in_order()


def test_a_reversal_that_stripe_never_reported_is_told_after_the_grace(
    stripe_server: StripeServer,
) -> None:
    _, payment = paid_out(stripe_server)
    stripe_server.reverse(str(payment.psp_ref))

    assert (compare(1).found, Difference.objects.get().status) == ({"STATUS": 1}, "WATCHED")
    assert compare(2).opened == 1

    row = Difference.objects.get()
    assert (row.status, row.subject) == ("OPEN", payment.reference)
    assert (row.ours_state, row.theirs_state) == ("settled", "returned")
    payment.refresh_from_db()
    assert payment.status == "SETTLED"
    in_order()


def test_what_somebody_did_at_stripes_own_pages_is_told(stripe_server: StripeServer) -> None:
    funding, payment = paid_out(stripe_server)
    stripe_server.balance["eur"] = 10_000
    account = stripe_server.objects[str(payment.psp_ref)]["destination"]
    stripe_server._transfer({"amount": "500", "currency": "eur", "destination": account})
    stripe_server.make_refund({"payment_intent": str(funding.psp_ref), "amount": "700"})

    assert compare(1).found == {"MISSING_HERE": 2}
    assert set(Difference.objects.values_list("movement", "theirs_minor")) == {
        ("transfer", 500),
        ("refund", 700),
    }


def test_a_session_that_nobody_pays_is_no_difference(stripe_server: StripeServer) -> None:
    stripe_server._collect({"amount": "500", "currency": "eur"})
    assert compare(1).found == {}


def test_a_list_of_stripes_that_breaks_off_compares_nothing(stripe_server: StripeServer) -> None:
    paid_out(stripe_server)
    stripe_server.misbehave(500, {"error": {"type": "api_error"}})
    run = compare(1)
    assert (run.status, run.ours, run.found) == ("UNREAD", 0, {})
    assert not Difference.objects.exists()
