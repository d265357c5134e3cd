"""What was spent, failed, was taken back, and was paid all the same is booked by two people."""

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Alert, AuditEntry
from escrow.models import Escrow
from escrow.services.refunds import refund_escrow
from escrow.tests.books import assert_in_order as assert_escrows_in_order
from escrow.tests.factories import as_client, as_provider, minor_of
from kobatela.accounts.tests.factories import make_caller, make_staff, make_staff_caller, make_user
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState
from kobatela.kernel.money import Money
from payments.errors import FundsNotThere, OwnFundsForbidden, PaymentOnHold, PaymentTakenBack
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Payment
from payments.psp.base import OrderState
from payments.services.after_all import say_was_paid
from payments.services.batch_files import release_file
from payments.services.batches import approve_batch, collect_batch
from payments.services.funds import approve_move, propose_move
from payments.services.payouts import execute_payment
from payments.tests import batches
from payments.tests.accounts import make_destination
from payments.tests.books import assert_in_order, at_psp
from payments.tests.conftest import psp as psp  # noqa: PLC0414 - the PSP that pays
from payments.tests.factories import charged_escrow, make_failed, make_settled, report
from payments.tests.stub_psp import StubPsp
from spend.services.destinations import Destination
from spend.services.refunds import refund_purchase
from spend.services.take_backs import take_back_spending
from spend.tests.factories import as_sender, buy, make_mandate, make_payee, pay

pytestmark = pytest.mark.django_db


def in_order() -> None:
    """Books, payments and escrows agree."""
    assert_in_order()
    assert_escrows_in_order()


def taken_back(psp: StubPsp) -> tuple[Escrow, Payment]:
    """60 of 100 were to go to a merchant, the PSP said no, and the sender took them back."""
    escrow, _ = charged_escrow()
    purchase = buy(make_mandate(escrow=escrow), 6_000)
    payment = make_failed(psp, Payment.objects.get())
    refund_purchase(caller=as_sender(purchase.mandate), purchase_id=purchase.pk)
    payment.refresh_from_db()
    assert payment.status == "CANCELLED"
    return escrow, payment


def say(payment: Payment) -> None:
    """Two people have seen that it was paid."""
    first, second = make_staff_caller(), make_staff_caller()
    for _ in range(2):
        assert not say_was_paid(payment_id=payment.pk, caller=first).granted
    payment.refresh_from_db()
    assert payment.status == "CANCELLED"
    assert say_was_paid(payment_id=payment.pk, caller=second).granted
    payment.refresh_from_db()


def owed(escrow: Escrow, currency: str = "EUR") -> int:
    """What the sender owes us."""
    return ledger.balance_minor(chart.receivable(escrow.client_id), currency)


def test_what_is_still_free_in_the_escrow_pays_what_was_paid_after_all(psp: StubPsp) -> None:
    escrow, payment = taken_back(psp)
    report(payment, OrderState.SETTLED)
    assert (payment.hold_reason, at_psp()) == ("contradiction", 10_000)
    assert Alert.objects.filter(type="PSP_EVENT_CONTRADICTS", severity="critical").count() == 1

    say(payment)

    escrow.refresh_from_db()
    assert (payment.status, payment.hold_reason, payment.debt_minor) == ("SETTLED", "", 0)
    assert (escrow.released_minor, escrow.available_minor) == (6_000, 4_000)
    assert (owed(escrow), at_psp()) == (0, 4_000)
    assert AuditEntry.objects.filter(action="escrow.spent_after_all").count() == 1
    in_order()
    with pytest.raises(InvalidState):
        say_was_paid(payment_id=payment.pk, caller=make_staff_caller())


