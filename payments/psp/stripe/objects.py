"""What Stripe's objects say, whether they came as an answer or inside an event.

Everything Stripe sends is input: what is not of the expected shape reads as None.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kobatela.kernel.money import Money
from payments.psp.base import (
    FundingFound,
    Movement,
    MovementKind,
    OrderKind,
    OrderState,
    Outcome,
    Reason,
)
from payments.psp.stripe.amounts import from_stripe

MESSAGE_LENGTH = 500

_ID = re.compile(r"[\x21-\x7e]{1,128}")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_TOO_LARGE = Decimal(10**18)
_REFUND_STATES = {
    "pending": OrderState.ACCEPTED,
    "requires_action": OrderState.ACCEPTED,
    "succeeded": OrderState.SETTLED,
    "failed": OrderState.FAILED,
    "canceled": OrderState.FAILED,
}
_INTENT_STATES = {
    "requires_payment_method": OrderState.ACCEPTED,
    "requires_confirmation": OrderState.ACCEPTED,
    "requires_action": OrderState.ACCEPTED,
    "requires_capture": OrderState.ACCEPTED,
    "processing": OrderState.ACCEPTED,
    "succeeded": OrderState.SETTLED,
    "canceled": OrderState.FAILED,
}
_DISPUTE_STATES = {
    "needs_response": OrderState.ACCEPTED,
    "under_review": OrderState.ACCEPTED,
    "won": OrderState.RETURNED,
    "lost": OrderState.SETTLED,
    "prevented": OrderState.FAILED,
    "warning_needs_response": OrderState.FAILED,
    "warning_under_review": OrderState.FAILED,
    "warning_closed": OrderState.FAILED,
}


def read_order(kind: OrderKind, data: Mapping[str, Any]) -> Outcome | None:
    """What a transfer or a refund has come to."""
    return read_refund(data) if kind is OrderKind.REFUND else read_transfer(data)


def read_transfer(data: Mapping[str, Any]) -> Outcome | None:
    """A transfer that exists has left our balance for the payee's: it is settled.

    It has come back only when all of it was reversed; see `is_partly_reversed`.
    """
    psp_ref, money = text(data, "id"), amount_of(data)
    if not psp_ref or money is None:
        return None
    if data.get("reversed") is True:
        return Outcome(OrderState.RETURNED, psp_ref, Reason.RETURNED_BY_BANK, "reversed", money)
    return Outcome(OrderState.SETTLED, psp_ref, money=money)


def is_partly_reversed(data: Mapping[str, Any]) -> bool:
    """Whether a part of a transfer was taken back, for which no payment of ours has a state."""
    return data.get("reversed") is not True and bool(whole(data.get("amount_reversed")))


def read_refund(data: Mapping[str, Any]) -> Outcome | None:
    """A refund that fails after it was taken from our balance has come back to it.

    So the order in which its reports arrive does not matter: one that had left is returned,
    whether or not we were told that it had arrived.
    """
    state = _REFUND_STATES.get(str(data.get("status")))
    psp_ref, money = text(data, "id"), amount_of(data)
    if state is None or not psp_ref or money is None:
        return None
    message, reason = "", Reason.NONE
    if state is OrderState.FAILED:
        message = printable(f"{data.get('status')}: {data.get('failure_reason')}")
        reason = Reason.PSP_REFUSED
        if data.get("balance_transaction") or data.get("failure_balance_transaction"):
            state, reason = OrderState.RETURNED, Reason.RETURNED_BY_BANK
    return Outcome(state, psp_ref, reason, message, money)


def read_intent(data: Mapping[str, Any]) -> FundingFound | None:
    """What a PaymentIntent has come to. Declined is not the end of it: the payer may try again."""
    state = _INTENT_STATES.get(str(data.get("status")))
    psp_ref = text(data, "id")
    field = "amount_received" if state is OrderState.SETTLED else "amount"
    money = amount_of(data, field)
    if state is None or not psp_ref or money is None:
        return None
    return FundingFound(state, psp_ref, money, _fee_of_intent(data, money.currency))


def _fee_of_intent(data: Mapping[str, Any], currency: str) -> Money | None:
    """What Stripe kept of a charge, where its balance transaction came along and the account
    settles in the charge's own currency."""
    charge = data.get("latest_charge")
    entry = charge.get("balance_transaction") if isinstance(charge, Mapping) else None
    if not isinstance(entry, Mapping):
        return None
    fee = amount_of(entry, "fee")
    return fee if fee is not None and fee.currency == currency else None


def fees_of(data: Mapping[str, Any], currency: str) -> int | None:
    """What Stripe took for a dispute until now, in our minor units; None when it does not say, or
    settles in another currency."""
    entries = data.get("balance_transactions")
    if not isinstance(entries, list) or not entries:
        return None
    total_minor = 0
    for entry in entries:
        fee = whole(entry.get("fee")) if isinstance(entry, Mapping) else None
        if fee is None or str(entry.get("currency")).upper() != currency:
            return None
        money = from_stripe(abs(fee), currency) if fee else None
        if fee and money is None:
            return None
        total_minor += (1 if fee > 0 else -1) * (money.amount_minor if money else 0)
    return max(0, total_minor)


def read_dispute(data: Mapping[str, Any]) -> Movement | None:
    """A dispute. Of one about which a bank only asks no money has moved."""
    state = _DISPUTE_STATES.get(str(data.get("status")))
    psp_ref, money, created_at = text(data, "id"), amount_of(data), _moment(data.get("created"))
    charge_ref = text(data, "payment_intent") or text(data, "charge")
    if state is None or not psp_ref or money is None or created_at is None:
        return None
    kind = MovementKind.CHARGEBACK
    return Movement(kind, psp_ref, "", money, state, created_at, charge_ref=charge_ref)


def read_movement(kind: MovementKind, data: Mapping[str, Any]) -> Movement | None:
    """A line of one of Stripe's lists. When it came to its state is not in it."""
    if kind is MovementKind.CHARGEBACK:
        return read_dispute(data)
    created_at = _moment(data.get("created"))
    if kind is MovementKind.FUNDING:
        intent = read_intent(data)
        state, money = (intent.state, intent.money) if intent else (None, None)
    else:
        order = read_order(OrderKind(kind), data)
        state, money = (order.state, order.money) if order else (None, None)
    if state is None or money is None or created_at is None:
        return None
    return Movement(kind, text(data, "id"), reference_of(data), money, state, created_at)


def _moment(value: object) -> datetime | None:
    seconds = whole(value)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def reference_of(data: Mapping[str, Any]) -> str:
    """Our own key, as we gave it along; "" when there is none."""
    metadata = data.get("metadata")
    return text(metadata, "reference") if isinstance(metadata, Mapping) else ""


def amount_of(data: Mapping[str, Any], field: str = "amount") -> Money | None:
    """The money of an object."""
    amount, currency = whole(data.get(field)), data.get("currency")
    if amount is None or not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        return None
    return from_stripe(amount, currency.upper())


def text(data: Mapping[str, Any], field: str) -> str:
    """An id: printable ASCII, at most 128 characters; "" for anything else."""
    value = data.get(field)
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def whole(value: object) -> int | None:
    """A whole number below 10¹⁸, parsed to int or to Decimal."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    if not abs(number) < _TOO_LARGE or number != number.to_integral_value():
        return None
    return int(number)


def printable(said: str) -> str:
    """Words of Stripe's as they can be stored: no NUL, no lone surrogates, at most 500."""
    return said.encode(errors="replace").decode().replace("\x00", "")[:MESSAGE_LENGTH]
