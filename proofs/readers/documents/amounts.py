"""Amounts of money as people print them: `1 000,50`, `1.234,56`, `1,234.56`, `1'234.50`, `(12.00)`.

An amount is recognised by two decimals, by groups of thousands, or by a currency beside it; a bare
whole number may be anything and is left to those who know what stands before it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from proofs.readers.documents.layout import Line

# Beyond it, two amounts cannot be told from a telephone number.
MAX_AMOUNT = Decimal(10) ** 13

# ISO 4217, without codes that are words as well, such as TRY, ALL, TOP and PHP.
ISO_CODES = (
    "EUR|USD|GBP|CHF|MYR|XOF|XAF|INR|CAD|MAD|AUD|NZD|HKD|SGD|TWD|JPY|CNY|KRW|THB|IDR|VND|SEK|NOK|DKK"
    "|PLN|CZK|HUF|BRL|MXN|AED|SAR|QAR|EGP|TND|DZD|MRU|NGN|GHS|KES|UGX|TZS|RWF|BIF|CDF|GNF|GMD|LRD"
    "|SLE|ETB|DJF|KMF|MGA|ZAR|ZMW|MWK|MZN|AOA|HTG|XPF"
)
CURRENCY_CODES = f"{ISO_CODES}|RM|FCFA|CFA"
_DOLLARS = r"(?:(?:US|CA|AU|NZ|HK|[ACS])\s?)?\$"
# Naira are printed as "N1,250,000.00" too; a lone N before other numbers is a number's.
_NAIRA = r"₦|N(?=\d{1,3}(?:,\d{3})+\.\d\d)"
CURRENCY_SIGNS = rf"€|{_DOLLARS}|£|¥|₹|{_NAIRA}|{CURRENCY_CODES}|F\s?\.?CFA|Rs\.?"
_MINUS = "-\u2212\u2013"
_GROUPED = r"\d{1,3}(?:[ \u00a0\u202f\u2009]\d{3})+(?:[.,]\d{1,3})?"
_POINTED = r"\d{1,3}(?:(?P<sep>[.,'\u2019])\d{3})+(?:(?!(?P=sep))[.,]\d{1,3})?"
# Receipts print a rounding of two cents as `.02`.
_PLAIN = r"\d*[.,]\d{2}"
_WHOLE = r"\d+"
_BLANKS = re.compile(r"[ \u00a0\u202f\u2009'\u2019]")
_NUMBER = re.compile(
    rf"(?:(?<![\d.,'/\w])(?<!\d[:{_MINUS}])|(?<=[a-z1])(?=(?:{CURRENCY_CODES})\d))(?P<before>(?:{CURRENCY_SIGNS})\s?)?"
    rf"(?P<sign>[{_MINUS}(]\s?)?(?P<within>(?:{CURRENCY_SIGNS})\s?)?"
    rf"(?P<number>{_GROUPED}|{_POINTED}|{_PLAIN}|{_WHOLE})"
    rf"(?![\d]|[.,'/:]\d)(?P<close>\)|-(?=\s|$))?"
    rf"(?P<after>\s?(?:{CURRENCY_SIGNS})(?![a-z]|\s?\d))?(?P<percent>\s?%)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in a line, from `start` to `end` in its text.

    `is_money` is false for a bare whole number. `currency` is the sign beside it, as printed.
    """

    line: Line
    line_index: int
    start: int
    end: int
    value: Decimal
    raw: str
    currency: str
    is_money: bool

    @property
    def x0(self) -> float:
        """The left edge."""
        return self.line.box(self.start, self.end).x0

    @property
    def x1(self) -> float:
        """The right edge."""
        return self.line.box(self.start, self.end).x1


def parse_amount(text: str, *, mills: bool = False) -> Decimal | None:
    """Give the value of a number as printed, without currency or sign; None if it is none.

    One separator with three digits behind it is one of thousands, or with `mills` a comma is the
    decimal's; the last of two different ones is the decimal's.
    """
    digits = re.sub(r"[ \u00a0\u202f\u2009'\u2019]", "", text)
    if not re.fullmatch(r"[\d.,]*\d", digits):
        return None
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return Decimal(digits)
    mark = digits[last]
    behind = len(digits) - last - 1
    other = "," if mark == "." else "."
    is_decimal = behind != 3 and digits.count(mark) == 1
    grouped = other in digits or _BLANKS.search(text[: text.rfind(mark)]) is not None
    if (grouped or (mills and mark == ",")) and digits.count(mark) == 1:
        is_decimal = True
    if not is_decimal:
        if behind != 3:
            return None
        return Decimal(re.sub(r"[.,]", "", digits))
    whole = re.sub(r"[.,]", "", digits[:last])
    return Decimal(f"{whole or '0'}.{digits[last + 1 :] or '0'}")


def amounts_in(line: Line, line_index: int, *, mills: bool = False) -> Iterator[Amount]:
    """Give the amounts of a line, bare whole numbers among them, from left to right.

    `mills`: whether the document's currency is known to have three decimals.
    """
    for match in _NUMBER.finditer(line.text):
        if match["percent"]:
            continue
        value = parse_amount(match["number"], mills=mills)
        if value is None or value > MAX_AMOUNT:
            continue
        sign = (match["sign"] or "").strip()
        is_negative = bool(sign) and sign in _MINUS
        is_negative |= sign == "(" and match["close"] == ")"
        is_negative |= match["close"] == "-"
        sign_beside = match["before"] or match["within"] or match["after"] or ""
        yield Amount(
            line=line,
            line_index=line_index,
            start=match.start(),
            end=match.end(),
            value=-value if is_negative else value,
            raw=match[0].strip(),
            currency=sign_beside.strip(),
            is_money=bool(sign_beside) or not match["number"].isdigit(),
        )


def canonical(value: Decimal) -> str:
    """Give an amount as a plain decimal with the digits that were printed; nought has no sign."""
    return format(value or abs(value), "f")
