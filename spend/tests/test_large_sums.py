"""A key that an admin has just seen spends no large sum: of one escrow, or of many."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from escrow.models import Escrow
from escrow.tests.books import held_in_ledger
from escrow.tests.factories import make_escrow
from kobatela.accounts.errors import ApprovalTooEarly
from kobatela.accounts.tests.factories import make_fresh_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.money import Money
from payments.models import Payment
from spend.models import Mandate
from spend.services.mandates import MandateTerms, create_mandate
from spend.tests.books import assert_in_order
from spend.tests.factories import buy, make_mandate, make_payee, pay
from spend.tests.refusals import refused

pytestmark = pytest.mark.django_db
Spend = Callable[[Caller, Escrow, int], Any]


def pay_a_payee(caller: Caller, escrow: Escrow, amount_minor: int) -> None:
    pay(make_payee(escrow), amount_minor, caller=caller)


def buy_something(caller: Caller, escrow: Escrow, amount_minor: int) -> None:
    mandate = make_mandate(escrow=escrow, total_minor=amount_minor)
    buy(mandate, amount_minor, caller=caller)


def give_a_mandate(caller: Caller, escrow: Escrow, amount_minor: int) -> None:
    terms = MandateTerms(
        sender_id=escrow.client_id,
        beneficiary_id=make_user().pk,
        total=Money(amount_minor, escrow.currency),
        expires_at=clock.now() + timedelta(days=30),
        escrow_id=escrow.pk,
    )
    create_mandate(caller=caller, terms=terms)


@pytest.mark.parametrize("spend", [pay_a_payee, buy_something, give_a_mandate])
def test_nothing_is_spent_of_a_large_escrow_nor_a_large_sum_of_many(spend: Spend) -> None:
    client = make_user()
    seen = make_fresh_caller(Scope.SENDER, client)
    large = make_escrow(client=client, amount_total_minor=1_000_001)
    first, second = (make_escrow(client=client, amount_total_minor=600_000) for _ in range(2))

    with refused(ApprovalTooEarly):
        spend(seen, large, 1)
    spend(seen, first, 600_000)
    with refused(ApprovalTooEarly):
        spend(seen, second, 400_001)

    untouched = [large.pk, second.pk]
    assert (held_in_ledger(large), held_in_ledger(second)) == (1_000_001, 600_000)
    assert not Payment.objects.filter(escrow__in=untouched).exists()
    assert not Mandate.objects.filter(escrow__in=untouched).exists()
    spend(seen, second, 400_000)
    assert_in_order()
