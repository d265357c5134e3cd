"""Money is an integer of minor units with its currency; decimals exist only at the edge."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from kobatela.kernel.errors import DomainError, Kind

# Digits after the point by ISO 4217, where they are not two.
_ZERO_DIGITS = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_THREE_DIGITS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])

# A bigint holds 9.2e18; this leaves room for sums over many accounts.
MAX_AMOUNT_MINOR = 10**15


class AmountPrecision(DomainError):
    """More digits after the point than the currency has."""

    code = "AMOUNT_PRECISION"
    kind = Kind.INVALID
    message = "The amount has more digits than its currency."


class AmountNotValid(DomainError):
    """Not a decimal number, or out of range."""

    code = "AMOUNT_NOT_VALID"
    kind = Kind.INVALID
    message = "The amount is not a valid number."


class CurrencyMismatch(DomainError):
    """Two amounts that must share a currency do not."""

    code = "CURRENCY_MISMATCH"
    kind = Kind.INVALID
    message = "The currency must be the escrow's own."


def digits(currency: str) -> int:
    """How many digits `currency` (ISO 4217) has after the point."""
    if currency in _ZERO_DIGITS:
        return 0
    return 3 if currency in _THREE_DIGITS else 2


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units of one currency. Arithmetic refuses to mix currencies."""

    amount_minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __str__(self) -> str:
        return f"{format_minor(self.amount_minor, self.currency)} {self.currency}"

    def _same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch


def parse_minor(value: str | int | Decimal, currency: str) -> int:
    """The minor units of a decimal amount given by a client.

    Raises AmountNotValid for anything but a finite number of at most 15 digits in minor units
    and AmountPrecision for more digits than `currency` has. Floats are never accepted: JSON
    numbers are parsed to Decimal before they come here.
    """
    if isinstance(value, str) and not _plain_number(value):
        raise AmountNotValid
    try:
        amount = Decimal(value)
    except (InvalidOperation, ValueError) as error:
        raise AmountNotValid from error
    if not amount.is_finite() or abs(amount) > MAX_AMOUNT_MINOR:
        raise AmountNotValid
    sign, figures, exponent = amount.as_tuple()
    assert isinstance(exponent, int)
    shift = digits(currency) + exponent
    whole = int("".join(map(str, figures)) or "0")
    if shift < 0:
        whole, rest = divmod(whole, 10 ** min(-shift, 400))
        if rest:
            raise AmountPrecision(digits=digits(currency))
    else:
        whole *= int(10**shift)
    if whole > MAX_AMOUNT_MINOR:
        raise AmountNotValid
    return -whole if sign else whole


def format_minor(amount_minor: int, currency: str) -> str:
    """`10000` EUR as `"100.00"`, `5000` XOF as `"5000"`."""
    places = digits(currency)
    sign = "-" if amount_minor < 0 else ""
    whole, rest = divmod(abs(amount_minor), 10**places)
    return f"{sign}{whole}.{rest:0{places}d}" if places else f"{sign}{whole}"


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum of `amounts`, which must all be in `currency`."""
    result = Money(0, currency)
    for amount in amounts:
        result += amount
    return result


def _plain_number(value: str) -> bool:
    # Decimal() also takes spaces, underscores and other scripts' digits; an API must not.
    return len(value) <= 40 and value.isascii() and "_" not in value and value == value.strip()
