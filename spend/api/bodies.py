"""From validated bodies to what the services take."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from escrow.services.amounts import AmountIn
from kobatela.kernel.errors import ValidationFailed
from kobatela.kernel.money import Money
from kobatela.rest.fields import minor
from spend.services.destinations import Destination
from spend.services.mandates import MandateTerms
from spend.services.purchases import PurchaseOrder

# Which operator it is can be asked later; the file of a batch says that nobody has.
_UNNAMED_OPERATOR = "unnamed"
_WAYS = ("user_id", "iban", "mobile_money")


def destination(body: Mapping[str, Any] | None) -> Destination | None:
    """Where somebody is paid. Raises ValidationFailed unless exactly one way is named."""
    if body is None:
        return None
    named = [way for way in _WAYS if way in body]
    if len(named) != 1:
        message = "Name one of user_id, iban and mobile_money."
        raise ValidationFailed.of("destination", "one_of", message)
    if named == ["user_id"]:
        return Destination(user_id=body["user_id"])
    holder = body.get("name", "")
    if named == ["iban"]:
        return Destination(kind="bank", fields={"iban": body["iban"]}, holder=holder)
    account = body["mobile_money"]
    fields = {
        "operator": account["operator"] or _UNNAMED_OPERATOR,
        "number": account["number"],
    }
    return Destination(kind="mobile_money", fields=fields, holder=holder)


def limit_in(body: Mapping[str, Any], name: str) -> AmountIn | None:
    """A limit that is judged once its currency is known; None when there is none."""
    value = body.get(name)
    return None if value is None else amount_in(value, name)


def amount_in(value: Any, field: str = "amount") -> AmountIn:
    """An amount that is judged once its currency is known."""
    return partial(_minor, value, field)


def mandate_terms(body: Mapping[str, Any]) -> MandateTerms:
    """The terms of a new mandate."""
    values = dict(body)
    currency = values.pop("currency")
    total_minor = minor(values.pop("total_amount"), currency, "total_amount")
    return MandateTerms(total=Money(total_minor, currency), **values)


def purchase_order(body: Mapping[str, Any]) -> PurchaseOrder:
    """What is to be bought; the sender buys where no beneficiary is named."""
    return PurchaseOrder(
        sender_id=body["sender_id"],
        beneficiary_id=body.get("beneficiary_id") or body["sender_id"],
        merchant_id=body["merchant_id"],
        money=Money(minor(body["amount"], body["currency"]), body["currency"]),
        category_id=body.get("category_id"),
    )


def _minor(value: Any, field: str, currency: str) -> int:
    return minor(value, currency, field)
