"""Our minor units and Stripe's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kobatela.kernel.money import MAX_AMOUNT_MINOR, Money, parse_minor
from payments.psp.stripe.amounts import from_stripe, to_stripe

# Stripe's list of currencies without digits, and its special cases.
STRIPE_HAS_NO_DIGITS = ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF",
                        "VND", "VUV", "XAF", "XOF", "XPF")  # fmt: skip
THREE_DIGITS = ("BHD", "JOD", "KWD", "OMR", "TND")
CURRENCIES = (*STRIPE_HAS_NO_DIGITS, *THREE_DIGITS, "ISK", "UGX", "EUR", "USD", "GBP", "HUF")


@pytest.mark.parametrize(
    ("amount", "currency", "at_stripe"),
    [
        ("12.34", "EUR", 1_234),
        ("0.01", "USD", 1),
        ("5000", "XOF", 5_000),
        ("1", "XAF", 1),
        ("500", "JPY", 500),
        ("5.120", "KWD", 5_120),
        ("0.010", "TND", 10),
        ("5", "UGX", 500),
        ("5", "ISK", 500),
        ("5.00", "MGA", 5),
        ("10.45", "HUF", 1_045),
    ],
)
def test_d23_an_amount_is_the_same_money_at_stripe(
    amount: str, currency: str, at_stripe: int
) -> None:
    money = Money(parse_minor(amount, currency), currency)

    assert to_stripe(money) == at_stripe
    assert from_stripe(at_stripe, currency) == money


@pytest.mark.parametrize("currency", STRIPE_HAS_NO_DIGITS)
def test_d23_a_currency_without_digits_is_not_taken_for_cents(currency: str) -> None:
    whole = parse_minor("5000", currency)
    assert to_stripe(Money(whole, currency)) == 5_000


@pytest.mark.parametrize(("amount_minor", "currency"), [(5_124, "KWD"), (1, "TND"), (520, "MGA")])
def test_what_stripe_cannot_express_is_not_rounded(amount_minor: int, currency: str) -> None:
    assert to_stripe(Money(amount_minor, currency)) is None


@pytest.mark.parametrize(
    ("amount", "currency"),
    [(0, "EUR"), (-1, "EUR"), (550, "UGX"), (1, "ISK"), (MAX_AMOUNT_MINOR + 1, "EUR")],
)
def test_what_is_no_money_of_ours_reads_as_none(amount: int, currency: str) -> None:
    assert from_stripe(amount, currency) is None


@given(st.integers(1, MAX_AMOUNT_MINOR), st.sampled_from(CURRENCIES))
def test_whatever_stripe_can_express_comes_back_exactly(amount_minor: int, currency: str) -> None:
    money = Money(amount_minor, currency)
    there = to_stripe(money)
    assert there is None or from_stripe(there, currency) == money
