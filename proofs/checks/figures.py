"""Amounts and currencies as people write them. Pure."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from proofs.readers.documents.amounts import parse_amount
from proofs.readers.documents.currencies import code_of

# What people call a currency; both francs are written alike.
_CALLED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("FCFA", "CFA", "FRANCCFA", "FRANCSCFA"), frozenset({"XOF", "XAF"})),
    **dict.fromkeys(("EURO", "EUROS"), frozenset({"EUR"})),
}
_NAME = r"(?:f\.?cfa|cfa|xof|xaf|francscfa|euros?|usd|gbp|[€$£])\.?"
# Before the figures or behind them, not both.
_CURRENCY_AROUND = re.compile(rf"^{_NAME}(?=-?\d)(?!.*{_NAME}$)|(?<=\d){_NAME}$", re.IGNORECASE)
_DOTTED_THOUSANDS = re.compile(r"-?\d{1,3}(?:\.\d{3}){2,}")


def decimal_of(text: str) -> Decimal | None:
    """A plain decimal, or one as French and English people write it, also with its currency; None
    for anything else.
    """
    plain = _without_currency(text)
    if "," in plain and "." not in plain:
        # One comma before one or two digits is a decimal comma, others part thousands.
        head, _, tail = plain.rpartition(",")
        plain = f"{head.replace(',', '')}.{tail}" if len(tail) in {1, 2} else plain.replace(",", "")
    elif "," in plain:
        decimal_mark = max(plain.rfind(","), plain.rfind("."))
        head = plain[:decimal_mark].replace(",", "").replace(".", "")
        plain = f"{head}.{plain[decimal_mark + 1 :]}"
    elif _DOTTED_THOUSANDS.fullmatch(plain):
        plain = plain.replace(".", "")
    try:
        amount = Decimal(plain)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def amounts_of(text: str) -> frozenset[Decimal]:
    """What an amount as people write it can mean; nothing where it is none.

    `12.500` is twelve and a half to a program, and twelve thousand five hundred on a page.
    """
    plain = _without_currency(text)
    printed = parse_amount(plain.removeprefix("-"))
    if printed is not None and plain.startswith("-"):
        printed = -printed
    return frozenset(amount for amount in (decimal_of(text), printed) if amount is not None)


def _without_currency(text: str) -> str:
    plain = "".join(text.split()).replace("'", "").replace("\u2019", "")
    return _CURRENCY_AROUND.sub("", plain)


def is_currency(text: str) -> bool:
    """Whether a text can be a currency's code, or is what people call one."""
    return all(len(code) == 3 and code.isascii() and code.isalpha() for code in currencies_of(text))


def currencies_of(text: str) -> frozenset[str]:
    """What a currency's name can stand for: its code, or those of what people call it."""
    plain = "".join(text.upper().split()).replace(".", "")
    return _CALLED.get(plain) or frozenset({code_of(plain) or plain})
