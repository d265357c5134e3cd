"""What PSPs say of payments, in any order, as often as they like."""

from itertools import permutations

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.models import Alert, AuditEntry
from escrow.services.acceptance import approve_escrow
from escrow.services.journal import Said
from escrow.tests.factories import as_client, milestone_of
from kobatela.accounts.tests.factories import make_caller
from kobatela.kernel.caller import Scope
from kobatela.kernel.money import Money
from payments.models import Payment
from payments.psp import registry
from payments.psp.base import OrderState, Outcome, Reason
from payments.services import sending
from payments.services.outcomes import record_outcome
from payments.services.payouts import execute_payment
from payments.tests.books import assert_in_order, at_psp, funds, payable
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


def alerts() -> list[tuple[str, int]]:
    """(type, count) of what staff was told."""
    return list(Alert.objects.order_by("pk").values_list("type", "count"))


def milestone_payment() -> Payment:
    """The payout of an escrow's only milestone."""
    escrow = funded_escrow(10_000, milestones=[10_000])
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    return Payment.objects.get(escrow=escrow)


def test_a_settled_payment_has_left_the_psp(psp: StubPsp) -> None:
    payment = make_settled(psp)

    assert payment.status == "SETTLED"
    assert payment.settled_at is not None
    assert payment.lease_until is None
    assert (payable(payment), at_psp()) == (0, 0)
    assert_in_order()


def test_a_failed_payment_gives_the_money_back_to_the_payee_and_alerts(psp: StubPsp) -> None:
    payment = report(make_sent(psp), OrderState.FAILED, reason=Reason.DESTINATION_INVALID)

    assert (payment.status, payment.reason) == ("ERROR", "DESTINATION_INVALID")
    assert (payable(payment), at_psp()) == (10_000, 10_000)
    assert alerts() == [("PAYOUT_FAILED", 1)]
    assert_in_order()


def test_a_failed_refund_gives_the_money_back_to_the_sender(psp: StubPsp) -> None:
    payment = make_failed(psp, make_refund())

    assert (payment.status, funds(payment)) == ("ERROR", 10_000)
    assert_in_order()


def test_a_returned_payment_is_replaced_by_one_that_waits(psp: StubPsp) -> None:
    payment = report(make_settled(psp), OrderState.RETURNED, reason=Reason.RETURNED_BY_BANK)

    successor = Payment.objects.exclude(pk=payment.pk).get()
    assert (payment.status, payment.reason) == ("REFUNDED", "RETURNED_BY_BANK")
    assert (successor.status, successor.reason) == ("PENDING", "ON_HOLD")
    assert successor.money == payment.money
    assert successor.payee_id == payment.payee_id
    assert (payable(payment), at_psp()) == (10_000, 10_000)
    assert alerts() == [("PAYOUT_RETURNED", 1)]
    assert_in_order()


def test_the_milestone_follows_its_payment(psp: StubPsp) -> None:
    payment = milestone_payment()
    escrow = payment.escrow
    assert milestone_of(escrow).status == "APPROVED"

    make_sent(psp, payment)
    assert milestone_of(escrow).status == "PAYING"
    report(payment, OrderState.FAILED)
    assert milestone_of(escrow).status == "APPROVED"
    execute_payment(payment_id=payment.pk, caller=make_caller(Scope.SUPPORT))
    make_settled(psp, payment)
    assert milestone_of(escrow).status == "PAID"
    report(payment, OrderState.RETURNED)
    assert milestone_of(escrow).status == "APPROVED"
    successor = Payment.objects.exclude(pk=payment.pk).get()
    execute_payment(payment_id=successor.pk, caller=make_caller(Scope.SUPPORT))
    make_settled(psp, successor)
    assert milestone_of(escrow).status == "PAID"
    assert_in_order()


@pytest.mark.parametrize("times", [1, 3])
def test_d14_a_failure_never_overwrites_a_settlement(psp: StubPsp, times: int) -> None:
    payment = milestone_payment()
    make_settled(psp, payment)

    for _ in range(times):
        report(payment, OrderState.FAILED)

    assert payment.status == "SETTLED"
    assert milestone_of(payment.escrow).status == "PAID"
    assert (payable(payment), at_psp()) == (0, 0)
    assert alerts() == [("PSP_EVENT_CONTRADICTS", times)]
    assert_in_order()


