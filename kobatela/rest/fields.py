"""Serializer fields of this API: exact money, aware times, bounded numbers, known filters."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from kobatela.kernel.errors import DomainError, FieldProblem, ValidationFailed
from kobatela.kernel.money import (
    MAX_AMOUNT_MINOR,
    AmountNotValid,
    AmountPrecision,
    digits,
    format_minor,
    parse_minor,
)
from kobatela.rest.parsers import parse_object

MAX_BIGINT = 2**63 - 1
MAX_JSON_CHARACTERS = 16_384
_DECIMAL_TEXT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,10})?")
_REFUSED_NUMBER = "A decimal number is needed, as a string or a JSON number."


class AmountTooPrecise(ValidationFailed):
    """An amount field with more digits than its currency has."""

    code = "AMOUNT_PRECISION"
    message = AmountPrecision.message


def minor(
    value: str | int | Decimal, currency: str, field: str = "amount", *, minimum_minor: int = 1
) -> int:
    """The minor units of an amount that came in through MoneyField.

    Raises ValidationFailed that names `field`: not a number, below `minimum_minor` (pass 0 where
    nothing is a valid amount), above what an account holds, or (code AMOUNT_PRECISION) more
    digits than `currency` has.
    """
    try:
        amount_minor = parse_minor(value, currency)
    except AmountPrecision as error:
        places = digits(currency)
        text = f"{currency} has {places} digits after the point."
        raise AmountTooPrecise(
            [{"field": field, "code": "AMOUNT_PRECISION", "message": text}]
        ) from error
    except AmountNotValid as error:
        raise ValidationFailed.of(field, "invalid", _REFUSED_NUMBER) from error
    if amount_minor < minimum_minor:
        least = format_minor(minimum_minor, currency)
        raise ValidationFailed.of(field, "min_value", f"It must be at least {least}.")
    return amount_minor


class MoneyField(serializers.Field[Any, Any, Any, Any]):
    """An amount coming in: a decimal string or a JSON number, kept exactly as Decimal.

    With `currency_from` naming another field of the same serializer, the digits of that
    currency are checked with the other fields; where the currency is the object's own, the view
    calls `minor` once it is known. `minimum_minor=0` takes zero.
    """

    default_error_messages = {"invalid": _REFUSED_NUMBER}

    def __init__(
        self, *, currency_from: str | None = None, minimum_minor: int = 1, **kwargs: Any
    ) -> None:
        self.currency_from = currency_from
        self.minimum_minor = minimum_minor
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        """The exact number; its digits and sign are judged when the currency is known."""
        if isinstance(data, str) and _DECIMAL_TEXT.fullmatch(data):
            data = Decimal(data)
        if isinstance(data, bool) or not isinstance(data, int | Decimal):
            self.fail("invalid")
        amount = Decimal(data)
        if abs(amount) > MAX_AMOUNT_MINOR:
            self.fail("invalid")
        return amount

    def to_representation(self, value: Any) -> str:
        """The amount as it came."""
        return str(value)


class MoneyOut(serializers.Field[Any, Any, Any, Any]):
    """An amount going out: `<name>_minor` of the row as a decimal string of its currency.

    `currency_attr` may be dotted (`escrow.currency`). None stays null.
    """

    def __init__(
        self, *, currency_attr: str = "currency", minor_attr: str | None = None, **kwargs: Any
    ) -> None:
        kwargs.setdefault("read_only", True)
        self.currency_path = currency_attr.split(".")
        self.minor_attr = minor_attr
        super().__init__(**kwargs)

    def get_attribute(self, instance: Any) -> Any:
        """The text, or None."""
        amount_minor = _read(instance, self.minor_attr or f"{self.field_name}_minor")
        if amount_minor is None:
            return None
        currency = instance
        for name in self.currency_path:
            currency = _read(currency, name)
        return format_minor(amount_minor, currency)

    def to_representation(self, value: str) -> str:
        """As `get_attribute` made it."""
        return value


class CurrencyField(serializers.ChoiceField):
    """One of KOBATELA_CURRENCIES, in capitals."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=settings.KOBATELA_CURRENCIES, **kwargs)


