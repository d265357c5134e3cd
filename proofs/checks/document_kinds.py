"""What a document is, by its page and its data: an invoice, or what says that less is owed. Pure.

Whoever approves something else than a plain invoice has to say why, so it is a check that failed.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from proofs.checks.comparing import Check, Result, is_sure
from proofs.checks.document_titles import title_of_no_invoice, title_of_special_invoice
from proofs.checks.document_types import name_of_no_invoice, name_of_special_invoice
from proofs.checks.document_words import finding
from proofs.checks.figures import decimal_of
from proofs.checks.findings import FindingCode
from proofs.readers.documents.facts import Field, FieldName, NoteCode, Reading

INVOICE = "INVOICE"
CONTRACT = "CONTRACT"
_OF_AN_INVOICE = frozenset(
    {"expected_amount", "expected_iban", "expected_iban_last4", "expected_invoice_number"}
)
# Totals are rounded to a coin when they are paid.
_ROUNDING = Decimal("0.05")


def must_be_invoice(kind: str, requirements: Mapping[str, Any]) -> bool:
    """Whether a milestone asks for an invoice: by its kind, or by what it wants to read there.

    What a contract is to say of money may well stand in a quotation.
    """
    return kind == INVOICE or (kind != CONTRACT and bool(_OF_AN_INVOICE & requirements.keys()))


def about_kind(reading: Reading) -> Iterator[Result]:
    """What is said of a document that is no invoice, by its page or its data, or no plain one."""
    code = reading.xml_fields.get(FieldName.TYPE_CODE)
    no_invoice = title_of_no_invoice(reading.text)
    if no_invoice is None and code is not None:
        no_invoice = name_of_no_invoice(code.value)
    if no_invoice is not None:
        yield _kind(no_invoice), [finding(FindingCode.NOT_AN_INVOICE, actual=no_invoice)]
        return
    special = [
        said
        for said in (
            title_of_special_invoice(reading.text),
            None if code is None else name_of_special_invoice(code.value),
            _paid_before(reading),
        )
        if said is not None
    ]
    if special:
        actual = ", ".join(special)
        yield _kind(actual), [finding(FindingCode.SPECIAL_INVOICE, actual=actual)]


def about_hidden_text(reading: Reading) -> Iterator[Result]:
    """What hides words from people; that it does is told as a remark on the reading already."""
    if any(note.code is NoteCode.HIDDEN_TEXT for note in reading.notes):
        yield Check(name="hidden_text", expected="none", actual="hidden words", agrees=False), []


def _kind(actual: str) -> Check:
    return Check(name="document_kind", expected="invoice", actual=actual, agrees=False)


def _paid_before(reading: Reading) -> str | None:
    """What is said to be paid already, wholly or in part; None where all is owed.

    An e-invoice's data count, and its page where that says so alone.
    """
    return _left_of(reading.xml_fields) or _left_of(reading.fields)


def _left_of(fields: Mapping[FieldName, Field]) -> str | None:
    total, payable = (
        decimal_of(fields[name].value) if name in fields and is_sure(fields[name]) else None
        for name in (FieldName.TOTAL, FieldName.PAYABLE)
    )
    if total is None or payable is None:
        return None
    if payable != 0 and abs(total - payable) <= _ROUNDING:
        return None
    return "already paid in part or whole" if payable < total or payable == 0 else "more is due"
