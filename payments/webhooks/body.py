"""What a signed body says. Ids, types and references are read from here and nowhere else."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from kobatela.kernel.money import AmountNotValid, AmountPrecision, Money, parse_minor
from payments.errors import MissingEventId, WebhookBodyInvalid

DEFAULT_PROVIDER = "default"
# Has a door of its own; what comes in here must not speak in its name.
STRIPE = "stripe"
# The effect of an event that was kept although what it tells cannot be read.
UNREADABLE = "unreadable"
_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TYPE = re.compile(r"[a-z0-9_.]{1,60}")
_PROVIDER = re.compile(r"[a-z0-9_-]{1,32}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_NOTHING = re.compile(r"0+(\.0+)?")
_MAX_NUMBER_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Report:
    """One event as the PSP tells it.

    type: the PSP's own word. effect: what it means here, "" for nothing. note: why, as a code for
    staff. psp_ref: the PSP's own reference, "" if not given. references: every word by which it
    names the object. account: the payee's account at the PSP that it is about, if it is about
    one. amount, currency: as given, None and "" when not. fee: what the PSP charged, likewise.
    """

    provider: str
    event_id: str
    type: str
    effect: str
    psp_ref: str
    references: frozenset[str]
    amount: str | Decimal | None
    currency: str
    account: str = ""
    note: str = ""
    fee: str | Decimal | None = None

    def money(self, own_currency: str) -> Money | None:
        """The amount that is told; without a currency it is in the object's own.

        None when no amount is told. Raises WebhookBodyInvalid for what is no amount.
        """
        return _money(self.amount, self.currency or own_currency)

    def fee_money(self, own_currency: str) -> Money | None:
        """The fee that is told, as `money`; None also for a fee of nothing."""
        if self.fee is not None and _NOTHING.fullmatch(str(self.fee)):
            return None
        return _money(self.fee, self.currency or own_currency)


def _money(amount: str | Decimal | None, currency: str) -> Money | None:
    if amount is None:
        return None
    try:
        amount_minor = parse_minor(amount, currency)
    except (AmountNotValid, AmountPrecision) as error:
        raise WebhookBodyInvalid from error
    if amount_minor <= 0:
        raise WebhookBodyInvalid
    return Money(amount_minor, currency)


def read_report(body: bytes) -> Report:
    """Read a body. Raises WebhookBodyInvalid and MissingEventId."""
    fields = json_object(body)
    event_id, kind = name_of(fields)
    psp_ref, reference = _reference(fields, "psp_ref"), _reference(fields, "payment_reference")
    report = Report(
        provider=_provider(fields),
        event_id=event_id,
        type=kind,
        effect=kind,
        psp_ref=psp_ref,
        references=frozenset({psp_ref, reference} - {""}),
        amount=_amount(fields, "amount"),
        currency=_currency(fields),
        fee=_amount(fields, "fee"),
    )
    if report.currency:
        report.money(report.currency)
        report.fee_money(report.currency)
    return report


def name_of(fields: Mapping[str, Any]) -> tuple[str, str]:
    """The id and the type of an event. Raises MissingEventId and WebhookBodyInvalid."""
    event_id = _event_id(fields)
    if not event_id:
        raise MissingEventId
    kind = _text(fields.get("type") or fields.get("event") or "unknown")
    if _ID.fullmatch(event_id) is None or _TYPE.fullmatch(kind) is None:
        raise WebhookBodyInvalid
    return event_id, kind


def json_object(body: bytes) -> Mapping[str, Any]:
    """A JSON object; its numbers are decimals, no key stands twice. Raises WebhookBodyInvalid."""
    try:
        value = json.loads(
            body.decode(),
            parse_float=_number,
            parse_int=_number,
            parse_constant=_no_number,
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise WebhookBodyInvalid from error
    if not isinstance(value, dict):
        raise WebhookBodyInvalid
    return value


def _number(text: str) -> Decimal:
    if len(text) > _MAX_NUMBER_CHARACTERS:
        raise ValueError("The number is too long.")
    return Decimal(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("A key stands twice.")
    return fields


def _event_id(fields: Mapping[str, Any]) -> str:
    value = fields.get("event_id") or fields.get("id") or ""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return str(value)
    return _text(value)


def _reference(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value in (None, ""):
        return ""
    text = _text(value)
    if _ID.fullmatch(text) is None:
        raise WebhookBodyInvalid
    return text


def _provider(fields: Mapping[str, Any]) -> str:
    value = fields.get("provider")
    if value in (None, ""):
        return DEFAULT_PROVIDER
    text = _text(value)
    if _PROVIDER.fullmatch(text) is None or text == STRIPE:
        raise WebhookBodyInvalid
    return text


def _amount(fields: Mapping[str, Any], name: str) -> str | Decimal | None:
    amount = fields.get(name)
    if amount is not None and not isinstance(amount, str | Decimal):
        raise WebhookBodyInvalid
    return amount


def _currency(fields: Mapping[str, Any]) -> str:
    value = fields.get("currency")
    if value in (None, ""):
        return ""
    currency = _text(value).upper()
    if _CURRENCY.fullmatch(currency) is None:
        raise WebhookBodyInvalid
    return currency


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise WebhookBodyInvalid
    return value
