"""What is spent against a plain Python model: any sequence of commands ends the same."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from escrow.models import Escrow, Milestone
from escrow.rules import OPEN_MILESTONE
from escrow.services.milestones import MilestoneTerms, add_milestone
from escrow.services.refunds import refund_escrow
from escrow.tests.factories import as_client, make_escrow, minor_of
from escrow.tests.side_by_side import IS_SOAK
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import DomainError
from payments.models import Payment
from payments.services.outcomes import settle
from payments.services.rows import mark_sent
from spend import selectors
from spend.models import Purchase, Spending
from spend.services.refunds import refund_purchase
from spend.services.take_backs import take_back_spending
from spend.tests.books import assert_in_order, paid_to, spent_under
from spend.tests.factories import as_sender, buy, make_mandate, make_merchant, make_payee, pay

pytestmark = pytest.mark.django_db
FUNDED, MANDATE, DAILY, TOTAL = 100, 60, 25, 40
amounts = st.integers(1, 70)
STEPS = st.one_of(
    st.tuples(st.just("buy"), amounts),
    st.tuples(st.just("pay"), amounts),
    st.tuples(st.just("give_back"), st.integers(0, 5)),
    st.tuples(st.just("arrive"), st.integers(0, 3)),
    st.tuples(st.just("see_back"), st.integers(0, 3)),
    st.tuples(st.just("take_back"), st.integers(0, 3)),
    st.tuples(st.just("promise"), amounts),
    st.tuples(st.just("take_out"), amounts),
    st.tuples(st.just("sleep"), st.integers(1, 30)),
)


class Refused(Exception):
    """The command must be refused and change nothing."""


@dataclass
class Plain:
    """One escrow, one mandate, one payee. Amounts are minor units, times are hours."""

    held: int = FUNDED
    promised: int = 0
    hour: int = 0
    bought: list[int] = field(default_factory=list)
    arrived: set[int] = field(default_factory=set)
    given_back: set[int] = field(default_factory=set)
    paid: list[tuple[int, int]] = field(default_factory=list)
    taken_back: set[int] = field(default_factory=set)

    @property
    def counted(self) -> list[tuple[int, int]]:
        """When and how much the payee was paid, without what was taken back."""
        return [row for number, row in enumerate(self.paid) if number not in self.taken_back]

    @property
    def free(self) -> int:
        """What no milestone needs."""
        return max(0, self.held - self.promised)

    @property
    def spent(self) -> int:
        """Under the mandate."""
        return sum(
            amount for number, amount in enumerate(self.bought) if number not in self.given_back
        )

    def buy(self, amount: int) -> None:
        """Under the mandate, from the escrow."""
        if self.spent == MANDATE or self.spent + amount > MANDATE or amount > self.free:
            raise Refused
        self.bought.append(amount)
        self.held -= amount

    def pay(self, amount: int) -> None:
        """To the payee."""
        today = sum(paid for hour, paid in self.counted if hour // 24 == self.hour // 24)
        total = sum(paid for _, paid in self.counted)
        if today + amount > DAILY or total + amount > TOTAL or amount > self.free:
            raise Refused
        self.paid.append((self.hour, amount))
        self.held -= amount

    def give_back(self, number: int) -> None:
        """One of the purchases, by the sender: of one that arrived, their word changes nothing."""
        if number >= len(self.bought) or number in self.given_back:
            raise Refused
        if number not in self.arrived:
            self.see_back(number)

    def arrive(self, number: int) -> None:
        """The merchant of one of the purchases has the money."""
        done = self.arrived | self.given_back
        if number >= len(self.bought) or number in done:
            raise Refused
        self.arrived.add(number)

    def see_back(self, number: int) -> None:
        """Support has seen the money of one of the purchases come back."""
        if number >= len(self.bought) or number in self.given_back:
            raise Refused
        self.given_back.add(number)
        self.held += self.bought[number]

    def take_back(self, number: int) -> None:
        """One of the payments to the payee."""
        if number >= len(self.paid) or number in self.taken_back:
            raise Refused
        self.taken_back.add(number)
        self.held += self.paid[number][1]

    def promise(self, amount: int) -> None:
        """Add a milestone, which takes from what is free."""
        if amount > self.free:
            raise Refused
        self.promised += amount

    def take_out(self, amount: int) -> None:
        """A part of what is free goes back to the client."""
        if amount > self.free or amount == self.held:
            raise Refused
        self.held -= amount

    def sleep(self, hours: int) -> None:
        """Time passes."""
        self.hour += hours


class Real:
    """The same on the services."""

    def __init__(self) -> None:
        self.escrow = make_escrow(amount_total_minor=FUNDED)
        self.mandate = make_mandate(escrow=self.escrow, total_minor=MANDATE)
        self.payee = make_payee(self.escrow, daily=DAILY, total=TOTAL)
        self.merchant = make_merchant()
        self.support = make_staff_caller()
        self.purchases: list[Purchase] = []
        self.payments: list[Payment] = []
        self.milestones = 0

    def buy(self, amount: int) -> None:
        self.purchases.append(buy(self.mandate, amount, self.merchant))

    def pay(self, amount: int) -> None:
        self.payments.append(pay(self.payee, amount))

    def give_back(self, number: int) -> None:
        self.refund(as_sender(self.mandate), number)

    def see_back(self, number: int) -> None:
        self.refund(self.support, number)

    def refund(self, caller: Caller, number: int) -> None:
        if number >= len(self.purchases):
            raise Refused
        refund_purchase(caller=caller, purchase_id=self.purchases[number].pk, note="Back.")

    def arrive(self, number: int) -> None:
        if number >= len(self.purchases):
            raise Refused
        payment = Payment.objects.get(origin=self.purchases[number].reference)
        payment.psp_key = f"key-{payment.pk}"
        mark_sent(payment, actor="system:tests")
        settle(payment, actor="system:tests")

    def take_back(self, number: int) -> None:
        if number >= len(self.payments):
            raise Refused
        caller = as_sender(self.mandate)
        take_back_spending(caller=caller, payment_id=self.payments[number].pk)

    def promise(self, amount: int) -> None:
        terms = MilestoneTerms(
            sequence_index=self.milestones + 1, label="Part", amount_in=minor_of(amount)
        )
        add_milestone(caller=as_client(self.escrow), escrow_id=self.escrow.pk, terms=terms)
        self.milestones += 1

    def take_out(self, amount: int) -> None:
        if amount == Escrow.objects.get(pk=self.escrow.pk).held_minor:
            raise Refused
        refund_escrow(
            caller=as_client(self.escrow), escrow_id=self.escrow.pk, amount_in=minor_of(amount)
        )

    def sleep(self, hours: int) -> None:
        clock.advance(timedelta(hours=hours))


def took(world: Plain | Real, step: tuple[Any, ...]) -> bool:
    """Whether the command was accepted."""
    try:
        with transaction.atomic():
            getattr(world, step[0])(*step[1:])
    except (Refused, DomainError):
        return False
    return True


@settings(
    max_examples=2000 if IS_SOAK else 15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(
    steps=[
        ("buy", 30),
        ("arrive", 0),
        ("give_back", 0),
        ("buy", 31),
        ("buy", 30),
        ("see_back", 0),
        ("buy", 30),
        ("pay", 25),
        ("take_back", 0),
        ("pay", 25),
    ]
)
@example(steps=[("buy", 1), ("give_back", 0), ("arrive", 0)])
@given(steps=st.lists(STEPS, min_size=6, max_size=14))
def test_any_sequence_spends_what_the_plain_model_spends(steps: list[tuple[Any, ...]]) -> None:
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    with transaction.atomic(), clock.frozen(midnight):
        plain, real = Plain(), Real()
        for step in steps:
            assert took(plain, step) == took(real, step), step
            _same(plain, real)
        assert_in_order()
        transaction.set_rollback(True)


def _same(plain: Plain, real: Real) -> None:
    escrow = Escrow.objects.get(pk=real.escrow.pk)
    open_ones = Milestone.objects.filter(escrow=escrow, status__in=OPEN_MILESTONE)
    promised = sum(milestone.amount_minor for milestone in open_ones)
    assert (escrow.held_minor, promised) == (plain.held, plain.promised)
    # Purchases less refunds stay within the mandate, and what milestones need stays in place.
    assert spent_under(real.mandate) == plain.spent <= MANDATE
    # What decides and what is shown are the same sum.
    assert selectors.spent_under(real.mandate.pk, clock.now())[0] == plain.spent
    assert selectors.visible_mandates(real.support).get(pk=real.mandate.pk).spent_minor == (  # type: ignore[attr-defined]  # annotated
        plain.spent
    )
    assert paid_to(real.payee) == sum(amount for _, amount in plain.counted) <= TOTAL
    assert escrow.held_minor >= promised
    today = clock.now().date()
    paid_today = Spending.objects.filter(
        payee=real.payee, created_at__date=today, taken_back_at=None
    )
    assert sum(row.amount_minor for row in paid_today) <= DAILY
