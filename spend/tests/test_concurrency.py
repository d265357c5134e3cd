"""Many hands on one mandate and one payee's limit at the same moment, on real PostgreSQL."""

from collections.abc import Callable
from itertools import count

import pytest
from django.db import transaction

from conftest import Scaled
from escrow.tests.factories import make_escrow
from escrow.tests.side_by_side import side_by_side
from kobatela.accounts.tests.factories import make_caller
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import DomainError
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.tests.stub_psp import StubPsp
from spend.models import AllowedPayee, Mandate, Merchant, Spending
from spend.services.mandates import revoke_mandate
from spend.services.refunds import refund_purchase
from spend.services.take_backs import take_back_spending
from spend.tests.books import assert_in_order, paid_to, spent_under
from spend.tests.factories import as_sender, buy, make_mandate, make_merchant, make_payee, pay

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]
THREADS, EACH_MINOR, FIT = 16, 100, 5
_rounds = count(1)


def attempt(spend: Callable[[], object]) -> str:
    """Whether it was spent, or the code of the refusal."""
    try:
        with transaction.atomic():
            spend()
    except DomainError as refusal:
        return refusal.code
    return "spent"


def spend_both(
    mandate: Mandate, merchant: Merchant, payee: AllowedPayee, buyer: Caller, payer: Caller
) -> tuple[str, str]:
    """One hand: a purchase under the mandate, then a payment to the payee."""
    bought = attempt(lambda: buy(mandate, EACH_MINOR, merchant, caller=buyer))
    return bought, attempt(lambda: pay(payee, EACH_MINOR, caller=payer))


def test_sixteen_hands_never_spend_above_a_mandate_and_a_payees_limit(scaled: Scaled) -> None:
    escrow, merchant = make_escrow(amount_total_minor=10**9), make_merchant()
    payer = make_caller(Scope.SENDER, escrow.client)
    for number in range(scaled(ci=8, soak=200)):
        mandate = make_mandate(total_minor=FIT * EACH_MINOR)
        # By turns the day's limit and the total are what holds.
        limits = {"daily" if number % 2 else "total": FIT * EACH_MINOR}
        payee = make_payee(escrow, **limits)
        buyer = make_caller(Scope.SENDER, mandate.beneficiary)

        def hand(
            mandate: Mandate = mandate, payee: AllowedPayee = payee, buyer: Caller = buyer
        ) -> tuple[str, str]:
            return spend_both(mandate, merchant, payee, buyer, payer)

        done = side_by_side([hand] * THREADS)

        assert spent_under(mandate) == paid_to(payee) == FIT * EACH_MINOR
        bought, paid = zip(*done, strict=True)
        assert bought.count("spent") == paid.count("spent") == FIT
        assert set(bought) == {"spent", "MANDATE_REQUIRED"}
        assert set(paid) == {
            "spent",
            "DAILY_LIMIT_REACHED" if number % 2 else "TOTAL_LIMIT_REACHED",
        }
    assert_in_order()


def test_sixteen_hands_never_spend_what_milestones_need(scaled: Scaled) -> None:
    merchant = make_merchant()
    for _ in range(scaled(ci=4, soak=100)):
        escrow = make_escrow(milestones=[9_500])
        mandate = make_mandate(escrow=escrow)
        payee = make_payee(escrow)
        buyer = make_caller(Scope.SENDER, mandate.beneficiary)
        payer = make_caller(Scope.SENDER, escrow.client)

        def purchase(mandate: Mandate = mandate, buyer: Caller = buyer) -> str:
            return attempt(lambda: buy(mandate, EACH_MINOR, merchant, caller=buyer))

        def payment(payee: AllowedPayee = payee, payer: Caller = payer) -> str:
            return attempt(lambda: pay(payee, EACH_MINOR, caller=payer))

        acts: list[Callable[[], str]] = [purchase, payment]
        done = side_by_side(acts * (THREADS // 2))

        assert done.count("spent") == FIT
        assert set(done) == {"spent", "INSUFFICIENT_ESCROW_BALANCE"}
        escrow.refresh_from_db()
        assert escrow.held_minor == 9_500
    assert_in_order()


def test_a_purchase_is_given_back_once_however_many_ask(scaled: Scaled) -> None:
    merchant = make_merchant()
    for _ in range(scaled(ci=3, soak=50)):
        escrow = make_escrow()
        mandate = make_mandate(escrow=escrow)
        purchase = buy(mandate, 1_000, merchant)
        sender = as_sender(mandate)

        def give_back(number: int = purchase.pk, sender: Caller = sender) -> str:
            return attempt(lambda: refund_purchase(caller=sender, purchase_id=number))

        def revoke(mandate: Mandate = mandate, sender: Caller = sender) -> str:
            return attempt(lambda: revoke_mandate(caller=sender, mandate_id=mandate.pk))

        acts: list[Callable[[], str]] = [*[give_back] * 6, revoke, revoke]
        done = side_by_side(acts)

        assert done[:6].count("spent") == 1
        assert set(done[:6]) == {"spent", "PURCHASE_ALREADY_REFUNDED"}
        escrow.refresh_from_db()
        assert (escrow.held_minor, escrow.released_minor) == (10_000, 0)
    assert not Spending.objects.exists()
    assert_in_order()


def test_a_payment_is_either_sent_or_taken_back_and_never_both(
    scaled: Scaled, psp: StubPsp
) -> None:
    escrow = make_escrow(amount_total_minor=10**6)
    client = make_caller(Scope.SENDER, escrow.client)
    for _ in range(scaled(ci=6, soak=100)):
        payee = make_payee(escrow, total=EACH_MINOR)
        payment = pay(payee, EACH_MINOR, caller=client)
        sent_before = len(psp.sent)

        def take_back(number: int = payment.pk) -> str:
            return attempt(lambda: take_back_spending(caller=client, payment_id=number))

        def execute(number: int = payment.pk) -> str:
            done = attempt(lambda: execute_payment(caller=client, payment_id=number))
            send_payment(payment_id=number)
            return done

        acts: list[Callable[[], str]] = [take_back, execute] * 3
        done = side_by_side(acts)

        taken = done[::2].count("spent")
        sent = len(psp.sent) - sent_before
        assert taken + sent == 1, (done, sent)
        payment.refresh_from_db()
        assert payment.status == ("CANCELLED" if taken else "SENT")
        assert set(done[::2]) <= {"spent", "SPENDING_TAKEN_BACK", "PAYMENT_IN_TRANSIT"}
        assert paid_to(payee) == sent * EACH_MINOR
    assert_in_order()
