"""What one posting does, and what the books refuse."""

import pytest
from django.db import connection, transaction

from kobatela.kernel import trace
from payments.ledger import chart, selectors
from payments.ledger.chart import (
    NORMAL_SIDE,
    TEMPLATES,
    AccountKind,
    PostingCode,
    escrow_held,
    platform_fee,
    user_payable,
)
from payments.ledger.errors import AlreadyPosted, InsufficientFunds
from payments.ledger.models import Account, Balance, Entry, Transfer
from payments.ledger.services import Leg, credit, debit, post
from payments.ledger.tests.helpers import give, move

pytestmark = pytest.mark.django_db


def test_a_transfer_moves_money_between_two_accounts() -> None:
    give(1, 10_000)

    assert selectors.balance_minor(escrow_held(1), "EUR") == 10_000
    assert selectors.balance_minor(chart.psp("fake"), "EUR") == 10_000
    assert selectors.balance_minor(escrow_held(1), "XOF") == 0
    assert selectors.balance_minor(escrow_held(2), "EUR") == 0
    assert selectors.check() == []


def test_a_transfer_may_have_three_legs() -> None:
    give(1, 10_000)
    with transaction.atomic():
        post(
            business_key="proof:1:release",
            code="release",
            currency="EUR",
            legs=[
                debit(escrow_held(1), 10_000),
                credit(user_payable(7), 9_750),
                credit(platform_fee(), 250),
            ],
        )

    assert selectors.balance_minor(escrow_held(1), "EUR") == 0
    assert selectors.balance_minor(user_payable(7), "EUR") == 9_750
    assert selectors.balance_minor(platform_fee(), "EUR") == 250
    assert selectors.check() == []


def test_a_business_key_has_one_effect_and_the_transaction_goes_on() -> None:
    give(1, 500)
    move("refund", escrow_held(1), chart.user_funds(3), 100, business_key="refund:1")

    with transaction.atomic():
        with pytest.raises(AlreadyPosted):
            post(
                business_key="refund:1",
                code="refund",
                currency="EUR",
                legs=[debit(escrow_held(1), 400), credit(chart.user_funds(3), 400)],
            )
        move("refund", escrow_held(1), chart.user_funds(3), 50, business_key="refund:2")

    assert selectors.balance_minor(escrow_held(1), "EUR") == 350
    assert Transfer.objects.filter(business_key="refund:1").count() == 1


def test_a_repeat_is_recognised_also_when_the_money_is_gone() -> None:
    give(1, 100)
    move("refund", escrow_held(1), chart.user_funds(3), 100, business_key="refund:1")

    with pytest.raises(AlreadyPosted):
        move("refund", escrow_held(1), chart.user_funds(3), 100, business_key="refund:1")


def test_a_guarded_account_never_falls_below_zero() -> None:
    give(1, 100)

    with pytest.raises(InsufficientFunds):
        move("release", escrow_held(1), user_payable(7), 101)

    assert selectors.balance_minor(escrow_held(1), "EUR") == 100
    assert selectors.balance_minor(user_payable(7), "EUR") == 0
    assert selectors.check() == []


def test_money_of_another_currency_does_not_help() -> None:
    give(1, 100, currency="EUR")

    with pytest.raises(InsufficientFunds):
        move("release", escrow_held(1), user_payable(7), 100, "XOF")


def test_an_asset_may_be_spent_before_it_arrives() -> None:
    give(1, 100, source="collector:9")
    move("release", escrow_held(1), user_payable(7), 100)
    move("payment.sent", user_payable(7), chart.in_transit(4), 100)
    move("payment.settled", chart.in_transit(4), chart.psp("fake"), 100)

    assert selectors.balance_minor(chart.psp("fake"), "EUR") == -100
    assert selectors.balance_minor(chart.collector(9), "EUR") == 100
    assert selectors.check() == []


def test_posting_outside_a_transaction_is_a_mistake(
    transactional_db: None,
) -> None:
    with pytest.raises(RuntimeError):
        post(
            business_key="x",
            code="deposit",
            currency="EUR",
            legs=[debit(chart.psp("fake"), 1), credit(escrow_held(1), 1)],
        )
    assert not Transfer.objects.exists()


@pytest.mark.parametrize(
    "legs",
    [
        [debit(chart.psp("fake"), 100), credit(escrow_held(1), 99)],
        [debit(chart.psp("fake"), 100)],
        [],
        [Leg(escrow_held(1), 100), Leg(escrow_held(1), -100)],
        [debit(escrow_held(1), 100), credit(chart.psp("fake"), 100)],
        [debit(chart.psp("fake"), 100), credit(user_payable(1), 100)],
    ],
    ids=["lopsided", "one leg", "none", "an account twice", "sides swapped", "wrong kind"],
)
def test_legs_that_make_no_transfer_are_refused(legs: list[Leg]) -> None:
    with pytest.raises(ValueError), transaction.atomic():  # noqa: PT011 - one check, many causes
        post(business_key="x", code="deposit", currency="EUR", legs=legs)

    assert not Transfer.objects.exists()


@pytest.mark.parametrize("amount_minor", [0, -1])
def test_an_amount_is_positive(amount_minor: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        debit(escrow_held(1), amount_minor)
    with pytest.raises(ValueError, match="positive"):
        credit(escrow_held(1), amount_minor)


def test_every_kind_has_a_side_and_every_posting_a_template() -> None:
    assert set(NORMAL_SIDE) == set(AccountKind)
    assert set(TEMPLATES) == set(PostingCode)


@pytest.mark.parametrize("name", ["", "psp", "psp:", "collector:", "collector:x", "bank:1"])
def test_an_unknown_source_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="source"):
        chart.source(name)


def test_a_guarded_account_has_one_balance_and_an_unguarded_one_sixteen() -> None:
    give(1, 100)

    held = Account.objects.get(code="escrow:1:held")
    psp = Account.objects.get(code="psp:fake")
    assert [row.stripe for row in Balance.objects.filter(account=held)] == [0]
    assert sorted(row.stripe for row in Balance.objects.filter(account=psp)) == list(range(16))


def test_a_simulation_hears_of_the_posting() -> None:
    with trace.recording() as recorded:
        give(1, 12_345)
        give(1, 500, currency="XOF")

    assert recorded.postings == [
        {
            "code": "deposit",
            "currency": "EUR",
            "entries": [
                {"account": "psp:fake", "side": "debit", "amount": "123.45"},
                {"account": "escrow:1:held", "side": "credit", "amount": "123.45"},
            ],
        },
        {
            "code": "deposit",
            "currency": "XOF",
            "entries": [
                {"account": "psp:fake", "side": "debit", "amount": "500"},
                {"account": "escrow:1:held", "side": "credit", "amount": "500"},
            ],
        },
    ]


def test_the_entries_of_a_transfer_are_read_back() -> None:
    move("deposit", chart.psp("fake"), escrow_held(1), 700, business_key="deposit:1")

    (transfer,) = selectors.transfers(["deposit:1", "deposit:2"])
    assert {(entry.account.code, entry.amount_minor) for entry in transfer.entries.all()} == {
        ("psp:fake", 700),
        ("escrow:1:held", -700),
    }
    assert [
        entry.amount_minor for entry in selectors.entries_of(Account.objects.get(code="psp:fake"))
    ] == [700]
    assert selectors.balances_minor("escrow:1:") == {("escrow:1:held", "EUR"): 700}
    assert connection.in_atomic_block
    assert Entry.objects.count() == 2
