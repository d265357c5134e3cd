"""May this be spent? Every rule, their order, and what a refusal says. No database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from spend import rules
from spend.rules import Ask, MandateFacts, MerchantFacts, PayeeFacts, PurseFacts

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
MERCHANT = MerchantFacts(
    merchant_id=1, category_id=2, is_active=True, is_certified=False, is_permitted=True
)
MANDATE = MandateFacts(total_minor=10_000, spent_minor=4_000, expires_at=AT + timedelta(days=1))
PAYEE = PayeeFacts(
    daily_limit_minor=5_000, paid_today_minor=1_000, total_limit_minor=9_000, paid_minor=3_000
)
PURSE = PurseFacts(free_minor=8_000, is_closed=False, is_disputed=False)
PURCHASE = Ask(
    amount_minor=1_000, currency="EUR", at=AT, merchant=MERCHANT, mandate=MANDATE, purse=PURSE
)
PAYMENT = Ask(amount_minor=1_000, currency="EUR", at=AT, payee=PAYEE, purse=PURSE)


def verdict(ask: Ask) -> tuple[str | None, str | None]:
    """The rule and the code of a refusal; two Nones for a yes."""
    decision = rules.decide(ask)
    return decision.rule, decision.error.code if decision.error else None


def test_what_no_rule_forbids_is_allowed() -> None:
    assert rules.decide(PURCHASE).is_allowed
    assert rules.decide(PAYMENT).is_allowed
    assert rules.decide(replace(PURCHASE, purse=None)).is_allowed


@pytest.mark.parametrize(
    ("ask", "rule", "code"),
    [
        (replace(PURCHASE, mandate=None), "mandate", "MANDATE_REQUIRED"),
        (
            replace(PURCHASE, mandate=replace(MANDATE, expires_at=AT)),
            "mandate",
            "MANDATE_REQUIRED",
        ),
        (
            replace(PURCHASE, purse=replace(PURSE, is_closed=True)),
            "escrow_state",
            "ESCROW_NOT_ACTIVE",
        ),
        (
            replace(PURCHASE, purse=replace(PURSE, is_disputed=True)),
            "escrow_state",
            "INVALID_STATE",
        ),
        (
            replace(PURCHASE, merchant=replace(MERCHANT, is_active=False)),
            "merchant_active",
            "MERCHANT_INACTIVE",
        ),
        (
            replace(PURCHASE, merchant=replace(MERCHANT, is_payable=False)),
            "payee_active",
            "PAYEE_INACTIVE",
        ),
        (
            replace(PURCHASE, merchant=replace(MERCHANT, is_apart=False)),
            "merchant_apart",
            "MERCHANT_IS_PARTY",
        ),
        (
            replace(PAYMENT, payee=replace(PAYEE, is_payable=False)),
            "payee_active",
            "PAYEE_INACTIVE",
        ),
        (
            replace(PURCHASE, mandate=replace(MANDATE, merchant_id=9)),
            "mandate_merchant",
            "MANDATE_MERCHANT_FORBIDDEN",
        ),
        (
            replace(PURCHASE, mandate=replace(MANDATE, category_id=9)),
            "mandate_category",
            "MANDATE_CATEGORY_FORBIDDEN",
        ),
        (
            replace(
                PURCHASE,
                mandate=replace(MANDATE, category_id=9),
                merchant=replace(MERCHANT, category_id=None),
            ),
            "mandate_category",
            "MANDATE_CATEGORY_FORBIDDEN",
        ),
        (
            replace(PURCHASE, merchant=replace(MERCHANT, is_permitted=False)),
            "usage",
            "UNAUTHORIZED_USAGE",
        ),
        (
            replace(PURCHASE, mandate=replace(MANDATE, max_per_hour=3, purchases_in_hour=3)),
            "per_hour",
            "HOURLY_LIMIT_REACHED",
        ),
        (replace(PURCHASE, amount_minor=6_001), "mandate_total", "MANDATE_CONFLICT"),
        (
            replace(PURCHASE, purse=replace(PURSE, free_minor=999)),
            "escrow_balance",
            "INSUFFICIENT_ESCROW_BALANCE",
        ),
        (replace(PAYMENT, payee=None), "payee", "PAYEE_NOT_ALLOWED"),
        (
            replace(PAYMENT, purse=replace(PURSE, is_disputed=True)),
            "escrow_state",
            "INVALID_STATE",
        ),
        (replace(PAYMENT, amount_minor=4_001), "daily", "DAILY_LIMIT_REACHED"),
        (
            replace(PAYMENT, amount_minor=6_001, payee=replace(PAYEE, daily_limit_minor=None)),
            "total",
            "TOTAL_LIMIT_REACHED",
        ),
        (
            replace(PAYMENT, purse=replace(PURSE, free_minor=999)),
            "escrow_balance",
            "INSUFFICIENT_ESCROW_BALANCE",
        ),
    ],
)
def test_each_rule_refuses_with_its_name_and_code(ask: Ask, rule: str, code: str) -> None:
    assert verdict(ask) == (rule, code)


@pytest.mark.parametrize(
    "ask",
    [
        replace(PURCHASE, amount_minor=6_000),
        replace(PURCHASE, mandate=replace(MANDATE, merchant_id=1, category_id=2)),
        replace(PURCHASE, mandate=replace(MANDATE, max_per_hour=3, purchases_in_hour=2)),
        replace(PURCHASE, purse=replace(PURSE, free_minor=1_000)),
        replace(PURCHASE, merchant=replace(MERCHANT, is_permitted=False, is_certified=True)),
        replace(PAYMENT, amount_minor=4_000),
        replace(PAYMENT, amount_minor=6_000, payee=replace(PAYEE, daily_limit_minor=None)),
        replace(
            PAYMENT,
            amount_minor=8_000,
            payee=replace(PAYEE, daily_limit_minor=None, total_limit_minor=None),
        ),
    ],
)
def test_limits_are_inclusive_and_what_is_not_set_limits_nothing(ask: Ask) -> None:
    assert verdict(ask) == (None, None)


def test_the_first_refusal_wins_in_one_order() -> None:
    everything = Ask(
        amount_minor=100_000,
        currency="EUR",
        at=AT,
        merchant=replace(MERCHANT, is_active=False, is_permitted=False, is_payable=False),
        mandate=replace(
            MANDATE,
            expires_at=AT,
            merchant_id=9,
            category_id=9,
            max_per_hour=1,
            purchases_in_hour=1,
        ),
        purse=replace(PURSE, is_closed=True, is_disputed=True),
    )
    cures = {
        "mandate": lambda ask: replace(
            ask, mandate=replace(ask.mandate, expires_at=AT + rules.HOUR)
        ),
        "escrow_state": lambda ask: replace(ask, purse=PURSE),
        "merchant_active": lambda ask: replace(ask, merchant=replace(ask.merchant, is_active=True)),
        "payee_active": lambda ask: replace(ask, merchant=replace(ask.merchant, is_payable=True)),
        "mandate_merchant": lambda ask: replace(ask, mandate=replace(ask.mandate, merchant_id=1)),
        "mandate_category": lambda ask: replace(ask, mandate=replace(ask.mandate, category_id=2)),
        "usage": lambda ask: replace(ask, merchant=replace(ask.merchant, is_permitted=True)),
        "per_hour": lambda ask: replace(ask, mandate=replace(ask.mandate, max_per_hour=None)),
        "mandate_total": lambda ask: replace(
            ask, mandate=replace(ask.mandate, total_minor=1_000_000)
        ),
        "escrow_balance": lambda ask: replace(ask, purse=replace(PURSE, free_minor=100_000)),
    }
    met = []
    ask = everything
    while (rule := rules.decide(ask).rule) is not None:
        met.append(rule)
        ask = cures[rule](ask)
    assert met == list(cures)
    assert met == [rule for rule in rules.RULES if rule in cures]


def test_a_decision_tells_what_is_left_of_each_limit() -> None:
    purchase = replace(PURCHASE, mandate=replace(MANDATE, max_per_hour=3, purchases_in_hour=1))
    assert rules.shown(rules.decide(purchase).limits, "EUR") == {
        "per_hour": {"limit": 3, "used": 1, "left": 2},
        "mandate": {"limit": "100.00", "used": "40.00", "left": "60.00"},
        "escrow": {"limit": "80.00", "used": "0.00", "left": "80.00"},
    }
    assert rules.shown(rules.decide(replace(PAYMENT, currency="XOF")).limits, "XOF") == {
        "daily": {"limit": "5000", "used": "1000", "left": "4000"},
        "total": {"limit": "9000", "used": "3000", "left": "6000"},
        "escrow": {"limit": "8000", "used": "0", "left": "8000"},
    }


def test_a_day_begins_at_midnight_utc() -> None:
    abidjan_evening = datetime.fromisoformat("2026-11-26T23:30:00-03:00")
    assert rules.day_of(abidjan_evening) == datetime(2026, 11, 27, tzinfo=UTC)
    assert rules.day_of(AT) == datetime(2026, 11, 26, tzinfo=UTC)
