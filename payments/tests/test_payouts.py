"""Releasing money to a payee, and executing its payment."""

import pytest
from django.db import IntegrityError, transaction

from audit.models import AuditEntry, OutboxEvent
from conftest import Doorbells
from kobatela.accounts.tests.factories import make_caller, make_staff_caller, make_user
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.money import Money
from payments.errors import PaymentNotFound, PaymentOnHold, PaymentReturned
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.ledger.errors import AlreadyPosted, InsufficientFunds
from payments.models import Payment
from payments.psp.base import OrderState
from payments.services.holds import hold_payment, lift_hold
from payments.services.payouts import execute_payment, request_payout
from payments.services.sending import send_payment
from payments.tests.books import assert_in_order, payable
from payments.tests.factories import (
    funded_escrow,
    make_failed,
    make_payout,
    make_refund,
    make_sent,
    make_settled,
    report,
)
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db


def payer_of(payment: Payment) -> Caller:
    """A sender's key of the payer."""
    assert payment.payer is not None
    return make_caller(Scope.SENDER, payment.payer)


def test_a_release_is_the_payees_at_once_and_waits_to_be_sent(psp: StubPsp) -> None:
    payment = make_payout(amount_minor=10_000, fee_minor=250)

    assert (payment.status, payment.attempt, payment.amount_minor) == ("PENDING", 1, 9_750)
    assert payment.destination == f"fake:{payment.payee_id}"
    assert payable(payment) == 9_750
    assert ledger.balance_minor(chart.platform_fee(), "EUR") == 250
    assert ledger.balance_minor(chart.escrow_held(payment.escrow_id), "EUR") == 0
    entry = AuditEntry.objects.get(action="payment.requested")
    assert (entry.stream, entry.subject) == (f"escrow:{payment.escrow_id}", f"payment:{payment.pk}")
    assert psp.sent == []
    assert_in_order()


def test_the_worker_is_rung_only_after_the_commit(
    psp: StubPsp, doorbells: Doorbells, django_capture_on_commit_callbacks: object
) -> None:
    payment = make_payout()
    assert doorbells.for_task("payments.tasks.send_payment") == []

    assert callable(django_capture_on_commit_callbacks)
    with django_capture_on_commit_callbacks(execute=True):
        execute_payment(payment_id=payment.pk, caller=payer_of(payment))
    assert doorbells.for_task("payments.tasks.send_payment") == [(str(payment.pk),)]


def test_one_decision_releases_once(psp: StubPsp) -> None:
    payment = make_payout(funded_escrow(10_000), 4_000)

    with pytest.raises(AlreadyPosted), transaction.atomic():
        request_payout(
            escrow_id=payment.escrow_id,
            milestone_id=None,
            payer_id=payment.payer_id or 0,
            payee_id=payment.payee_id or 0,
            money=Money(4_000, "EUR"),
            business_key=payment.business_key,
            actor="system:tests",
        )

    assert Payment.objects.count() == 1
    assert payable(payment) == 4_000


def test_d17_more_than_is_held_is_never_released(psp: StubPsp) -> None:
    escrow = funded_escrow(10_000)
    make_payout(escrow, 6_000)

    with pytest.raises(InsufficientFunds):
        make_payout(escrow, 4_001)

    assert Payment.objects.count() == 1
    assert_in_order()


def test_d21_executing_a_waiting_payment_moves_no_money_by_itself(psp: StubPsp) -> None:
    payment = make_payout()

    executed = execute_payment(payment_id=payment.pk, caller=payer_of(payment))

    assert (executed.status, executed.attempt) == ("PENDING", 1)
    assert psp.sent == []
    assert payable(payment) == 10_000


@pytest.mark.parametrize("make", [make_sent, make_settled])
def test_a_payment_under_way_or_arrived_is_answered_as_it_stands(
    psp: StubPsp, make: object
) -> None:
    assert callable(make)
    payment = make(psp)

    executed = execute_payment(payment_id=payment.pk, caller=payer_of(payment))

    assert (executed.status, executed.attempt) == (payment.status, 1)
    assert len(psp.sent) == 1


