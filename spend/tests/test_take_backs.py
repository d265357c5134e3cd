"""Taking back what a payee was not paid: the money returns, and room in the payee's limits."""

from datetime import timedelta

import pytest
from django.db import transaction

from audit.models import AuditEntry
from escrow.models import EscrowStatus
from escrow.services.journal import Acting
from escrow.services.outcomes import settle
from escrow.tests.factories import bring_to, make_escrow
from kobatela.accounts.services.approvals import words_given
from kobatela.accounts.tests.factories import ROOT, make_caller, make_staff_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState, ValidationFailed
from payments.errors import PaymentInTransit
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Attempt, Payment
from payments.psp.base import OrderState, Reason
from payments.services.outcomes import LOOK_AFTER_ACCEPTED
from payments.services.sending import send_payment
from payments.services.spends import TURNS_UP_WITHIN
from payments.tests.factories import make_failed, make_sent, make_settled, report
from payments.tests.stub_psp import StubPsp
from spend.errors import (
    DailyLimitReached,
    OwnSpendForbidden,
    SpendingNotFound,
    SpendingPaid,
    SpendingTakenBack,
)
from spend.models import AllowedPayee, Spending
from spend.services.permissions import take_back_payee
from spend.services.spendings import SpendingResult
from spend.services.take_backs import COMMAND, take_back_spending
from spend.tests.books import assert_in_order
from spend.tests.factories import make_payee, pay
from spend.tests.refusals import refused

pytestmark = pytest.mark.django_db


def take_back(payee: AllowedPayee, payment: Payment) -> SpendingResult:
    """As the escrow's client."""
    caller = make_caller(Scope.SENDER, payee.escrow.client)
    return take_back_spending(caller=caller, payment_id=payment.pk, note="A wrong account.")


def figures(payee: AllowedPayee) -> tuple[int, int]:
    """What the payee is owed, and what the escrow holds."""
    payee.escrow.refresh_from_db()
    owed = ledger.balance_minor(chart.party_payable(payee.reference), "EUR")
    return owed, payee.escrow.held_minor


def test_a_payment_that_failed_is_cancelled_and_makes_room_in_every_limit(psp: StubPsp) -> None:
    payee = make_payee(daily=1_000, total=1_000)
    payment = make_failed(psp, pay(payee, 1_000))
    with refused(DailyLimitReached):
        pay(payee, 1)
    # Who may be paid no more leaves the money of what was ordered behind.
    take_back_payee(caller=ROOT, payee_id=payee.pk)

    done = take_back(payee, payment)

    assert done.payment is not None
    assert (done.payment.pk, done.payment.status) == (payment.pk, "CANCELLED")
    assert figures(payee) == (0, 10_000)
    assert payee.escrow.released_minor == 0
    entry = AuditEntry.objects.get(action="spending.taken_back")
    assert (entry.subject, entry.stream) == (
        Spending.objects.get().reference,
        f"escrow:{payee.escrow_id}",
    )
    assert_in_order()
    again = make_payee(payee.escrow, payee_ref=payee.payee_ref, daily=1_000, total=1_000)
    pay(again, 1_000)
    assert_in_order()


def test_a_payment_that_was_not_sent_never_is(psp: StubPsp) -> None:
    payee = make_payee()
    payment = pay(payee)
    take_back(payee, payment)

    send_payment(payment_id=payment.pk)

    assert psp.sent == []
    with refused(SpendingTakenBack):
        take_back(payee, payment)
    assert figures(payee) == (0, 10_000)


def test_money_that_is_on_its_way_or_there_is_not_taken_back(psp: StubPsp) -> None:
    payee = make_payee()
    payment = make_sent(psp, pay(payee, 1_000))
    with refused(PaymentInTransit):
        take_back(payee, payment)
    report(payment, OrderState.SETTLED)
    with refused(SpendingPaid):
        take_back(payee, payment)
    with refused(SpendingPaid):
        take_back_spending(
            caller=make_staff_caller(), payment_id=payment.pk, note="They gave it back."
        )
    assert Spending.objects.get().taken_back_at is None
    assert figures(payee) == (0, 9_000)
    assert_in_order()


def test_what_came_back_is_taken_back_by_either_number(psp: StubPsp) -> None:
    payee = make_payee()
    payment = make_settled(psp, pay(payee, 1_000))
    report(payment, OrderState.RETURNED)

    done = take_back(payee, payment)

    successor = Payment.objects.latest("pk")
    assert (done.payment, successor.status) == (successor, "CANCELLED")
    with refused(SpendingTakenBack):
        take_back(payee, successor)
    assert figures(payee) == (0, 10_000)
    assert_in_order()


