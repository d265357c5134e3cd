"""What a document says against what was agreed, what its sender says, and what its own XML says.

Pure: a reading in, comparisons and findings out. Nothing here refuses anything: a document is
always for a person, and this is what that person is shown, with both values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from proofs.checks.document_titles import title_of_no_invoice
from proofs.checks.document_types import name_of_no_invoice, name_of_special_invoice
from proofs.checks.document_words import finding
from proofs.checks.figures import currencies_of, decimal_of, is_currency
from proofs.checks.findings import Finding, FindingCode
from proofs.checks.sameness import same_iban, same_number, same_supplier, valid_iban
from proofs.readers.documents.facts import Field, FieldName, Reading, ReadingStatus

INVOICE = "INVOICE"
# Below this a page's field is a guess, and a guess is no contradiction of an exact XML.
SURE_ENOUGH = 0.5

# Where callers have put their own idea of what the document says; the first that is there counts.
_CLAIMS: Mapping[FieldName, tuple[str, ...]] = {
    FieldName.TOTAL: ("invoice_total_amount", "invoice_amount", "total_amount", "total"),
    FieldName.CURRENCY: ("invoice_currency", "currency"),
    FieldName.NUMBER: ("invoice_number",),
    FieldName.DATE: ("invoice_date",),
    FieldName.SUPPLIER: ("invoice_supplier_name", "supplier_name"),
    FieldName.IBAN: ("invoice_iban", "iban", "invoice_iban_last4", "iban_last4"),
}
_COMPARED_WITH_XML = (
    FieldName.TOTAL,
    FieldName.CURRENCY,
    FieldName.DATE,
    FieldName.NUMBER,
    FieldName.SUPPLIER,
    FieldName.IBAN,
)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything on which the checks of one document depend.

    kind, currency and amount are the milestone's, the last as a plain decimal, empty where nothing
    is to be compared with it; requirements are its `proof_requirements`. claims is what the sender
    said along with the file. twins are other live proofs with the same invoice number of the same
    supplier.
    """

    kind: str
    currency: str
    amount: str = ""
    requirements: Mapping[str, Any] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)
    twins: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """Every comparison that could be made, and what a person must be told of."""

    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]


def merged_fields(reading: Reading) -> dict[FieldName, Field]:
    """The fields as they are shown: exact where XML has them, with the place on the page if known.

    A page's value that differs from the XML's does not lend it its place.
    """
    merged = dict(reading.fields)
    for name, exact in reading.xml_fields.items():
        seen = reading.fields.get(name)
        is_same = seen is not None and _agree(name, exact.value, seen.value)
        merged[name] = replace(exact, page=seen.page, box=seen.box) if is_same and seen else exact
    return merged


def check_document(reading: Reading, case: Case) -> Compared:
    """Compare a document with everything that is known about it."""
    fields = merged_fields(reading)
    checks: list[Check] = []
    findings = list(_about_reading(reading, fields, case))
    for check, found in (
        *_against_requirements(fields, case),
        *_against_xml(reading),
        *_against_claims(fields, case.claims),
    ):
        checks.append(check)
        findings += found
    findings += [*_against_milestone(fields, case), *_twins(case)]
    if case.twins:
        checks.append(
            Check(name="number_reused", expected="unused", actual="used before", agrees=False)
        )
    return Compared(tuple(checks), tuple(findings))


