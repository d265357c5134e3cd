"""Another amount than was ordered is booked as the PSP paid it, when two people say so."""

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from escrow.services.acceptance import approve_escrow
from escrow.services.journal import Said
from escrow.tests.books import assert_in_order as assert_escrows_in_order
from escrow.tests.factories import as_client, milestone_of
from kobatela.accounts.tests.factories import make_caller, make_staff, make_staff_caller
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState
from kobatela.kernel.money import Money
from kobatela.rest.errors import InsufficientScope
from payments.errors import OwnPaymentForbidden
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Attempt, Payment
from payments.psp.base import OrderState, Outcome
from payments.services.paid_otherwise import settle_as_told
from payments.services.sending import send_payment
from payments.tests.books import assert_in_order, at_psp, funds, payable
from payments.tests.factories import (
    charged_escrow,
    make_payout,
    make_refund,
    make_sent,
    make_settled,
    report,
    take_event,
)
from payments.tests.stub_psp import StubPsp
from spend.tests.factories import buy, make_mandate

pytestmark = pytest.mark.django_db


def told(
    psp: StubPsp,
    payment: Payment,
    minor: int,
    state: OrderState = OrderState.SETTLED,
    currency: str = "EUR",
) -> Payment:
    """A payment in transit of which the PSP says so much."""
    make_sent(psp, payment)
    attempt = Attempt.objects.get(payment=payment)
    outcome = Outcome(state, psp_ref=attempt.psp_ref, money=Money(minor, currency))
    psp.orders[attempt.psp_key] = outcome
    report(payment, state, money=Money(minor, currency))
    assert payment.status == "SENT"
    return payment


def settle(payment: Payment) -> None:
    """Two people say that it is as the PSP says."""
    first, second = make_staff_caller(), make_staff_caller()
    for _ in range(2):
        assert not settle_as_told(payment_id=payment.pk, caller=first).granted
    assert Payment.objects.get(pk=payment.pk).status == "SENT"
    assert settle_as_told(payment_id=payment.pk, caller=second).granted
    payment.refresh_from_db()


def rest_of(payment: Payment) -> Payment:
    """What is still owed, as a payment of its own."""
    return Payment.objects.get(business_key=f"{payment.reference}:unpaid")


def test_less_is_booked_and_the_rest_is_paid_on_its_own(psp: StubPsp) -> None:
    payment = told(psp, make_payout(), 9_000)

    settle(payment)

    rest = rest_of(payment)
    assert (payment.status, payment.amount_minor, at_psp()) == ("SETTLED", 9_000, 1_000)
    assert (rest.status, rest.amount_minor, rest.kind) == ("PENDING", 1_000, "payout")
    assert (rest.payee_id, payable(rest)) == (payment.payee_id, 1_000)
    entry = AuditEntry.objects.get(action="payment.paid_otherwise")
    assert '"ordered_minor":10000,"paid_minor":9000' in entry.body.replace(" ", "")
    assert_in_order()
    # What the PSP says once more is known by now.
    take_event("payment.settled", psp_ref=payment.psp_ref, amount="90.00", currency="EUR")
    make_settled(psp, rest)
    assert (payable(rest), at_psp(), Payment.objects.count()) == (0, 0, 2)
    with pytest.raises(InvalidState):
        settle_as_told(payment_id=payment.pk, caller=make_staff_caller())
    assert_in_order()


def test_the_rest_of_a_refund_goes_back_through_its_charge(psp: StubPsp) -> None:
    payment = told(psp, make_refund(), 2_500)
    settle(payment)
    rest = rest_of(payment)
    assert (rest.kind, rest.charge_ref, funds(rest)) == ("refund", "charge_7", 7_500)
    make_settled(psp, rest)
    assert (funds(rest), at_psp()) == (0, 0)
    assert_in_order()


