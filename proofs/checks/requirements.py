"""What a document says against what its milestone asks for, both values beside each other. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from proofs.checks.comparing import CHECK_NAMES, Check, Result, agree, day_of, is_sure, unsure
from proofs.checks.document_words import finding
from proofs.checks.figures import decimal_of
from proofs.checks.findings import FindingCode
from proofs.checks.sameness import stands_in
from proofs.readers.documents.facts import Field, FieldName


@dataclass(frozen=True, slots=True)
class Said:
    """What a document says: its fields, and an excerpt of its text in reading order.

    `fields` are those of the document's own data where it has any; `shown` are its pages'.
    """

    fields: Mapping[FieldName, Field]
    text: str
    shown: Mapping[FieldName, Field]


def against_requirements(
    said: Said, wanted: Mapping[str, Any], milestone_currency: str
) -> Iterator[Result]:
    """Compare what was agreed. An amount is in the milestone's currency unless another is named."""
    fields = said.fields
    if "expected_amount" in wanted:
        yield _amount(fields.get(FieldName.TOTAL), wanted)
        currency = str(wanted.get("expected_currency") or milestone_currency)
        yield _same(FieldName.CURRENCY, currency, fields, FindingCode.CURRENCY_DIFFERS)
    elif "expected_currency" in wanted:
        currency = str(wanted["expected_currency"])
        yield _same(FieldName.CURRENCY, currency, fields, FindingCode.CURRENCY_DIFFERS)
    iban = wanted.get("expected_iban") or wanted.get("expected_iban_last4")
    if iban:
        yield _same(FieldName.IBAN, str(iban), fields, FindingCode.IBAN_DIFFERS)
    if "expected_date_min" in wanted or "expected_date_max" in wanted:
        yield _in_range(fields.get(FieldName.DATE), wanted)
    yield from _who(said, wanted)
    if "expected_invoice_number" in wanted:
        number = str(wanted["expected_invoice_number"])
        yield _same(FieldName.NUMBER, number, fields, FindingCode.INVOICE_NUMBER_DIFFERS)
    if country := wanted.get("expected_country"):
        yield _country(said, str(country))
    if city := wanted.get("expected_city"):
        yield _said_somewhere("city", str(city), said.text), []


def _who(said: Said, wanted: Mapping[str, Any]) -> Iterator[Result]:
    """Compare the supplier with the agreed store; a beneficiary besides only has to be named.

    Where no store was agreed the beneficiary is who the invoice must come from.
    """
    store, beneficiary = wanted.get("expected_store_name"), wanted.get("expected_beneficiary")
    if supplier := store or beneficiary:
        yield _same(FieldName.SUPPLIER, str(supplier), said.fields, FindingCode.SUPPLIER_DIFFERS)
    if not (store and beneficiary):
        return
    check = _said_somewhere("beneficiary", str(beneficiary), said.text)
    printed = said.fields.get(FieldName.SUPPLIER)
    is_known = printed is not None and is_sure(printed)
    if printed and is_known and agree(FieldName.SUPPLIER, str(beneficiary), printed.value):
        check = replace(check, actual=printed.value, agrees=True)
    yield check, []


def _said_somewhere(name: str, expected: str, text: str) -> Check:
    """Look for words anywhere on the pages. No field holds them, so that they are missing says
    nothing: only an excerpt of the text is kept, and OCR misreads.
    """
    found = stands_in(expected, text)
    return Check(name=name, expected=expected, actual=found, agrees=None if found is None else True)


def _country(said: Said, expected: str) -> Result:
    """Compare the country of who sells with the agreed one, where an identifier tells it.

    Not by the account: whoever sells in one country may bank in another. Where data and
    pages name two countries, neither is agreed.
    """
    told = {_country_of(fields) for fields in (said.fields, said.shown)}
    actual = ", ".join(sorted(country for country in told if country)) or None
    agrees = None if actual is None else actual == expected
    check = Check(name="country", expected=expected, actual=actual, agrees=agrees)
    if agrees is not False:
        return check, []
    return check, [
        finding(FindingCode.COUNTRY_DIFFERS, field="country", expected=expected, actual=actual)
    ]


def _country_of(fields: Mapping[FieldName, Field]) -> str | None:
    vat_id, siret = fields.get(FieldName.VAT_ID), fields.get(FieldName.SIRET)
    if vat_id is not None and is_sure(vat_id) and vat_id.value[:2].isalpha():
        # Greece and Northern Ireland have prefixes of their own.
        prefix = vat_id.value[:2].upper()
        return {"EL": "GR", "XI": "GB"}.get(prefix, prefix)
    return "FR" if siret is not None and is_sure(siret) else None


def _amount(total: Field | None, wanted: Mapping[str, Any]) -> Result:
    expected = Decimal(str(wanted["expected_amount"]))
    tolerance = Decimal(str(wanted.get("amount_tolerance", 0)))
    shown = f"{expected:f}" + (f" ± {tolerance:f}" if tolerance else "")
    actual = None if total is None else decimal_of(total.value)
    if total is None or actual is None:
        return Check(name="amount", expected=shown, actual=None, agrees=None), []
    if not is_sure(total):
        return _guessed("amount", shown, total)
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


def _in_range(printed: Field | None, wanted: Mapping[str, Any]) -> Result:
    first, last = wanted.get("expected_date_min"), wanted.get("expected_date_max")
    shown = " ".join([*([f"from {first}"] if first else []), *([f"to {last}"] if last else [])])
    day = None if printed is None else day_of(printed.value)
    if printed is None or day is None:
        return Check(name="date", expected=shown, actual=None, agrees=None), []
    if not is_sure(printed):
        return _guessed("date", shown, printed)
    is_late_enough = first is None or date.fromisoformat(first) <= day
    is_early_enough = last is None or day <= date.fromisoformat(last)
    agrees = is_late_enough and is_early_enough
    check = Check(name="date", expected=shown, actual=printed.value, agrees=agrees)
    told = finding(FindingCode.DATE_OUT_OF_RANGE, expected=shown, actual=printed.value)
    return check, [] if agrees else [told]


def _same(
    name: FieldName, expected: str, fields: Mapping[FieldName, Field], code: FindingCode
) -> Result:
    printed = fields.get(name)
    label = CHECK_NAMES[name]
    if printed is None:
        return Check(name=label, expected=expected, actual=None, agrees=None), []
    if not is_sure(printed):
        return _guessed(label, expected, printed)
    agrees = agree(name, expected, printed.value)
    check = Check(name=label, expected=expected, actual=printed.value, agrees=agrees)
    told = finding(code, field=label, expected=expected, actual=printed.value)
    return check, [] if agrees else [told]


def _guessed(label: str, expected: str, printed: Field) -> Result:
    check = Check(name=label, expected=expected, actual=printed.value, agrees=None)
    return check, [unsure(printed)]
