"""Fields of requests and answers."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework import serializers

from kobatela.kernel.errors import ValidationFailed
from kobatela.rest.fields import (
    AmountTooPrecise,
    AwareDateTimeField,
    CurrencyField,
    IdField,
    JSONObjectField,
    MoneyField,
    MoneyOut,
    StrictSerializer,
    field_problems,
    minor,
)


class OrderIn(StrictSerializer):
    amount = MoneyField(currency_from="currency")
    currency = CurrencyField()


class PartIn(StrictSerializer):
    amount = MoneyField()
    count = serializers.IntegerField(required=False)


class WholeIn(StrictSerializer):
    parts = PartIn(many=True, required=False)
    at = AwareDateTimeField(required=False)
    owner_id = IdField(required=False)
    notes = JSONObjectField(required=False)


class AmountOut(serializers.Serializer[Any]):
    amount = MoneyOut()
    fee = MoneyOut(currency_attr="parent.currency")


def problems(serializer: serializers.BaseSerializer[Any]) -> list[tuple[str, str]]:
    assert not serializer.is_valid()
    return [(found["field"], found["code"]) for found in field_problems(serializer.errors)]


@pytest.mark.parametrize("value", ["100.00", "100", 100, Decimal("1e2"), "0.01"])
def test_an_amount_is_a_text_or_a_number(value: Any) -> None:
    order = OrderIn(data={"amount": value, "currency": "EUR"})
    assert order.is_valid()
    assert order.validated_data["amount"] == Decimal(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0.1,
        "",
        " ",
        "a",
        "1e5",
        "1,00",
        "+1",
        "NaN",
        "0x10",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "9" * 41,
        [],
        {},
        10**16,
        Decimal("1e40"),
        "1" * 17,
    ],
    ids=repr,
)
def test_what_is_no_decimal_number_is_refused(value: Any) -> None:
    (found,) = problems(OrderIn(data={"amount": value, "currency": "EUR"}))
    assert found[0] == "amount"


@pytest.mark.parametrize("value", ["0", "0.00", "-1", -5, "-0"])
def test_nothing_and_less_are_refused_unless_allowed(value: Any) -> None:
    assert problems(OrderIn(data={"amount": value, "currency": "EUR"})) == [("amount", "min_value")]
    with pytest.raises(ValidationFailed):
        minor("-1", "EUR", minimum_minor=0)
    assert minor("0", "EUR", minimum_minor=0) == 0


@pytest.mark.parametrize(
    ("value", "currency"), [("0.001", "EUR"), ("1.5", "XOF"), (Decimal("1.005"), "USD")]
)
def test_d22_more_digits_than_the_currency_has_are_refused_by_their_own_code(
    value: Any, currency: str
) -> None:
    with pytest.raises(AmountTooPrecise) as refused:
        OrderIn(data={"amount": value, "currency": currency}).is_valid()
    assert refused.value.code == "AMOUNT_PRECISION"
    assert refused.value.details["fields"][0]["field"] == "amount"


def test_zeros_beyond_the_digits_change_nothing() -> None:
    assert minor("1.500", "EUR") == 150
    assert minor("5000.00", "XOF") == 5000


def test_a_currency_is_one_of_the_installation() -> None:
    assert problems(OrderIn(data={"amount": "1", "currency": "CHF"})) == [
        ("currency", "invalid_choice")
    ]
    assert problems(OrderIn(data={"amount": "1", "currency": "eur"})) == [
        ("currency", "invalid_choice")
    ]


def test_nested_fields_are_named_with_dots() -> None:
    whole = WholeIn(data={"parts": [{"amount": "1"}, {"amount": "x"}, {}, 7]})
    assert problems(whole) == [
        ("parts.1.amount", "invalid"),
        ("parts.2.amount", "required"),
        ("parts.3", "invalid"),
    ]


def test_a_body_that_is_no_object_has_a_name_too() -> None:
    assert problems(WholeIn(data=[])) == [("body", "invalid")]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**40])
def test_whole_numbers_stay_within_a_bigint(value: int) -> None:
    whole = WholeIn(data={"parts": [{"amount": "1", "count": value}], "owner_id": value})
    assert [field for field, _ in problems(whole)] == ["parts.0.count", "owner_id"]


def test_whole_numbers_of_a_bigint_are_taken() -> None:
    whole = WholeIn(data={"parts": [{"amount": "1", "count": -(2**63) + 1}], "owner_id": 2**63 - 1})
    assert whole.is_valid()


def test_d40_a_time_keeps_its_offset_and_a_naive_one_is_refused() -> None:
    whole = WholeIn(data={"at": "2026-01-31T10:00:00+05:00"})
    assert whole.is_valid()
    assert whole.validated_data["at"] == datetime(2026, 1, 31, 5, tzinfo=UTC)
    assert problems(WholeIn(data={"at": "2026-01-31T10:00:00"})) == [("at", "naive")]


@pytest.mark.parametrize(
    "value",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", 5, [], "x"],
)
def test_a_moment_that_cannot_be_is_refused(value: Any) -> None:
    (found,) = problems(WholeIn(data={"at": value}))
    assert found[0] == "at"


def test_a_free_object_keeps_its_meaning() -> None:
    notes = {"a": Decimal("1.5"), "b": Decimal("0.1"), "c": [1, None, True], "d": {"e": "f"}}
    whole = WholeIn(data={"notes": notes})
    assert whole.is_valid()
    assert whole.validated_data["notes"] == {
        "a": 1.5,
        "b": 0.1,
        "c": [1, None, True],
        "d": {"e": "f"},
    }


def test_a_number_that_no_double_holds_stays_exact_as_a_text() -> None:
    whole = WholeIn(data={"notes": {"a": Decimal("0.12345678901234567890"), "b": 10**30}})
    assert whole.is_valid()
    assert whole.validated_data["notes"] == {"a": "0.12345678901234567890", "b": str(10**30)}


@pytest.mark.parametrize("value", [[], "x", 1, {"a": "x" * 16_384}])
def test_what_is_no_object_or_too_large_is_refused(value: Any) -> None:
    (found,) = problems(WholeIn(data={"notes": value}))
    assert found[0] == "notes"


def test_amounts_go_out_with_the_digits_of_their_currency() -> None:
    row = SimpleNamespace(
        amount_minor=10_000, currency="EUR", fee_minor=5000, parent=SimpleNamespace(currency="XOF")
    )
    assert AmountOut(row).data == {"amount": "100.00", "fee": "5000"}
    mapping = {
        "amount_minor": None,
        "currency": "EUR",
        "fee_minor": 7,
        "parent": {"currency": "EUR"},
    }
    assert AmountOut(mapping).data == {"amount": None, "fee": "0.07"}