def test_d14_a_failed_payment_is_tried_again_on_its_own_row_with_a_new_key(psp: StubPsp) -> None:
    payment = make_failed(psp)
    first_key, first_ref = payment.psp_key, payment.psp_ref

    executed = execute_payment(payment_id=payment.pk, caller=payer_of(payment))

    assert (executed.pk, executed.status, executed.attempt) == (payment.pk, "PENDING", 2)
    assert (executed.psp_key, executed.psp_ref, executed.reason) == ("", None, "")
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    assert payment.status == "SENT"
    assert payment.psp_key not in {first_key, ""}
    assert [attempt.psp_ref for attempt in payment.attempts.order_by("number")] == [
        first_ref,
        payment.psp_ref,
    ]
    assert payable(payment) == 0
    assert_in_order()


def test_a_returned_payment_is_not_executed_its_successor_is(psp: StubPsp) -> None:
    returned = report(make_settled(psp), OrderState.RETURNED)
    (successor,) = Payment.objects.exclude(pk=returned.pk)

    with pytest.raises(PaymentReturned):
        execute_payment(payment_id=returned.pk, caller=payer_of(returned))
    send_payment(payment_id=successor.pk)
    successor.refresh_from_db()
    assert (successor.status, successor.reason) == ("PENDING", "ON_HOLD")

    execute_payment(payment_id=successor.pk, caller=payer_of(successor))
    send_payment(payment_id=successor.pk)
    successor.refresh_from_db()
    assert (successor.status, successor.reason) == ("SENT", "")
    assert_in_order()


def test_d03_a_stranger_finds_no_payment(psp: StubPsp) -> None:
    payment = make_failed(psp)

    with pytest.raises(PaymentNotFound):
        execute_payment(payment_id=payment.pk, caller=make_caller(Scope.SENDER, make_user()))

    payment.refresh_from_db()
    assert payment.status == "ERROR"


def test_a_payment_on_hold_is_not_sent_until_staff_lifts_it(psp: StubPsp) -> None:
    payment = make_payout()
    staff = make_staff_caller("support")

    hold_payment(payment_id=payment.pk, caller=staff)
    hold_payment(payment_id=payment.pk, caller=staff)
    send_payment(payment_id=payment.pk)
    with pytest.raises(PaymentOnHold):
        execute_payment(payment_id=payment.pk, caller=payer_of(payment))
    payment.refresh_from_db()
    assert (payment.status, payment.reason, psp.sent) == ("PENDING", "ON_HOLD", [])

    lift_hold(payment_id=payment.pk, caller=staff)
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    assert (payment.status, payment.reason) == ("SENT", "")
    actions = AuditEntry.objects.filter(action__startswith="payment.h").order_by("pk")
    assert [entry.action for entry in actions] == ["payment.held", "payment.hold_lifted"]


def test_a_milestone_has_one_live_payout_whatever_the_code_does(psp: StubPsp) -> None:
    escrow = funded_escrow(10_000, milestones=[4_000])
    milestone_id = escrow.milestones.get().pk

    def request(key: str) -> Payment:
        with transaction.atomic():
            return request_payout(
                escrow_id=escrow.pk,
                milestone_id=milestone_id,
                payer_id=escrow.client_id,
                payee_id=escrow.provider_id,
                money=Money(4_000, "EUR"),
                business_key=key,
                actor="system:tests",
            )

    request("proof:1:release")
    with pytest.raises(IntegrityError, match="payment_one_live_payout"):
        request("proof:2:release")
    assert Payment.objects.count() == 1


def test_a_payment_without_destination_waits_and_says_why(
    settings: object,
) -> None:
    setattr(settings, "KOBATELA_PSP", "manual")  # noqa: B010 - the fixture's own way

    payment = make_payout()
    send_payment(payment_id=payment.pk)

    payment.refresh_from_db()
    assert (payment.status, payment.reason) == ("PENDING", "DESTINATION_MISSING")


def test_a_refund_is_executed_like_a_payout(psp: StubPsp) -> None:
    payment = make_failed(psp, make_refund())

    execute_payment(payment_id=payment.pk, caller=payer_of(payment))
    payment = make_settled(psp, payment)

    assert (payment.status, payment.attempt) == ("SETTLED", 2)
    assert_in_order()


def test_those_concerned_hear_of_the_end_and_of_failures_only(psp: StubPsp) -> None:
    payment = make_settled(psp)
    events = OutboxEvent.objects.filter(subject=payment.reference)
    assert [event.event for event in events] == ["payment.settled"]
    assert set(events.get().audience) == {payment.payer_id, payment.payee_id}
