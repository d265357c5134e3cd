"""What was bought, given back, and then comes back from the PSP as well."""

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Alert, AuditEntry
from escrow.tests.factories import as_client
from kobatela.accounts.tests.factories import make_caller, make_staff, make_staff_caller
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState
from kobatela.rest.errors import InsufficientScope
from payments.errors import OwnPaymentForbidden, PaymentOnHold
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Payment
from payments.psp.base import OrderState
from payments.services.holds import lift_hold
from payments.services.payouts import execute_payment
from payments.services.same_money import say_same_money
from payments.services.sending import send_payment
from payments.tests.conftest import psp as psp  # noqa: PLC0414 - the PSP that pays
from payments.tests.factories import charged_escrow, make_settled, report
from payments.tests.stub_psp import StubPsp
from spend.models import Purchase
from spend.services.refunds import refund_purchase
from spend.tests.books import assert_in_order
from spend.tests.factories import buy, make_mandate

pytestmark = pytest.mark.django_db


def returned_twice(psp: StubPsp) -> Payment:
    """60 of 100 were paid for a purchase that support booked as given back; then the PSP says that
    they returned. The payment that waits because of that."""
    escrow, _ = charged_escrow()
    purchase = buy(make_mandate(escrow=escrow), 6_000)
    payment = make_settled(psp, Payment.objects.get())
    refund_purchase(
        caller=make_staff_caller("support"), purchase_id=purchase.pk, note="Seen on the account."
    )
    return successor_of(report(payment, OrderState.RETURNED))


def successor_of(payment: Payment) -> Payment:
    """What waits to be paid because this came back."""
    return Payment.objects.get(business_key=f"{payment.reference}:again")


def figures(payment: Payment) -> tuple[int, int, int, int]:
    """What is owed to the merchant, at the PSP and by hand, and what the escrow holds."""
    of = (
        chart.party_payable(payment.party),
        chart.psp("fake"),
        chart.psp("manual"),
        chart.escrow_held(payment.escrow_id),
    )
    owed, at_psp, by_hand, held = (ledger.balance_minor(account, "EUR") for account in of)
    return owed, at_psp, by_hand, held


def test_a_merchant_who_gave_the_money_back_is_not_paid_again_when_it_returns(
    psp: StubPsp,
) -> None:
    successor = returned_twice(psp)

    assert (successor.status, successor.hold_reason) == ("PENDING", "contradiction")
    with pytest.raises(PaymentOnHold):
        execute_payment(payment_id=successor.pk, caller=as_client(successor.escrow))
    assert len(psp.orders) == 1
    told = Alert.objects.get(type="PAYOUT_RETURNED")
    assert "the same money" in told.message
    assert_in_order()


def test_two_people_say_that_it_is_the_same_money_and_nobody_is_owed_it(psp: StubPsp) -> None:
    successor = returned_twice(psp)
    assert figures(successor) == (6_000, 10_000, 6_000, 10_000)
    first, second = make_staff_caller("support"), make_staff_caller("support")

    for _ in range(2):
        assert not say_same_money(payment_id=successor.pk, caller=first).granted
    assert figures(successor) == (6_000, 10_000, 6_000, 10_000)
    assert say_same_money(payment_id=successor.pk, caller=second).granted

    successor.refresh_from_db()
    assert (successor.status, successor.hold_reason) == ("CANCELLED", "")
    assert figures(successor) == (0, 10_000, 0, 10_000)
    assert Purchase.objects.get().status == "REFUNDED"
    entry = AuditEntry.objects.get(action="payment.same_money")
    assert (entry.actor, entry.subject) == (second.actor, successor.reference)
    for again in (say_same_money, lift_hold):
        with pytest.raises(InvalidState):
            again(payment_id=successor.pk, caller=first)
    send_payment(payment_id=successor.pk)
    assert len(psp.orders) == 1
    assert_in_order()


def test_once_two_people_said_that_it_is_other_money_nobody_says_the_contrary(
    psp: StubPsp,
) -> None:
    successor = returned_twice(psp)
    for _ in range(2):
        lift_hold(payment_id=successor.pk, caller=make_staff_caller("support"))

    with pytest.raises(InvalidState):
        say_same_money(payment_id=successor.pk, caller=make_staff_caller("support"))

    make_settled(psp, successor)
    assert figures(successor) == (0, 4_000, 6_000, 10_000)
    assert_in_order()


def test_the_money_of_one_refund_is_the_same_once(psp: StubPsp) -> None:
    first = returned_twice(psp)
    for _ in range(2):
        lift_hold(payment_id=first.pk, caller=make_staff_caller("support"))
    second = successor_of(report(make_settled(psp, first), OrderState.RETURNED))
    for _ in range(2):
        say_same_money(payment_id=second.pk, caller=make_staff_caller("support"))

    assert figures(second) == (0, 10_000, 0, 10_000)
    assert_in_order()


def test_only_staff_without_a_stake_say_so_and_only_of_what_was_given_back(psp: StubPsp) -> None:
    successor = returned_twice(psp)
    with pytest.raises(InsufficientScope):
        say_same_money(payment_id=successor.pk, caller=as_client(successor.escrow))
    with pytest.raises(OwnPaymentForbidden):
        say_same_money(payment_id=successor.pk, caller=make_caller(Scope.SUPPORT, successor.payer))
    escrow, _ = charged_escrow()
    buy(make_mandate(escrow=escrow), 6_000)
    payment = make_settled(psp, Payment.objects.latest("pk"))
    # Nobody gave it back: what returned is the only money there is.
    other = successor_of(report(payment, OrderState.RETURNED))
    Payment.objects.filter(pk=other.pk).update(hold_reason="contradiction")
    for wrong in (payment, other):
        with pytest.raises(InvalidState):
            say_same_money(payment_id=wrong.pk, caller=make_staff_caller())
    assert_in_order()


def test_two_people_say_so_in_the_console(psp: StubPsp) -> None:
    successor = returned_twice(psp)
    path = reverse("admin:payments_payment_same_money", args=[successor.pk])
    for said in ("Another person must say the same.", "is not paid again"):
        console = Client()
        console.force_login(make_staff("admin"))
        assert said in console.post(path, {"sure": "yes"}, follow=True).content.decode()
    successor.refresh_from_db()
    assert successor.status == "CANCELLED"