def test_once_the_escrow_has_ended_the_money_goes_to_the_sender(psp: StubPsp) -> None:
    payee = make_payee()
    payment = make_failed(psp, pay(payee, 4_000))
    payee.escrow.refresh_from_db()
    with transaction.atomic():
        settle(
            escrow=payee.escrow,
            status=EscrowStatus.RELEASED,
            release_minor=6_000,
            by=Acting("system:tests"),
        )

    take_back(payee, payment)

    refund = Payment.objects.get(kind="refund")
    assert (refund.payee_id, refund.amount_minor) == (payee.escrow.client_id, 4_000)
    assert figures(payee) == (0, 0)
    assert payee.escrow.refunded_minor == 4_000
    assert_in_order()


def test_a_disputed_escrow_takes_nothing_back() -> None:
    payee = make_payee()
    payment = pay(payee)
    bring_to(payee.escrow, EscrowStatus.DISPUTED)
    with refused(InvalidState):
        take_back(payee, payment)
    assert Spending.objects.get().taken_back_at is None


def test_only_the_senders_side_and_support_find_it() -> None:
    payee = make_payee()
    payment = pay(payee)
    for somebody in (payee.escrow.provider, make_user()):
        with refused(SpendingNotFound):
            take_back_spending(caller=make_caller(Scope.SENDER, somebody), payment_id=payment.pk)
    near = make_user(managed_by=payee.escrow.client)
    with refused(OwnSpendForbidden):
        take_back_spending(
            caller=make_caller(Scope.SUPPORT, near), payment_id=payment.pk, note="For a friend."
        )
    with refused(ValidationFailed):
        take_back_spending(caller=make_staff_caller(), payment_id=payment.pk)
    payment.refresh_from_db()
    assert (payment.status, Spending.objects.get().taken_back_at) == ("PENDING", None)
    assert_in_order()


def test_above_a_figure_two_of_the_staff_take_a_payment_back() -> None:
    payee = make_payee(make_escrow(amount_total_minor=3_000_000))
    payment = pay(payee, 2_000_000)
    first = take_back_spending(
        caller=make_staff_caller(), payment_id=payment.pk, note="A wrong account."
    )
    assert first.approvals is not None
    assert (first.approvals.given, first.approvals.needed) == (1, 2)
    assert figures(payee) == (2_000_000, 1_000_000)

    second = take_back_spending(
        caller=make_staff_caller(), payment_id=payment.pk, note="I see the same."
    )

    assert second.approvals is None
    given = words_given(Spending.objects.get().reference, COMMAND)
    assert [word.note for word in given] == ["A wrong account.", "I see the same."]
    assert figures(payee) == (0, 3_000_000)
    assert_in_order()


def retry_after(payee: AllowedPayee, payment: Payment, later: timedelta) -> int | None:
    """How long a take-back after so much time is told to wait, from the payment's last change."""
    with (
        clock.frozen(payment.updated_at + later),
        pytest.raises(PaymentInTransit) as refusal,
        transaction.atomic(),
    ):
        take_back(payee, payment)
    return refusal.value.retry_after_s


def test_a_take_back_waits_until_the_psp_is_asked_and_no_time_is_made_up(psp: StubPsp) -> None:
    payee = make_payee()
    with clock.frozen(clock.now()):
        payment = make_sent(psp, pay(payee, 1_000))
    assert payment.lease_until == payment.updated_at + LOOK_AFTER_ACCEPTED
    assert retry_after(payee, payment, timedelta(minutes=4)) == 6 * 60
    # A worker should have looked already, and does at any moment.
    assert retry_after(payee, payment, timedelta(minutes=11)) == 20
    # What people pay is told by a statement that comes when it comes.
    Payment.objects.update(psp="manual", lease_until=None)
    assert retry_after(payee, payment, timedelta(minutes=4)) is None


def test_what_the_psp_never_got_is_taken_back_only_when_it_cannot_turn_up_any_more(
    psp: StubPsp,
) -> None:
    payee = make_payee()
    payment = make_sent(psp, pay(payee, 1_000))
    Attempt.objects.update(psp_ref=None, accepted_at=None)
    report(payment, OrderState.FAILED, reason=Reason.NEVER_RECEIVED)
    assert (payment.status, payment.reason) == ("ERROR", "NEVER_RECEIVED")

    assert retry_after(payee, payment, timedelta(hours=1)) == 71 * 3600
    assert retry_after(payee, payment, TURNS_UP_WITHIN - timedelta(seconds=90)) == 90
    assert figures(payee) == (1_000, 9_000)

    with clock.frozen(clock.now() + TURNS_UP_WITHIN):
        done = take_back(payee, payment)
    assert done.payment is not None
    assert done.payment.status == "CANCELLED"
    assert figures(payee) == (0, 10_000)
    assert_in_order()
