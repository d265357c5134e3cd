"""Whole ways of money through Stripe: in, out, back, taken back, and what it costs."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from audit.models import Alert
from escrow.models import Escrow
from escrow.services.acceptance import approve_escrow
from escrow.services.journal import Said
from escrow.services.refunds import refund_escrow
from escrow.tests.books import assert_in_order as assert_escrows_in_order
from escrow.tests.factories import as_client, as_provider, make_escrow, milestone_of
from kobatela.accounts.services.users import set_stripe_account
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Chargeback, Funding, Payment
from payments.psp.tests.stripe_installation import stripe_server as stripe_server  # noqa: PLC0414
from payments.psp.tests.stripe_server import StripeServer
from payments.services.fundings import open_session
from payments.services.sending import send_payment
from payments.services.sweeps import sweep
from payments.tests.books import assert_in_order, at_psp
from payments.tests.stripe_events import take

pytestmark = pytest.mark.django_db


def collected(
    server: StripeServer, amount_minor: int = 10_000, currency: str = "EUR", **terms: Any
) -> tuple[Escrow, Funding]:
    """An escrow that Stripe has funded, and its funding."""
    escrow = make_escrow("DRAFT", amount_total_minor=amount_minor, currency=currency, **terms)
    funding = open_session(
        caller=as_client(escrow),
        escrow_id=escrow.pk,
        payer_id=escrow.client_id,
        money=Money(amount_minor, currency),
    )
    assert funding.psp_ref is not None
    assert take(server.pay(funding.psp_ref)).status == "PROCESSED"
    escrow.refresh_from_db()
    funding.refresh_from_db()
    assert escrow.status == "FUNDED"
    return escrow, funding


def released(server: StripeServer, escrow: Escrow) -> Payment:
    """The payout of all that the escrow held, to an account at Stripe."""
    set_stripe_account(
        caller=make_staff_caller("admin"),
        user_id=escrow.provider_id,
        account_id=server.add_account(),
    )
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    return Payment.objects.get(escrow=escrow, kind="payout")


def in_order() -> None:
    """Books, payments and escrows agree."""
    assert_in_order()
    assert_escrows_in_order()


def test_d24_a_payout_through_stripe_settles_when_its_transfer_is_reported(
    stripe_server: StripeServer,
) -> None:
    escrow, _ = collected(stripe_server, milestones=[10_000])
    payment = released(stripe_server, escrow)
    # The answer to our call is lost; the event alone tells of the transfer.
    stripe_server.misbehave(500, {"error": {}}, is_done=True)
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    assert (payment.status, milestone_of(escrow).status) == ("SENT", "PAYING")
    (transfer,) = stripe_server.all("transfer")

    take(stripe_server.event("transfer.created", transfer))

    payment.refresh_from_db()
    assert (payment.status, payment.psp_ref) == ("SETTLED", transfer["id"])
    assert milestone_of(escrow).status == "PAID"
    assert at_psp(name="stripe") == 0
    in_order()


def test_a_transfer_that_is_reversed_waits_for_a_person_as_a_new_payment(
    stripe_server: StripeServer,
) -> None:
    escrow, _ = collected(stripe_server)
    payment = released(stripe_server, escrow)
    send_payment(payment_id=payment.pk)
    (transfer,) = stripe_server.all("transfer")

    take(stripe_server.reverse(transfer["id"]))

    first, successor = Payment.objects.order_by("pk")
    assert (first.status, successor.status, successor.hold_reason) == (
        "REFUNDED",
        "PENDING",
        "returned",
    )
    assert at_psp(name="stripe") == 10_000
    in_order()


@pytest.mark.parametrize("is_told", [True, False])
def test_a_refund_that_fails_after_it_left_is_the_payers_again(
    stripe_server: StripeServer,
    is_told: bool,  # noqa: FBT001 - whether it was reported as arrived before
) -> None:
    escrow, _ = collected(stripe_server)
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    payment = Payment.objects.get()
    send_payment(payment_id=payment.pk)
    (refund,) = stripe_server.all("refund")
    if is_told:
        take(stripe_server.end_refund(refund["id"], "succeeded"))

    take(stripe_server.end_refund(refund["id"], "failed"))

    first, successor = Payment.objects.order_by("pk")
    assert (first.status, successor.hold_reason) == ("REFUNDED", "returned")
    assert ledger.balance_minor(chart.user_funds(escrow.client_id), "EUR") == 10_000
    assert Alert.objects.get().type == "PAYOUT_RETURNED"
    in_order()


def test_what_stripe_kept_of_a_charge_is_asked_for_and_booked_once(
    stripe_server: StripeServer,
) -> None:
    _, funding = collected(stripe_server)
    charge = stripe_server.objects[funding.psp_ref or ""]["latest_charge"]
    with clock.frozen(clock.now() + timedelta(minutes=11)):
        assert sweep()["fees"] == 1
        assert sweep()["fees"] == 0
    stripe_server.fees[charge] = 320

    with clock.frozen(clock.now() + timedelta(hours=13)):
        assert sweep()["fees"] == 1
        assert sweep()["fees"] == 0

    funding.refresh_from_db()
    assert funding.fee_minor == 320
    assert ledger.balance_minor(chart.psp_fee(), "EUR") == 320
    assert at_psp(name="stripe") == 9_680
    in_order()


def test_a_fee_that_stripe_does_not_tell_is_not_asked_for_for_ever(
    stripe_server: StripeServer,
) -> None:
    collected(stripe_server)
    asked = 0
    for hours in range(1, 24 * 5, 3):
        with clock.frozen(clock.now() + timedelta(hours=hours)):
            asked += sweep()["fees"]
    assert 4 <= asked <= 8
    assert ledger.balance_minor(chart.psp_fee(), "EUR") == 0


@pytest.mark.parametrize(
    ("currency", "amount_minor", "fee_minor"),
    [("EUR", 10_000, 1_500), ("XOF", 65_000, 9_000), ("KWD", 10_000, 5_120)],
)
def test_a_dispute_that_is_lost_takes_the_money_and_its_fee(
    stripe_server: StripeServer,
    settings: Settings,
    currency: str,
    amount_minor: int,
    fee_minor: int,
) -> None:
    settings.KOBATELA_CURRENCIES = ["EUR", "XOF", "KWD"]
    escrow, funding = collected(stripe_server, amount_minor, currency)
    intent = str(funding.psp_ref)

    opened = stripe_server.dispute(intent, "needs_response", fee=fee_minor)
    take(stripe_server.event("charge.dispute.created", opened))
    withdrawn = stripe_server.event("charge.dispute.funds_withdrawn", opened)
    assert take(withdrawn).status == "PROCESSED"
    escrow.refresh_from_db()
    assert (escrow.funded_minor, escrow.frozen_minor) == (amount_minor, amount_minor)
    closed = stripe_server.dispute(intent, "lost", fee=fee_minor)
    take(stripe_server.event("charge.dispute.closed", closed))

    case = Chargeback.objects.get()
    escrow.refresh_from_db()
    assert (case.status, case.fee_minor, case.owed_minor) == ("LOST", fee_minor, 0)
    assert escrow.funded_minor == 0
    assert ledger.balance_minor(chart.dispute_fee(), currency) == fee_minor
    assert at_psp(currency, "stripe") == -fee_minor
    in_order()


def test_a_dispute_that_is_won_gives_everything_back_but_its_fee(
    stripe_server: StripeServer,
) -> None:
    escrow, funding = collected(stripe_server)
    intent = str(funding.psp_ref)
    opened = stripe_server.dispute(intent, "needs_response", fee=1_500)
    take(stripe_server.event("charge.dispute.created", opened))

    won = stripe_server.dispute(intent, "won", fee=1_500)
    take(stripe_server.event("charge.dispute.closed", won))

    escrow.refresh_from_db()
    assert (escrow.funded_minor, escrow.frozen_minor, escrow.status) == (10_000, 0, "FUNDED")
    assert at_psp(name="stripe") == 8_500
    in_order()


def test_a_dispute_fee_that_stripe_gives_back_is_no_expense(stripe_server: StripeServer) -> None:
    _, funding = collected(stripe_server)
    intent = str(funding.psp_ref)
    opened = stripe_server.dispute(intent, "needs_response", fee=1_500)
    take(stripe_server.event("charge.dispute.created", opened))

    take(stripe_server.event("charge.dispute.closed", stripe_server.dispute(intent, "won")))

    assert ledger.balance_minor(chart.dispute_fee(), "EUR") == 0
    assert at_psp(name="stripe") == 10_000
    in_order()
