"""What a document's pages show against what its own XML says. Pure.

The XML is exact, but nobody sees it; people go by the page. So a value of the XML that the page
contradicts is told, and so is a total or an account that stands on no page at all.
"""

import re
from collections.abc import Iterator
from decimal import Decimal

from proofs.checks.comparing import CHECK_NAMES, Check, Result, agree, is_sure, unsure
from proofs.checks.document_words import finding
from proofs.checks.figures import decimal_of
from proofs.checks.findings import Finding, FindingCode
from proofs.checks.sameness import plain_iban
from proofs.readers.documents.facts import MAX_TEXT_CHARS, Field, FieldName, NoteCode, Reading
from proofs.readers.documents.second import adds_up

# What everything else depends on: who is paid how much, for which invoice.
_DECISIVE = (
    FieldName.TOTAL,
    FieldName.CURRENCY,
    FieldName.DATE,
    FieldName.NUMBER,
    FieldName.IBAN,
)
_COMPARED = (
    *_DECISIVE,
    FieldName.SUPPLIER,
    FieldName.DUE_DATE,
    FieldName.VAT_ID,
    FieldName.SIRET,
    FieldName.NET,
    FieldName.TAX,
)
# Pages of several rates have several of them; the one that was read may be that of one rate.
_PARTS = frozenset({FieldName.NET, FieldName.TAX})
# Every page that is worth paying for says these.
_MUST_BE_SHOWN = frozenset({FieldName.TOTAL, FieldName.IBAN})
# With one of these a person has to look at a page that nobody read, and is told so already.
_NOT_ALL_WAS_READ = frozenset(
    {
        NoteCode.PAGES_NOT_READ,
        NoteCode.PAGE_NOT_RENDERED,
        NoteCode.OCR_OFF,
        NoteCode.OCR_FAILED,
        NoteCode.OCR_UNAVAILABLE,
    }
)
_THOUSANDS = r"[ .,'\u00a0\u202f\u2009\u2019]"


def against_xml(reading: Reading) -> Iterator[Result]:
    """Compare what the XML says with what the pages show, field by field."""
    parts_add_up = adds_up(reading.fields) is True
    for name in _COMPARED:
        exact, seen = reading.xml_fields.get(name), reading.fields.get(name)
        if exact is None or (name in _PARTS and not parts_add_up):
            continue
        if seen is not None:
            yield _both(name, exact, seen)
        elif name in _MUST_BE_SHOWN and not _may_stand_on_a_page(name, exact, reading):
            yield _check(name, exact, None, agrees=None), [_differs(name, exact, None)]


def _both(name: FieldName, exact: Field, seen: Field) -> Result:
    # What is no IBAN agrees with nothing, but a page that repeats it says nothing else.
    if exact.value == seen.value or agree(name, exact.value, seen.value):
        return _check(name, exact, seen, agrees=True), []
    if is_sure(seen):
        return _check(name, exact, seen, agrees=False), [_differs(name, exact, seen)]
    # A guess contradicts nothing, but neither does it bear out what the XML says.
    return _check(name, exact, seen, agrees=None), [unsure(seen)] if name in _DECISIVE else []


def _check(name: FieldName, exact: Field, seen: Field | None, *, agrees: bool | None) -> Check:
    return Check(
        name=f"xml_{CHECK_NAMES[name]}",
        expected=exact.value,
        actual=None if seen is None else seen.value,
        agrees=agrees,
    )


def _differs(name: FieldName, exact: Field, seen: Field | None) -> Finding:
    return finding(
        FindingCode.XML_DIFFERS_FROM_PAGE,
        field=CHECK_NAMES[name],
        expected=exact.value,
        actual=None if seen is None else seen.value,
    )


def _may_stand_on_a_page(name: FieldName, exact: Field, reading: Reading) -> bool:
    """Whether a value is printed somewhere, or may be where nobody could read."""
    if any(note.code in _NOT_ALL_WAS_READ for note in reading.notes):
        return True
    if len(reading.text) >= MAX_TEXT_CHARS:
        return True
    if name is FieldName.IBAN:
        return plain_iban(exact.value) in plain_iban(reading.text)
    amount = decimal_of(exact.value)
    return amount is None or re.search(_printed(amount), reading.text) is not None


def _printed(amount: Decimal) -> str:
    """The pattern of an amount as people print it, whatever parts its thousands and decimals."""
    whole, _, cents = f"{abs(amount):.2f}".partition(".")
    grouped = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", lambda _: _THOUSANDS + "?", whole)
    decimals = "(?:[.,]0{1,2})?" if cents == "00" else f"[.,]{cents.removesuffix('0')}0?"
    # Three figures may be the end of a larger number.
    before = _THOUSANDS if len(whole) % 3 == 0 else "[.,]"
    return rf"(?<!\d)(?<!\d{before}){grouped}{decimals}(?!\d|[.,]\d)"