class AwareDateTimeField(serializers.DateTimeField):
    """A moment with its offset, kept and shown in UTC. A naive time is refused."""

    default_error_messages = {
        "naive": "A time needs an offset, for example 2026-01-31T12:00:00+00:00.",
        "range": "This moment is out of range.",
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        """`value` in UTC."""
        if timezone.is_naive(value):
            self.fail("naive")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            self.fail("range")


class IdField(serializers.IntegerField):
    """The id of something."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_BIGINT, **kwargs)


class JSONObjectField(serializers.Field[Any, Any, Any, Any]):
    """A free-form JSON object of at most 16,384 characters.

    Fractions stay numbers where a double holds them exactly as written, else become texts.
    `from_text=True` also takes the object as JSON text, as forms send it.
    """

    default_error_messages = {
        "invalid": "A JSON object is needed.",
        "too_long": "The object is too large.",
    }

    def __init__(self, *, from_text: bool = False, **kwargs: Any) -> None:
        self.from_text = from_text
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """The object with plain numbers."""
        if isinstance(data, str) and self.from_text:
            data = self._parsed(data)
        if not isinstance(data, dict):
            self.fail("invalid")
        plain = _plain(data)
        if len(json.dumps(plain)) > MAX_JSON_CHARACTERS:
            self.fail("too_long")
        assert isinstance(plain, dict)
        return plain

    def to_representation(self, value: Any) -> Any:
        """As stored."""
        return value

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            return parse_object(text.encode())
        except (UnicodeEncodeError, DomainError):
            self.fail("invalid")


class StrictSerializer(serializers.Serializer[Any]):
    """Base of all serializers that read a request.

    Unknown body fields are ignored; whole numbers stay within a bigint; MoneyFields that know
    their currency's field are checked against it.
    """

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """The declared fields, every whole number bounded."""
        fields = super().get_fields()
        for field in fields.values():
            if isinstance(field, serializers.IntegerField):
                _bound(field)
        return fields

    def to_internal_value(self, data: Any) -> Any:
        """The fields' values; amounts are checked against the currency in the same body."""
        values = super().to_internal_value(data)
        for name, field in self.fields.items():
            if isinstance(field, MoneyField) and values.get(name) is not None:
                self._check_money(name, field, values)
        return values

    def _check_money(self, name: str, field: MoneyField, values: Mapping[str, Any]) -> None:
        currency = values.get(field.currency_from) if field.currency_from else None
        if currency is None:
            return
        try:
            minor(values[name], currency, name, minimum_minor=field.minimum_minor)
        except AmountTooPrecise:
            raise
        except ValidationFailed as error:
            problem = error.details["fields"][0]
            raise serializers.ValidationError(
                {name: ErrorDetail(problem["message"], problem["code"])}
            ) from error


class FilterSerializer(StrictSerializer):
    """Base of the query string of a list. What it does not name is refused."""


def field_problems(errors: Any, path: str = "") -> Iterator[FieldProblem]:
    """DRF's nested errors as a flat list; nested fields are dotted (`milestones.0.amount`)."""
    if isinstance(errors, Mapping):
        for name, inner in errors.items():
            here = path if name == "non_field_errors" else f"{path}.{name}" if path else str(name)
            yield from field_problems(inner, here)
    elif isinstance(errors, list | tuple):
        for index, inner in enumerate(errors):
            is_leaf = isinstance(inner, str)
            yield from field_problems(inner, path if is_leaf else f"{path}.{index}".lstrip("."))
    else:
        code = getattr(errors, "code", "invalid")
        yield {"field": path or "body", "code": str(code), "message": str(errors)}


def _bound(field: serializers.IntegerField) -> None:
    if field.max_value is None or field.min_value is None:
        field.validators.append(_at_most_bigint)


def _at_most_bigint(value: int) -> None:
    if abs(value) > MAX_BIGINT:
        raise serializers.ValidationError("This number is out of range.", code="out_of_range")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else str(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_BIGINT:
        return str(value)
    return value


def _read(instance: Any, name: str) -> Any:
    return instance[name] if isinstance(instance, Mapping) else getattr(instance, name)
