"""What a sender says along with a document, held against what the document says. Pure.

A claim is written as people write: `1 200,00 €`, `FCFA`, `20/11/2026`. One that cannot be read is
told in its own words, and says nothing about the document. A list or an object is no value at all:
it is told by its shape, because nobody knows what stands in it.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from proofs.checks.comparing import CHECK_NAMES, Check, Result, agree, day_of, is_sure
from proofs.checks.document_words import finding, finding_on_claim
from proofs.checks.figures import amounts_of, decimal_of, is_currency
from proofs.checks.findings import Finding, FindingCode
from proofs.readers.documents.facts import Field, FieldName

# Where callers have put their own idea of what the document says; the first that is there counts.
_CLAIMS: Mapping[FieldName, tuple[str, ...]] = {
    FieldName.TOTAL: ("invoice_total_amount", "invoice_amount", "total_amount", "total"),
    FieldName.CURRENCY: ("invoice_currency", "currency"),
    FieldName.NUMBER: ("invoice_number",),
    FieldName.DATE: ("invoice_date",),
    FieldName.SUPPLIER: ("invoice_supplier_name", "supplier_name"),
    FieldName.IBAN: ("invoice_iban", "iban", "invoice_iban_last4", "iban_last4"),
}
_UNREADABLE: Mapping[FieldName, FindingCode] = {
    FieldName.TOTAL: FindingCode.INVOICE_TOTAL_UNREADABLE,
    FieldName.CURRENCY: FindingCode.INVOICE_CURRENCY_UNREADABLE,
    FieldName.DATE: FindingCode.CLAIM_UNREADABLE,
}
_SHAPES: Mapping[type, str] = {dict: "{…}", list: "[…]"}


def unreadable_claims(claims: Mapping[str, Any]) -> Iterator[Finding]:
    """What cannot be read of what was sent along."""
    for name, code in _UNREADABLE.items():
        claimed = _claimed(claims, name)
        if claimed is not None and not _is_readable(name, claimed):
            yield finding_on_claim(code, claimed=claimed)


def against_claims(
    fields: Mapping[FieldName, Field], claims: Mapping[str, Any]
) -> Iterator[Result]:
    """Compare each claim with what was read; what was not read is compared with nothing."""
    for name in _CLAIMS:
        claimed, printed = _claimed(claims, name), fields.get(name)
        if claimed is None or printed is None:
            continue
        label = CHECK_NAMES[name]
        agrees: bool | None = None
        if _is_readable(name, claimed) and is_sure(printed):
            agrees = _agrees(name, claimed, printed.value)
        check = Check(
            name=f"claimed_{label}", expected=claimed, actual=printed.value, agrees=agrees
        )
        told = finding(
            FindingCode.CLAIM_DIFFERS, field=label, claimed=claimed, actual=printed.value
        )
        yield check, [told] if agrees is False else []


def _agrees(name: FieldName, claimed: str, actual: str) -> bool:
    if name is FieldName.TOTAL:
        return decimal_of(actual) in amounts_of(claimed)
    return agree(name, claimed, actual)


def _is_readable(name: FieldName, claimed: str) -> bool:
    if name is FieldName.TOTAL:
        return bool(amounts_of(claimed))
    if name is FieldName.CURRENCY:
        return is_currency(claimed)
    return name is not FieldName.DATE or day_of(claimed) is not None


def _claimed(claims: Mapping[str, Any], name: FieldName) -> str | None:
    """The sender's own value of a field, as a text; None where there is none."""
    for key in _CLAIMS[name]:
        value = claims.get(key)
        if isinstance(value, bool | dict | list):
            # Whoever sends a supplier or a number in parts has said nothing that could be compared.
            if name in _UNREADABLE and value not in ([], {}):
                return _SHAPES.get(type(value)) or str(value).lower()
            continue
        if not isinstance(value, str | int | float | Decimal):
            continue
        if text := str(value).strip():
            return text[:200]
    return None