def test_a_milestone_is_paid_by_the_part_and_the_rest_is_its_payees(psp: StubPsp) -> None:
    escrow, _ = charged_escrow(milestones=[10_000])
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    payment = told(psp, Payment.objects.get(), 9_999)
    settle(payment)
    assert milestone_of(escrow).status == "PAID"
    make_settled(psp, rest_of(payment))
    assert (payable(payment), at_psp()) == (0, 0)
    assert_in_order()
    assert_escrows_in_order()


def test_the_rest_of_a_purchase_is_paid_to_its_merchant(psp: StubPsp) -> None:
    escrow, _ = charged_escrow()
    buy(make_mandate(escrow=escrow), 6_000)
    payment = told(psp, Payment.objects.get(), 5_000)
    settle(payment)
    rest = rest_of(payment)
    assert (rest.party, rest.origin, rest.payee_id) == (payment.party, "", payment.payee_id)
    make_settled(psp, rest)
    assert rest.destination == payment.destination
    assert at_psp() == 4_000
    assert_in_order()
    assert_escrows_in_order()


def test_what_is_above_the_order_is_our_loss_and_nobody_elses(psp: StubPsp) -> None:
    charged_escrow()
    payment = told(psp, make_payout(), 11_000)
    settle(payment)
    assert (payment.status, payment.amount_minor, payable(payment)) == ("SETTLED", 10_000, 0)
    assert (at_psp(), ledger.balance_minor(chart.operator(), "EUR")) == (9_000, -1_000)
    assert Payment.objects.count() == 1
    assert_in_order()


def test_an_order_of_another_amount_that_failed_was_not_paid(psp: StubPsp) -> None:
    payment = told(psp, make_payout(), 9_000, OrderState.FAILED)
    settle(payment)
    assert (payment.status, payment.amount_minor) == ("ERROR", 10_000)
    assert (payable(payment), at_psp()) == (10_000, 10_000)
    assert_in_order()


@pytest.mark.parametrize(
    ("minor", "state", "currency"),
    [
        (10_000, OrderState.ACCEPTED, "EUR"),
        (9_000, OrderState.ACCEPTED, "EUR"),
        (9_000, OrderState.SETTLED, "USD"),
    ],
)
def test_nobody_books_what_the_psp_does_not_say(
    psp: StubPsp, minor: int, state: OrderState, currency: str
) -> None:
    payment = told(psp, make_payout(), minor, state, currency)
    with pytest.raises(InvalidState):
        settle_as_told(payment_id=payment.pk, caller=make_staff_caller())
    assert_in_order()


def test_two_people_who_were_told_other_figures_are_one(psp: StubPsp) -> None:
    payment = told(psp, make_payout(), 9_000)
    settle_as_told(payment_id=payment.pk, caller=make_staff_caller())
    attempt = Attempt.objects.get()
    other = Outcome(OrderState.SETTLED, psp_ref=attempt.psp_ref, money=Money(8_000, "EUR"))
    psp.orders[attempt.psp_key] = other
    assert not settle_as_told(payment_id=payment.pk, caller=make_staff_caller()).granted
    payment.refresh_from_db()
    assert payment.status == "SENT"


def test_nobody_says_so_of_what_is_their_own_or_waits(psp: StubPsp) -> None:
    payment = told(psp, make_payout(), 9_000)
    with pytest.raises(InsufficientScope):
        settle_as_told(payment_id=payment.pk, caller=as_client(payment.escrow))
    with pytest.raises(OwnPaymentForbidden):
        settle_as_told(payment_id=payment.pk, caller=make_caller(Scope.SUPPORT, payment.payee))
    with pytest.raises(InvalidState):
        settle_as_told(payment_id=make_payout().pk, caller=make_staff_caller())


def test_two_people_say_so_in_the_console(psp: StubPsp) -> None:
    payment = told(psp, make_payout(), 9_000)
    path = reverse("admin:payments_payment_as_told", args=[payment.pk])
    for said in ("Another person must say the same.", "is booked as the PSP says"):
        console = Client()
        console.force_login(make_staff("admin"))
        assert said in console.post(path, {"sure": "yes"}, follow=True).content.decode()
    send_payment(payment_id=rest_of(payment).pk)
    assert len(psp.sent) == 2
    assert_in_order()
