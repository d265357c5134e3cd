"""Giving money back, and confirming what is paid outside."""

import pytest
from django.db import transaction

from audit.models import Alert
from kobatela.accounts.tests.factories import make_caller, make_staff_caller, make_user
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState
from kobatela.kernel.money import CurrencyMismatch, Money
from payments.errors import ConfirmationForbidden, PaymentNotExternal, PaymentNotFound
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.ledger.errors import AlreadyPosted, InsufficientFunds
from payments.models import Payment
from payments.services.payouts import execute_payment
from payments.services.refunds import RefundShare, confirm_external, request_refund
from payments.services.sending import send_payment
from payments.tests.books import assert_in_order, at_psp, funds
from payments.tests.factories import (
    count_in,
    funded_escrow,
    make_refund,
    make_sent,
    make_settled,
    take_event,
)
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db


def refund(shares: list[RefundShare], key: str = "test:refund") -> list[Payment]:
    """A refund out of an escrow that holds 100.00 EUR."""
    escrow = funded_escrow(10_000)
    with transaction.atomic():
        payments = request_refund(
            escrow_id=escrow.pk,
            client_id=escrow.client_id,
            shares=shares,
            business_key=key,
            actor="system:tests",
        )
        count_in(escrow, refunded_minor=sum(share.money.amount_minor for share in shares))
    return payments


def share(amount_minor: int, source: str = "psp:fake", charge: str | None = "ch_1") -> RefundShare:
    """A share in euros."""
    return RefundShare(Money(amount_minor, "EUR"), source, charge)


def test_each_share_goes_back_the_way_it_came(psp: StubPsp) -> None:
    collector = make_user()

    payments = refund(
        [
            share(5_000),
            share(3_000, f"collector:{collector.pk}", None),
            share(2_000, "psp:manual", None),
        ]
    )

    told = [(p.method, p.status, p.psp, p.collector_id, p.charge_ref) for p in payments]
    assert told == [
        ("psp", "PENDING", "fake", None, "ch_1"),
        ("external", "SENT", "", collector.pk, ""),
        ("external", "SENT", "manual", None, ""),
    ]
    assert [p.business_key for p in payments] == [f"test:refund:{n}" for n in (1, 2, 3)]
    assert funds(payments[0]) == 5_000
    assert ledger.balance_minor(chart.escrow_held(payments[0].escrow_id), "EUR") == 0
    assert_in_order()


def test_a_refund_happens_once(psp: StubPsp) -> None:
    refund([share(1_000)])
    with pytest.raises(AlreadyPosted):
        refund([share(1_000)])
    assert Payment.objects.count() == 1


@pytest.mark.parametrize(
    ("shares", "refusal"),
    [
        ([share(10_001)], InsufficientFunds),
        ([share(1_000), RefundShare(Money(1_000, "USD"), "psp:fake", "ch_1")], CurrencyMismatch),
        ([share(1_000, charge=None)], ValueError),
        ([share(1_000, "wallet:3")], ValueError),
    ],
)
def test_a_refund_that_cannot_be_is_refused_whole(
    psp: StubPsp, shares: list[RefundShare], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        refund(shares)
    assert not Payment.objects.exists()
    assert_in_order()


def test_collector_money_is_settled_by_the_collectors_word(psp: StubPsp) -> None:
    collector = make_user()
    payment = make_refund(f"collector:{collector.pk}")
    send_payment(payment_id=payment.pk)
    caller = make_caller(Scope.SENDER, collector, may_confirm_deposits=True)

    confirm_external(payment_id=payment.pk, caller=caller)
    again = confirm_external(payment_id=payment.pk, caller=caller)

    assert again.status == "SETTLED"
    assert psp.sent == []
    assert (funds(payment), at_psp()) == (0, 10_000)
    assert ledger.balance_minor(chart.collector(collector.pk), "EUR") == -10_000
    assert_in_order()


def test_support_confirms_any_external_refund(psp: StubPsp) -> None:
    payment = make_refund("psp:manual")

    confirmed = confirm_external(payment_id=payment.pk, caller=make_staff_caller("support"))

    assert confirmed.status == "SETTLED"
    assert at_psp(name="manual") == -10_000
    assert_in_order()


def test_others_may_not_say_that_it_was_paid(psp: StubPsp) -> None:
    collector = make_user()
    payment = make_refund(f"collector:{collector.pk}")
    payee = payment.payee
    assert payee is not None

    with pytest.raises(ConfirmationForbidden):
        confirm_external(
            payment_id=payment.pk,
            caller=make_caller(Scope.SENDER, payee, may_confirm_deposits=True),
        )
    with pytest.raises(ConfirmationForbidden):
        confirm_external(payment_id=payment.pk, caller=make_caller(Scope.SENDER, collector))
    with pytest.raises(PaymentNotFound):
        confirm_external(
            payment_id=payment.pk,
            caller=make_caller(Scope.SENDER, make_user(), may_confirm_deposits=True),
        )
    payment.refresh_from_db()
    assert payment.status == "SENT"


@pytest.mark.parametrize("scope", [Scope.SUPPORT, Scope.ADMIN])
def test_staff_with_a_stake_do_not_say_that_it_was_paid(psp: StubPsp, scope: Scope) -> None:
    collector = make_user()
    payment = make_refund(f"collector:{collector.pk}")
    assert payment.payee is not None

    for person in (collector, make_user(managed_by=collector), payment.payee):
        with pytest.raises(ConfirmationForbidden):
            confirm_external(payment_id=payment.pk, caller=make_caller(scope, person))

    payment.refresh_from_db()
    assert payment.status == "SENT"
    assert_in_order()


@pytest.mark.parametrize("told", ["refund.failed", "refund.returned", "refund.reversed"])
def test_a_refund_that_fails_after_it_settled_is_owed_to_the_payer_again(
    psp: StubPsp, told: str
) -> None:
    first = make_settled(psp, make_refund())
    assert (at_psp(), funds(first)) == (0, 0)

    for number in range(2):
        event = take_event(told, event_id=f"evt_{number}", psp_ref=first.psp_ref)
        assert event.status == "PROCESSED"

    first.refresh_from_db()
    successor = Payment.objects.exclude(pk=first.pk).get()
    assert first.status == "REFUNDED"
    assert (successor.status, successor.hold_reason) == ("PENDING", "returned")
    assert (at_psp(), funds(first)) == (10_000, 10_000)
    assert list(Alert.objects.values_list("type", "count")) == [("PAYOUT_RETURNED", 1)]

    execute_payment(payment_id=successor.pk, caller=make_staff_caller("support"))
    make_settled(psp, successor)
    assert (at_psp(), funds(first)) == (0, 0)
    assert_in_order()


def test_a_payment_that_the_psp_makes_is_not_confirmed_by_hand(psp: StubPsp) -> None:
    payment = make_sent(psp, make_refund())
    staff = make_staff_caller("support")

    with pytest.raises(PaymentNotExternal) as refused:
        confirm_external(payment_id=payment.pk, caller=staff)

    assert isinstance(refused.value, InvalidState)
    payment.refresh_from_db()
    assert payment.status == "SENT"
