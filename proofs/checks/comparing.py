"""When a value that was read means the same as another, and when it is but a guess. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from proofs.checks.document_words import finding
from proofs.checks.figures import currencies_of, decimal_of
from proofs.checks.findings import Finding, FindingCode
from proofs.checks.sameness import same_iban, same_number, same_supplier, valid_iban
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
}


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
    if name in {FieldName.TOTAL, FieldName.NET, FieldName.TAX}:
        amount = decimal_of(expected)
        return amount is not None and amount == decimal_of(actual)
    if name in {FieldName.DATE, FieldName.DUE_DATE}:
        day = day_of(expected)
        return day is not None and day == day_of(actual)
    if name is FieldName.SUPPLIER:
        return same_supplier(expected, actual)
    if name is FieldName.IBAN:
        return same_iban(expected, actual)
    if name is FieldName.CURRENCY:
        return bool(currencies_of(expected) & currencies_of(actual))
    return same_number(expected, actual)


def day_of(text: str) -> date | None:
    """The day that a text names, as a program or as people write it; None where it names none."""
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        return parse_date(text)
