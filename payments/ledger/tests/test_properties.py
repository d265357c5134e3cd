"""The ledger against a plain model of it, and under many hands at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

import pytest
from django.db import OperationalError, connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments.ledger import chart, selectors
from payments.ledger.chart import AccountRef
from payments.ledger.errors import AlreadyPosted, InsufficientFunds
from payments.ledger.services import credit, debit, post
from payments.ledger.tests.helpers import give, move

ROUTES: list[tuple[str, AccountRef, AccountRef]] = [
    ("deposit", chart.psp("fake"), chart.escrow_held(1)),
    ("deposit", chart.collector(9), chart.escrow_held(2)),
    ("surplus", chart.psp("fake"), chart.user_funds(5)),
    ("release", chart.escrow_held(1), chart.user_payable(7)),
    ("release", chart.escrow_held(2), chart.user_payable(7)),
    ("refund", chart.escrow_held(1), chart.user_funds(5)),
    ("payment.sent", chart.user_payable(7), chart.in_transit(1)),
    ("payment.sent", chart.user_funds(5), chart.in_transit(2)),
    ("payment.settled", chart.in_transit(1), chart.psp("fake")),
    ("payment.settled", chart.in_transit(2), chart.collector(9)),
    ("payment.failed", chart.in_transit(1), chart.user_payable(7)),
    ("payment.returned", chart.psp("fake"), chart.user_payable(7)),
    ("psp_fee", chart.psp_fee(), chart.psp("fake")),
    ("chargeback.opened", chart.chargeback_pending(1), chart.psp("fake")),
    ("chargeback.frozen", chart.escrow_held(1), chart.chargeback_frozen(1)),
    ("chargeback.unfrozen", chart.chargeback_frozen(1), chart.escrow_held(1)),
    ("chargeback.won", chart.psp("fake"), chart.chargeback_pending(1)),
    ("chargeback.lost", chart.chargeback_frozen(1), chart.chargeback_pending(1)),
    ("chargeback.lost", chart.user_funds(5), chart.chargeback_pending(1)),
    ("chargeback.lost", chart.receivable(5), chart.chargeback_pending(1)),
    ("chargeback.written_off", chart.chargeback_loss(), chart.receivable(5)),
    ("dispute_fee", chart.dispute_fee(), chart.psp("fake")),
    ("dispute_fee.returned", chart.psp("fake"), chart.dispute_fee()),
]


@dataclass
class Model:
    """What the ledger should do, in a few lines of Python."""

    balances: Counter[tuple[str, str]] = field(default_factory=Counter)
    keys: set[str] = field(default_factory=set)

    def post(
        self, key: str, debited: AccountRef, credited: AccountRef, amount: int, currency: str
    ) -> str:
        if key in self.keys:
            return "repeated"
        after = {}
        for account, change in ((debited, amount), (credited, -amount)):
            sign = 1 if account.normal_side == "debit" else -1
            after[account.code, currency] = self.balances[account.code, currency] + sign * change
            if account.guarded and after[account.code, currency] < 0:
                return "short"
        self.balances.update({name: total - self.balances[name] for name, total in after.items()})
        self.keys.add(key)
        return "posted"


steps = st.lists(
    st.tuples(
        st.sampled_from(ROUTES),
        st.integers(1, 30),
        st.sampled_from(["EUR", "XOF"]),
        st.integers(1, 40),
    ),
    max_size=40,
)


def _post(key: str, route: tuple[str, AccountRef, AccountRef], amount: int, currency: str) -> str:
    code, debited, credited = route
    try:
        with transaction.atomic():
            post(
                business_key=key,
                code=code,
                currency=currency,
                legs=[debit(debited, amount), credit(credited, amount)],
            )
    except AlreadyPosted:
        return "repeated"
    except InsufficientFunds:
        return "short"
    return "posted"


@pytest.mark.django_db
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps)
def test_the_ledger_does_what_the_model_does(
    steps: list[tuple[tuple[str, AccountRef, AccountRef], int, str, int]],
) -> None:
    model = Model()
    with transaction.atomic():
        for route, amount, currency, number in steps:
            key = f"key:{number}"
            expected = model.post(key, route[1], route[2], amount, currency)
            assert _post(key, route, amount, currency) == expected
        for (code, currency), total in model.balances.items():
            found = selectors.balances_minor(code).get((code, currency), 0)
            assert found == total, code
        assert selectors.check() == []
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        transaction.set_rollback(True)


def _together(count: int, work: object) -> list[str]:
    """Run `work(number)` in `count` threads that start at the same moment."""
    assert callable(work)
    barrier = Barrier(count)

    def run(number: int) -> str:
        try:
            barrier.wait()
            return str(work(number))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_sixteen_hands_never_take_more_than_there_is() -> None:
    give(1, 1_000)

    def take(number: int) -> str:
        route = ("release", chart.escrow_held(1), chart.user_payable(number % 3))
        said = [_post(f"take:{number}:{turn}", route, 13, "EUR") for turn in range(20)]
        return str(said.count("posted"))

    taken = sum(int(posted) for posted in _together(16, take))

    assert taken == 1_000 // 13
    assert selectors.balance_minor(chart.escrow_held(1), "EUR") == 1_000 - taken * 13
    assert selectors.check() == []


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_one_key_sent_sixteen_times_at_once_is_booked_once() -> None:
    for round_number in range(20):
        route = ("deposit", chart.psp("fake"), chart.escrow_held(round_number))
        said = _together(16, lambda _number: _post(f"deposit:{round_number}", route, 100, "EUR"))  # noqa: B023

        assert sorted(said) == ["posted"] + ["repeated"] * 15
        assert selectors.balance_minor(chart.escrow_held(round_number), "EUR") == 100
    assert selectors.check() == []


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_transfers_in_opposite_directions_do_not_wait_for_each_other_in_a_ring() -> None:
    give(1, 10_000)
    move("release", chart.escrow_held(1), chart.user_payable(7), 5_000)
    move("payment.sent", chart.user_payable(7), chart.in_transit(1), 2_500)
    there = ("payment.sent", chart.user_payable(7), chart.in_transit(1))
    back = ("payment.failed", chart.in_transit(1), chart.user_payable(7))

    def swing(number: int) -> str:
        try:
            for turn in range(25):
                _post(f"swing:{number}:{turn}", there if number % 2 else back, 1, "EUR")
        except OperationalError as error:
            return str(error)
        return "done"

    assert set(_together(16, swing)) == {"done"}
    assert selectors.check() == []
