"""When a value that was read means the same as another, and when it is but a guess. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from proofs.checks.document_words import finding
from proofs.checks.figures import currencies_of, decimal_of
from proofs.checks.findings import Finding, FindingCode
from proofs.checks.sameness import number_key, same_iban, same_number, same_supplier, valid_iban
from proofs.readers.documents.dates import parse_date
from proofs.readers.documents.facts import Field, FieldName, Source

# Below this a page's field is a guess: it neither fulfils nor contradicts anything.
SURE_ENOUGH = 0.5

CHECK_NAMES: Mapping[FieldName, str] = {
    FieldName.TOTAL: "amount",
    FieldName.CURRENCY: "currency",
    FieldName.IBAN: "iban",
    FieldName.DATE: "date",
    FieldName.SUPPLIER: "supplier",
    FieldName.NUMBER: "invoice_number",
    FieldName.DUE_DATE: "due_date",
    FieldName.NET: "net",
    FieldName.TAX: "tax",
    FieldName.VAT_ID: "vat_id",
    FieldName.SIRET: "siret",
}
# A SIRET begins with the SIREN of its company, which stands for it in many places.
_SIREN_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One comparison. `agrees` is None where one side is missing or not sure enough."""

    name: str
    expected: str | None
    actual: str | None
    agrees: bool | None

    def to_json(self) -> dict[str, Any]:
        """Give the comparison as a dict of plain JSON values."""
        return asdict(self)


Result = tuple[Check, list[Finding]]


def is_sure(read: Field) -> bool:
    """Whether a field was read well enough to say that it agrees or differs.

    A text's account number with wrong check digits is no guess: that is what is printed there.
    """
    if read.confidence >= SURE_ENOUGH:
        return True
    is_printed = read.source is not Source.OCR
    return read.name is FieldName.IBAN and is_printed and not valid_iban(read.value)


def unsure(read: Field) -> Finding:
    """What a person is told of a guess."""
    return finding(FindingCode.VALUE_UNSURE, field=CHECK_NAMES[read.name], actual=read.value)


def agree(name: FieldName, expected: str, actual: str) -> bool:
    """Whether two values of one field mean the same."""
    return _SAME.get(name, same_number)(expected, actual)


def day_of(text: str) -> date | None:
    """The day that a text names, as a program or as people write it; None where it names none."""
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        return parse_date(text)


def _same_amount(expected: str, actual: str) -> bool:
    amount = decimal_of(expected)
    return amount is not None and amount == decimal_of(actual)


def _same_day(expected: str, actual: str) -> bool:
    day = day_of(expected)
    return day is not None and day == day_of(actual)


def _same_currency(expected: str, actual: str) -> bool:
    return bool(currencies_of(expected) & currencies_of(actual))


def _same_company(expected: str, actual: str) -> bool:
    one, other = number_key(expected), number_key(actual)
    if _SIREN_DIGITS in {len(one), len(other)}:
        one, other = one[:_SIREN_DIGITS], other[:_SIREN_DIGITS]
    return one != "" and one == other


# How each field is compared; what is not here is a number like any other.
_SAME: Mapping[FieldName, Callable[[str, str], bool]] = {
    **dict.fromkeys((FieldName.TOTAL, FieldName.NET, FieldName.TAX), _same_amount),
    **dict.fromkeys((FieldName.DATE, FieldName.DUE_DATE), _same_day),
    FieldName.SUPPLIER: same_supplier,
    FieldName.IBAN: same_iban,
    FieldName.CURRENCY: _same_currency,
    FieldName.SIRET: _same_company,
}