def check_claims(claims: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What can be said without a document: which of the sender's own numbers are none."""
    return tuple(_unreadable_claims(claims))


# --- The reading itself ---------------------------------------------------------------------------


def _about_reading(
    reading: Reading, fields: Mapping[FieldName, Field], case: Case
) -> Iterator[Finding]:
    pages = {"pages_total": reading.pages_total, "pages_read": reading.pages_read}
    # One remark for each kind: a page that may be read another time makes it worth another try.
    for code in dict.fromkeys(note.code for note in reading.notes):
        may_retry = any(note.retry for note in reading.notes if note.code is code)
        yield finding(FindingCode(code.value), **pages, retry=may_retry)
    if reading.status is not ReadingStatus.READ and not reading.notes:
        yield finding(FindingCode.DOCUMENT_UNREADABLE, **pages, retry=False)
    if case.kind == INVOICE:
        yield from _about_kind(reading)
    is_about_money = case.kind == INVOICE or "expected_amount" in case.requirements
    if is_about_money and FieldName.TOTAL not in fields:
        yield finding(FindingCode.INVOICE_TOTAL_UNREADABLE)
    if is_about_money and FieldName.CURRENCY not in fields:
        yield finding(FindingCode.INVOICE_CURRENCY_UNREADABLE)
    iban = fields.get(FieldName.IBAN)
    if iban is not None and not valid_iban(iban.value):
        yield finding(FindingCode.IBAN_INVALID, field="iban", actual=iban.value)
    yield from _unreadable_claims(case.claims)


def _about_kind(reading: Reading) -> Iterator[Finding]:
    """What is said of a document that is no invoice, by its page or its data, or no plain one."""
    code = reading.xml_fields.get(FieldName.TYPE_CODE)
    no_invoice = title_of_no_invoice(reading.text)
    if no_invoice is None and code is not None:
        no_invoice = name_of_no_invoice(code.value)
    if no_invoice is not None:
        yield finding(FindingCode.NOT_AN_INVOICE, actual=no_invoice)
    elif code is not None and (special := name_of_special_invoice(code.value)) is not None:
        yield finding(FindingCode.SPECIAL_INVOICE, actual=special)


def _unreadable_claims(claims: Mapping[str, Any]) -> Iterator[Finding]:
    total = _claimed(claims, FieldName.TOTAL)
    if total is not None and decimal_of(total) is None:
        yield finding(FindingCode.INVOICE_TOTAL_UNREADABLE, claimed=total)
    currency = _claimed(claims, FieldName.CURRENCY)
    if currency is not None and not is_currency(currency):
        yield finding(FindingCode.INVOICE_CURRENCY_UNREADABLE, claimed=currency)


def _twins(case: Case) -> Iterator[Finding]:
    if case.twins:
        matches = [{"reference": proof_id} for proof_id in case.twins]
        yield finding(FindingCode.REUSED_INVOICE_NUMBER, matches=matches)


# --- Against the milestone's requirements ---------------------------------------------------------

_Result = tuple[Check, list[Finding]]


def _against_requirements(fields: Mapping[FieldName, Field], case: Case) -> Iterator[_Result]:
    wanted = case.requirements
    if "expected_amount" in wanted:
        yield _amount(fields.get(FieldName.TOTAL), wanted)
        currency = str(wanted.get("expected_currency") or case.currency)
        yield _same(FieldName.CURRENCY, currency, fields, FindingCode.CURRENCY_DIFFERS)
    elif "expected_currency" in wanted:
        currency = str(wanted["expected_currency"])
        yield _same(FieldName.CURRENCY, currency, fields, FindingCode.CURRENCY_DIFFERS)
    iban = wanted.get("expected_iban") or wanted.get("expected_iban_last4")
    if iban:
        yield _same(FieldName.IBAN, str(iban), fields, FindingCode.IBAN_DIFFERS)
    if "expected_date_min" in wanted or "expected_date_max" in wanted:
        yield _in_range(fields.get(FieldName.DATE), wanted)
    supplier = wanted.get("expected_store_name") or wanted.get("expected_beneficiary")
    if supplier:
        yield _same(FieldName.SUPPLIER, str(supplier), fields, FindingCode.SUPPLIER_DIFFERS)
    if "expected_invoice_number" in wanted:
        number = str(wanted["expected_invoice_number"])
        yield _same(FieldName.NUMBER, number, fields, FindingCode.INVOICE_NUMBER_DIFFERS)


def _against_milestone(fields: Mapping[FieldName, Field], case: Case) -> Iterator[Finding]:
    """Tell of an invoice over another amount than its milestone's, where no amount was agreed.

    It is no check that failed: nobody said that the invoice is for all of the milestone, or for
    nothing else, so both values are shown and approving needs no word.
    """
    total, currency = fields.get(FieldName.TOTAL), fields.get(FieldName.CURRENCY)
    if case.kind != INVOICE or not case.amount or total is None or total.confidence < SURE_ENOUGH:
        return
    if "expected_amount" in case.requirements:
        return
    printed = case.currency if currency is None else currency.value
    agreed = str(case.requirements.get("expected_currency") or case.currency)
    is_same_money = _agree(FieldName.CURRENCY, case.currency, printed)
    if is_same_money and _agree(FieldName.TOTAL, case.amount, total.value):
        return
    if not is_same_money and _agree(FieldName.CURRENCY, agreed, printed):
        # It was agreed in other money, so the amounts cannot be compared.
        return
    yield finding(
        FindingCode.MILESTONE_AMOUNT_DIFFERS,
        expected=f"{case.amount} {case.currency}",
        actual=total.value if currency is None else f"{total.value} {currency.value}",
    )


def _amount(total: Field | None, wanted: Mapping[str, Any]) -> _Result:
    expected = Decimal(str(wanted["expected_amount"]))
    tolerance = Decimal(str(wanted.get("amount_tolerance", 0)))
    shown = f"{expected:f}" + (f" ± {tolerance:f}" if tolerance else "")
    actual = None if total is None else decimal_of(total.value)
    if total is None or actual is None:
        return Check(name="amount", expected=shown, actual=None, agrees=None), []
    difference = actual - expected
    agrees = abs(difference) <= tolerance
    check = Check(name="amount", expected=shown, actual=total.value, agrees=agrees)
    if agrees:
        return check, []
    figures = {"expected": f"{expected:f}", "actual": total.value}
    told = finding(
        FindingCode.AMOUNT_DIFFERS,
        **figures,
        difference=f"{difference:f}",
        tolerance=f"{tolerance:f}",
    )
    return check, [told]


def _in_range(printed: Field | None, wanted: Mapping[str, Any]) -> _Result:
    first, last = wanted.get("expected_date_min"), wanted.get("expected_date_max")
    shown = " ".join([*([f"from {first}"] if first else []), *([f"to {last}"] if last else [])])
    day = None if printed is None else _day(printed.value)
    if printed is None or day is None:
        return Check(name="date", expected=shown, actual=None, agrees=None), []
    is_late_enough = first is None or date.fromisoformat(first) <= day
    is_early_enough = last is None or day <= date.fromisoformat(last)
    agrees = is_late_enough and is_early_enough
    check = Check(name="date", expected=shown, actual=printed.value, agrees=agrees)
    told = finding(FindingCode.DATE_OUT_OF_RANGE, expected=shown, actual=printed.value)
    return check, [] if agrees else [told]


def _same(
    name: FieldName, expected: str, fields: Mapping[FieldName, Field], code: FindingCode
) -> _Result:
    printed = fields.get(name)
    label = _CHECK_NAMES[name]
    if printed is None:
        return Check(name=label, expected=expected, actual=None, agrees=None), []
    agrees = _agree(name, expected, printed.value)
    check = Check(name=label, expected=expected, actual=printed.value, agrees=agrees)
    told = finding(code, field=label, expected=expected, actual=printed.value)
    return check, [] if agrees else [told]


_CHECK_NAMES: Mapping[FieldName, str] = {
    FieldName.TOTAL: "amount",
    FieldName.CURRENCY: "currency",
    FieldName.IBAN: "iban",
    FieldName.DATE: "date",
    FieldName.SUPPLIER: "supplier",
    FieldName.NUMBER: "invoice_number",
}


# --- Against its own XML and against its sender's word --------------------------------------------


def _against_xml(reading: Reading) -> Iterator[_Result]:
    for name in _COMPARED_WITH_XML:
        exact, seen = reading.xml_fields.get(name), reading.fields.get(name)
        if exact is None or seen is None:
            continue
        label = _CHECK_NAMES[name]
        agrees: bool | None = _agree(name, exact.value, seen.value)
        if not agrees and seen.confidence < SURE_ENOUGH:
            agrees = None
        check = Check(name=f"xml_{label}", expected=exact.value, actual=seen.value, agrees=agrees)
        told = finding(
            FindingCode.XML_DIFFERS_FROM_PAGE, field=label, expected=exact.value, actual=seen.value
        )
        yield check, [told] if agrees is False else []


def _against_claims(
    fields: Mapping[FieldName, Field], claims: Mapping[str, Any]
) -> Iterator[_Result]:
    for name in _CLAIMS:
        claimed, printed = _claimed(claims, name), fields.get(name)
        if claimed is None or printed is None:
            continue
        is_readable = name is not FieldName.TOTAL or decimal_of(claimed) is not None
        agrees = _agree(name, claimed, printed.value) if is_readable else None
        label = _CHECK_NAMES[name]
        check = Check(
            name=f"claimed_{label}", expected=claimed, actual=printed.value, agrees=agrees
        )
        told = finding(
            FindingCode.CLAIM_DIFFERS, field=label, claimed=claimed, actual=printed.value
        )
        yield check, [told] if agrees is False else []


def _claimed(claims: Mapping[str, Any], name: FieldName) -> str | None:
    """The sender's own value of a field, as a text; None where there is none."""
    for key in _CLAIMS[name]:
        value = claims.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            continue
        if text := str(value).strip():
            return text[:200]
    return None


# --- Sameness -------------------------------------------------------------------------------------


def _agree(name: FieldName, expected: str, actual: str) -> bool:
    """Whether two values of one field mean the same."""
    if name in {FieldName.TOTAL, FieldName.NET, FieldName.TAX}:
        amounts = decimal_of(expected), decimal_of(actual)
        return amounts[0] is not None and amounts[0] == amounts[1]
    if name in {FieldName.DATE, FieldName.DUE_DATE}:
        return _day(expected) is not None and _day(expected) == _day(actual)
    if name is FieldName.SUPPLIER:
        return same_supplier(expected, actual)
    if name is FieldName.IBAN:
        return same_iban(expected, actual)
    if name is FieldName.CURRENCY:
        return bool(currencies_of(expected) & currencies_of(actual))
    return same_number(expected, actual)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None