@pytest.mark.parametrize(("refunded", "debt"), [(10_000, 6_000), (6_000, 2_000)])
def test_what_left_the_escrow_meanwhile_is_owed_by_its_payer(
    psp: StubPsp, refunded: int, debt: int
) -> None:
    escrow, payment = taken_back(psp)
    amount = None if refunded == 10_000 else minor_of(refunded)
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=amount)
    make_settled(psp, Payment.objects.get(kind="refund"))
    report(payment, OrderState.SETTLED)

    say(payment)

    escrow.refresh_from_db()
    assert (payment.status, payment.debt_minor, owed(escrow)) == ("SETTLED", debt, debt)
    assert (escrow.released_minor, escrow.available_minor) == (6_000 - debt, 0)
    assert at_psp() == 10_000 - refunded - 6_000
    in_order()

    # What its payer pays back makes it good, and no more than that.
    terms = {"source": payment.reference, "target": "fake", "bank_ref": "VIR 42/26"}
    with pytest.raises(FundsNotThere):
        propose_move(caller=make_staff_caller(), money=Money(debt + 1, "EUR"), **terms)
    with pytest.raises(OwnFundsForbidden):
        payer = make_caller(Scope.SUPPORT, escrow.client)
        propose_move(caller=payer, money=Money(debt, "EUR"), **terms)
    move = propose_move(caller=make_staff_caller(), money=Money(debt, "EUR"), **terms).move
    approve_move(caller=make_staff_caller(), move_id=move.pk)
    payment.refresh_from_db()
    assert (payment.debt_minor, owed(escrow)) == (0, 0)
    in_order()


def test_a_line_that_a_corrected_statement_settles_is_booked_with_its_payment(
    psp: StubPsp,
) -> None:
    escrow, _ = charged_escrow(50_000, currency="XOF")
    user = make_user()
    make_destination(user, "mobile_money")
    payment = pay(make_payee(escrow, destination=Destination(user_id=user.pk)), 20_000)
    batch = collect_batch(caller=make_staff_caller(), currency="XOF", kind="mobile_money")
    for _ in range(2):
        approve_batch(caller=make_staff_caller(), batch_id=batch.pk)
    release_file(caller=make_staff_caller(), batch_id=batch.pk)
    batches.tell_outcomes(batch, "failed")
    take_back_spending(caller=as_client(escrow), payment_id=payment.pk)
    batches.tell_outcomes(batch, "settled")
    payment.refresh_from_db()

    say(payment)

    escrow.refresh_from_db()
    assert batches.lines(batch)[0].status == payment.status == "SETTLED"
    assert (escrow.available_minor, owed(escrow, "XOF")) == (30_000, 0)
    assert at_psp("XOF", "manual") == -20_000
    in_order()


def test_nobody_says_so_of_what_no_psp_contradicted_and_nobody_pays_it_again(
    psp: StubPsp,
) -> None:
    _, payment = taken_back(psp)
    with pytest.raises(InvalidState):
        say_was_paid(payment_id=payment.pk, caller=make_staff_caller())
    report(payment, OrderState.SETTLED)
    with pytest.raises(PaymentTakenBack):
        execute_payment(payment_id=payment.pk, caller=make_staff_caller())
    say(payment)

    report(payment, OrderState.RETURNED)

    # Nor by one person's word when it comes back then: it had been taken back before.
    successor = Payment.objects.get(business_key=f"{payment.reference}:again")
    assert successor.hold_reason == "contradiction"
    with pytest.raises(PaymentOnHold):
        execute_payment(payment_id=successor.pk, caller=make_staff_caller())
    in_order()


def test_two_people_say_so_in_the_console(psp: StubPsp) -> None:
    _, payment = taken_back(psp)
    report(payment, OrderState.SETTLED)
    path = reverse("admin:payments_payment_was_paid", args=[payment.pk])
    for said in ("Another person must say the same.", "is booked as paid"):
        console = Client()
        console.force_login(make_staff("admin"))
        assert said in console.post(path, {"sure": "yes"}, follow=True).content.decode()
    payment.refresh_from_db()
    assert payment.status == "SETTLED"
