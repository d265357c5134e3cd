"""A payment that was paid after it had failed is booked as paid; one person never pays it again."""

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
from payments.models import Batch, Payment
from payments.psp.base import OrderState, Outcome
from payments.services.after_all import say_was_paid
from payments.services.holds import hold_payment, lift_hold
from payments.services.outcomes import record_outcome
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.tests.batches import lines, make_batch, tell_outcomes
from payments.tests.books import assert_in_order, at_psp, payable
from payments.tests.factories import make_failed, make_payout, report
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db


def contradicted(psp: StubPsp, *, is_ordered_again: bool = False) -> Payment:
    """A payment whose PSP said that it failed, and then that it was paid."""
    payment = make_failed(psp)
    if is_ordered_again:
        execute_payment(payment_id=payment.pk, caller=make_caller(Scope.SUPPORT))
    payment.refresh_from_db()
    attempt = payment.attempts.get()

    record_outcome(attempt_id=attempt.pk, outcome=Outcome(OrderState.SETTLED), actor="psp:fake")
    payment.refresh_from_db()
    assert payment.hold_reason == "contradiction"
    return payment


@pytest.mark.parametrize("stands", ["failed", "ordered again"])
def test_two_people_book_what_was_paid_after_it_had_failed(psp: StubPsp, stands: str) -> None:
    payment = contradicted(psp, is_ordered_again=stands == "ordered again")
    first, second = make_staff_caller(), make_staff_caller()

    for _ in range(2):
        assert not say_was_paid(payment_id=payment.pk, caller=first).granted
    assert (payable(payment), at_psp()) == (10_000, 10_000)
    assert say_was_paid(payment_id=payment.pk, caller=second).granted

    payment.refresh_from_db()
    assert (payment.status, payment.hold_reason, payment.attempt) == ("SETTLED", "", 1)
    assert payment.attempts.get().result == "settled"
    assert (payable(payment), at_psp()) == (0, 0)
    assert AuditEntry.objects.get(action="payment.settled").actor == second.actor
    assert Alert.objects.filter(severity="critical", message__contains="Two people").count() == 1
    send_payment(payment_id=payment.pk)
    assert len(psp.sent) == 1
    with pytest.raises(InvalidState):
        say_was_paid(payment_id=payment.pk, caller=first)
    assert_in_order()


def test_one_person_cannot_let_it_be_paid_again(psp: StubPsp) -> None:
    payment = contradicted(psp)
    first, second = make_staff_caller("support"), make_staff_caller("support")

    hold_payment(payment_id=payment.pk, caller=first)
    for _ in range(2):
        assert lift_hold(payment_id=payment.pk, caller=first).hold_reason == "contradiction"
    with pytest.raises(PaymentOnHold):
        execute_payment(payment_id=payment.pk, caller=first)
    assert lift_hold(payment_id=payment.pk, caller=second).hold_reason == ""
    assert AuditEntry.objects.filter(action="payment.hold_lifted").count() == 1


def test_a_contradiction_stands_above_the_hold_of_one_person(psp: StubPsp) -> None:
    payment = make_failed(psp)
    hold_payment(payment_id=payment.pk, caller=make_staff_caller())
    report(payment, OrderState.SETTLED)
    assert payment.hold_reason == "contradiction"


def test_a_corrected_statement_is_booked_with_its_line(psp: StubPsp) -> None:
    batch: Batch = make_batch("EXPORTED")
    tell_outcomes(batch, "failed")
    tell_outcomes(batch, "settled")
    payment = lines(batch)[0].payment
    for _ in range(2):
        say_was_paid(payment_id=payment.pk, caller=make_staff_caller())

    line = lines(batch)[0]
    assert (line.status, line.payment.status) == ("SETTLED", "SETTLED")
    assert tell_outcomes(batch, "settled").problems == []
    assert_in_order()


def test_nobody_says_so_of_what_is_their_own_or_only_failed(psp: StubPsp) -> None:
    payment = contradicted(psp)
    with pytest.raises(InsufficientScope):
        say_was_paid(payment_id=payment.pk, caller=as_client(payment.escrow))
    party = make_caller(Scope.SUPPORT, payment.payee)
    for say in (say_was_paid, lift_hold):
        with pytest.raises(OwnPaymentForbidden):
            say(payment_id=payment.pk, caller=party)
    for other in (make_failed(psp), make_payout()):
        with pytest.raises(InvalidState):
            say_was_paid(payment_id=other.pk, caller=make_staff_caller())


def test_two_people_say_so_in_the_console(psp: StubPsp) -> None:
    payment = contradicted(psp)
    path = reverse("admin:payments_payment_was_paid", args=[payment.pk])
    for said in ("Another person must say the same.", "is booked as paid"):
        console = Client()
        console.force_login(make_staff("admin"))
        assert said in console.post(path, {"sure": "yes"}, follow=True).content.decode()
    payment.refresh_from_db()
    assert payment.status == "SETTLED"