def test_a_settlement_after_a_failure_pays_nothing_again_until_staff_has_looked(
    psp: StubPsp,
) -> None:
    payment = make_failed(psp)

    report(payment, OrderState.SETTLED)
    report(payment, OrderState.SETTLED)

    assert (payment.status, payment.reason) == ("ERROR", "ON_HOLD")
    assert payment.hold_reason == "contradiction"
    assert alerts() == [("PAYOUT_FAILED", 1), ("PSP_EVENT_CONTRADICTS", 2)]
    assert AuditEntry.objects.filter(action="payment.held").count() == 1
    assert_in_order()


def test_a_late_report_of_an_earlier_try_leaves_the_current_one_alone(psp: StubPsp) -> None:
    payment = make_failed(psp)
    first = payment.attempts.get(number=1)
    execute_payment(payment_id=payment.pk, caller=make_caller(Scope.SUPPORT))
    make_sent(psp, payment)

    record_outcome(attempt_id=first.pk, outcome=Outcome(OrderState.FAILED), actor="psp:fake")
    payment.refresh_from_db()
    assert (payment.status, payment.attempt) == ("SENT", 2)
    assert alerts() == [("PAYOUT_FAILED", 1)]

    record_outcome(attempt_id=first.pk, outcome=Outcome(OrderState.SETTLED), actor="psp:fake")
    payment.refresh_from_db()
    assert payment.status == "SENT"
    assert alerts()[-1] == ("PSP_EVENT_CONTRADICTS", 1)


@pytest.mark.parametrize("money", [Money(9_999, "EUR"), Money(10_000, "USD"), Money(10_000, "XOF")])
def test_another_amount_settles_nothing_and_alerts(psp: StubPsp, money: Money) -> None:
    payment = report(make_sent(psp), OrderState.SETTLED, money=money)

    assert payment.status == "SENT"
    assert alerts() == [("RECONCILIATION_MISMATCH", 1)]
    assert_in_order()


def test_a_reference_of_another_payment_is_not_believed(psp: StubPsp) -> None:
    first, second = make_sent(psp), make_sent(psp)

    report(second, OrderState.SETTLED, psp_ref=first.psp_ref)

    first.refresh_from_db()
    assert (first.status, second.status) == ("SENT", "SENT")
    assert second.psp_ref != first.psp_ref
    assert alerts() == [("PSP_EVENT_CONTRADICTS", 1)]


def test_an_answer_that_comes_after_the_report_changes_nothing(psp: StubPsp) -> None:
    payment = make_settled(psp)

    for state in (OrderState.ACCEPTED, OrderState.UNKNOWN, OrderState.BUSY, OrderState.SETTLED):
        report(payment, state)

    assert (payment.status, payment.reason) == ("SETTLED", "")
    assert alerts() == []


REPORTS = [OrderState.ACCEPTED, OrderState.SETTLED, OrderState.RETURNED]


@pytest.mark.parametrize("order", list(permutations(REPORTS)))
def test_every_order_of_honest_reports_ends_the_same(
    psp: StubPsp, order: tuple[OrderState, ...]
) -> None:
    payment = make_sent(psp)

    for state in order:
        report(payment, state, psp_ref="tr_1")

    assert payment.status == "REFUNDED"
    assert Payment.objects.count() == 2
    assert (payable(payment), at_psp()) == (10_000, 10_000)
    assert alerts() == [("PAYOUT_RETURNED", 1)]
    assert_in_order()


@given(
    told=st.lists(
        st.sampled_from([*REPORTS, OrderState.FAILED, OrderState.UNKNOWN, "execute", "send"]),
        max_size=8,
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_a_psp_tells_the_books_stay_right(
    psp: StubPsp, told: list[OrderState | str]
) -> None:
    with transaction.atomic():
        payment = make_payout()
        send_payment_here(payment)
        payment.refresh_from_db()
        settled = False
        for word in told:
            if isinstance(word, OrderState) and payment.status != "PENDING":
                report(payment, word)
            elif payment.status == "ERROR" and not payment.hold_reason:
                execute_payment(payment_id=payment.pk, caller=make_caller(Scope.SUPPORT))
            else:
                send_payment_here(payment)
            payment.refresh_from_db()
            settled = settled or payment.status == "SETTLED"
            assert not (settled and payment.status not in {"SETTLED", "REFUNDED"})
        assert_in_order()
        transaction.set_rollback(True)


def send_payment_here(payment: Payment) -> None:
    """Send inside the test's own savepoint, which a worker never does."""
    call = sending._claim.__wrapped__(payment.pk)  # type: ignore[attr-defined]  # without its atomic
    if call is not None:
        outcome = sending._ask(registry.get_psp(call.psp), call)
        record_outcome(attempt_id=call.attempt_id, outcome=outcome, actor="psp:fake")
