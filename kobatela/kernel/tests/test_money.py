"""Money at the edge: decimals in, decimals out, integers between."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kobatela.kernel.money import (
    MAX_AMOUNT_MINOR,
    AmountNotValid,
    AmountPrecision,
    CurrencyMismatch,
    Money,
    digits,
    format_minor,
    parse_minor,
    total,
)


@pytest.mark.parametrize(
    ("given_amount", "currency", "minor"),
    [
        ("100.00", "EUR", 10000),
        ("100", "EUR", 10000),
        (100, "EUR", 10000),
        (Decimal("0.01"), "EUR", 1),
        ("5000", "XOF", 5000),
        (Decimal("5E+3"), "XOF", 5000),
        ("5000.00", "XOF", 5000),
        ("1.234", "BHD", 1234),
        ("-2.50", "USD", -250),
    ],
)
def test_a_decimal_becomes_minor_units(
    given_amount: str | int | Decimal, currency: str, minor: int
) -> None:
    assert parse_minor(given_amount, currency) == minor


@pytest.mark.parametrize(
    ("given_amount", "currency"),
    [("10.005", "EUR"), ("0.001", "EUR"), ("0.5", "XOF"), (Decimal("1e-9999"), "EUR")],
)
def test_d22_more_digits_than_the_currency_has_are_refused(
    given_amount: str | Decimal, currency: str
) -> None:
    with pytest.raises(AmountPrecision):
        parse_minor(given_amount, currency)


@pytest.mark.parametrize(
    "given_amount",
    [
        "",
        " 1",
        "1 ",
        "1_000",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "abc",
        "1,00",
        "١٢",
        "9" * 41,
    ],
)
def test_what_is_no_plain_finite_number_is_refused(given_amount: str) -> None:
    with pytest.raises(AmountNotValid):
        parse_minor(given_amount, "EUR")


def test_an_amount_above_the_limit_is_refused() -> None:
    assert parse_minor(MAX_AMOUNT_MINOR, "XOF") == MAX_AMOUNT_MINOR
    with pytest.raises(AmountNotValid):
        parse_minor(MAX_AMOUNT_MINOR + 1, "XOF")


@given(st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR), st.sampled_from(["EUR", "XOF", "BHD"]))
def test_what_is_written_is_read_back(amount_minor: int, currency: str) -> None:
    written = format_minor(amount_minor, currency)
    assert parse_minor(written, currency) == amount_minor
    assert (written.rpartition(".")[2] if "." in written else "") == (
        written[-digits(currency) :] if digits(currency) else ""
    )


def test_currencies_do_not_mix() -> None:
    with pytest.raises(CurrencyMismatch):
        Money(1, "EUR") + Money(1, "USD")
    with pytest.raises(CurrencyMismatch):
        total([Money(1, "EUR")], "USD")


def test_sums_and_differences_keep_the_currency() -> None:
    assert Money(5, "EUR") + Money(7, "EUR") == Money(12, "EUR")
    assert Money(5, "EUR") - Money(7, "EUR") == Money(-2, "EUR")
    assert str(Money(-205, "EUR")) == "-2.05 EUR"
