"""How values that were read from documents are shown. Pure."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from kobatela.kernel.money import digits


def invoice_total(fields: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The total that was read, with the digits of its currency where it has no more than those."""
    if "total" not in fields:
        return None
    value = str(fields["total"]["value"])
    currency = fields.get("currency", {}).get("value")
    if currency is None:
        return value
    try:
        amount = Decimal(value)
        exact = amount.quantize(Decimal(1).scaleb(-digits(currency)))
    except InvalidOperation:
        return value
    return f"{exact:f}" if exact == amount else value
