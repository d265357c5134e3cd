"""Amounts as people print them."""

from decimal import Decimal

import pytest

from proofs.readers.documents.amounts import amounts_in, canonical, parse_amount
from proofs.tests.readers.documents import paper


def read(text: str) -> list[tuple[str, str]]:
    line = paper.lines(text)[0]
    return [(canonical(one.value), one.currency) for one in amounts_in(line, 0) if one.is_money]


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("1 000,50", "1000.50"),
        ("1\N{NARROW NO-BREAK SPACE}000,50", "1000.50"),
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1'234.50", "1234.50"),
        ("1\N{RIGHT SINGLE QUOTATION MARK}234.50", "1234.50"),
        ("12 345 678", "12345678"),
        ("1.234.567", "1234567"),
        ("1,234", "1234"),
        ("9.00", "9.00"),
        ("0,05", "0.05"),
        (".02", "0.02"),
        ("15387,08", "15387.08"),
        ("2 250,750", "2250.750"),
        ("2.250,750", "2250.750"),
    ],
)
def test_numbers_of_every_custom_are_understood(printed: str, value: str) -> None:
    assert parse_amount(printed) == Decimal(value)


@pytest.mark.parametrize("printed", ["", "abc", "1.2.3", "12-34", "1,23,45"])
def test_what_is_no_number_has_no_value(printed: str) -> None:
    assert parse_amount(printed) is None


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ("Total TTC 1 000,50 €", [("1000.50", "€")]),
        ("Total:13.10", [("13.10", "")]),
        ("TOTAL:RM100.00", [("100.00", "RM")]),
        ("TotalRM21.85", [("21.85", "RM")]),
        ("RM  ,02", [("0.02", "RM")]),
        ("Net à payer : 150 000 F CFA", [("150000", "F CFA")]),
        ("150000 FCFA", [("150000", "FCFA")]),
        ("(12.50)", [("-12.50", "")]),
        ("-233,47 €", [("-233.47", "€")]),
        ("\N{MINUS SIGN}5.00", [("-5.00", "")]),
        ("100.00- x", [("-100.00", "")]),
        ("$-5.00", [("-5.00", "$")]),
        ("-0,00", [("0.00", "")]),
        ("5.90SR", [("5.90", "")]),
        ("(QTY 4)  RM41.45", [("41.45", "RM")]),
        ("2    198,00    37,62", [("198.00", ""), ("37.62", "")]),
    ],
)
def test_amounts_are_found_with_sign_and_currency(
    printed: str, found: list[tuple[str, str]]
) -> None:
    assert read(printed) == found


@pytest.mark.parametrize(
    "printed",
    [
        "19,0 %",
        "16/11/2017",
        "11.03.2018",
        "04.04.2018",
        "12:31.00",
        "15.387,0800",
        "86,5500",
        "Tel 03-7523888",
        "T5.00",
        "1..40",
    ],
)
def test_dates_rates_prices_per_unit_and_telephones_are_no_amounts(printed: str) -> None:
    assert read(printed) == []
