"""What a document says against what was agreed, what its sender says, and what its own XML says.

Pure: a reading in, comparisons and findings out. Nothing here refuses anything: a document is
always for a person, and this is what that person is shown, with both values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from proofs.checks.against_xml import against_xml
from proofs.checks.claims import against_claims, unreadable_claims
from proofs.checks.comparing import Check, agree, is_sure, unsure
from proofs.checks.document_kinds import INVOICE, about_hidden_text, about_kind, must_be_invoice
from proofs.checks.document_words import finding
from proofs.checks.findings import Finding, FindingCode
from proofs.checks.requirements import Said, against_requirements
from proofs.checks.sameness import valid_iban
from proofs.readers.documents.facts import Field, FieldName, Reading, ReadingStatus


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
        is_same = seen is not None and agree(name, exact.value, seen.value)
        merged[name] = replace(exact, page=seen.page, box=seen.box) if is_same and seen else exact
    return merged


def check_document(reading: Reading, case: Case) -> Compared:
    """Compare a document with everything that is known about it."""
    fields = merged_fields(reading)
    checks: list[Check] = []
    findings = list(_about_reading(reading, fields, case))
    is_for_invoice = must_be_invoice(case.kind, case.requirements)
    for check, found in (
        *(about_kind(reading) if is_for_invoice else ()),
        *about_hidden_text(reading),
        *against_requirements(
            Said(fields, reading.text, reading.fields), case.requirements, case.currency
        ),
        *against_xml(reading),
        *against_claims(fields, case.claims),
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
    return tuple(unreadable_claims(claims))


# --- The reading itself ---------------------------------------------------------------------------


def _about_reading(
    reading: Reading, fields: Mapping[FieldName, Field], case: Case
) -> Iterator[Finding]:
    pages: dict[str, Any] = {"pages_total": reading.pages_total, "pages_read": reading.pages_read}
    # One remark for each kind: a page that may be read another time makes it worth another try.
    for code in dict.fromkeys(note.code for note in reading.notes):
        alike = [note for note in reading.notes if note.code is code]
        which = sorted({number for note in alike for number in note.pages})
        data = pages | ({"pages": which} if which else {})
        may_retry = any(note.retry for note in alike)
        yield finding(FindingCode(code.value), **data, retry=may_retry)
    if reading.status is not ReadingStatus.READ and not reading.notes:
        yield finding(FindingCode.DOCUMENT_UNREADABLE, **pages, retry=False)
    is_about_money = case.kind == INVOICE or "expected_amount" in case.requirements
    if is_about_money and FieldName.TOTAL not in fields:
        yield finding(FindingCode.INVOICE_TOTAL_UNREADABLE)
    if is_about_money and FieldName.CURRENCY not in fields:
        yield finding(FindingCode.INVOICE_CURRENCY_UNREADABLE)
    iban = fields.get(FieldName.IBAN)
    if iban is not None and not valid_iban(iban.value):
        yield finding(FindingCode.IBAN_INVALID, field="iban", actual=iban.value)
    yield from unreadable_claims(case.claims)


def _twins(case: Case) -> Iterator[Finding]:
    if case.twins:
        matches = [{"reference": proof_id} for proof_id in case.twins]
        yield finding(FindingCode.REUSED_INVOICE_NUMBER, matches=matches)


# --- Against the milestone ------------------------------------------------------------------------


def _against_milestone(fields: Mapping[FieldName, Field], case: Case) -> Iterator[Finding]:
    """Tell of an invoice over another amount than its milestone's, where no amount was agreed.

    It is no check that failed: nobody said that the invoice is for all of the milestone, or for
    nothing else, so both values are shown and approving needs no word.
    """
    total, currency = fields.get(FieldName.TOTAL), fields.get(FieldName.CURRENCY)
    if case.kind != INVOICE or total is None or "expected_amount" in case.requirements:
        return
    if not is_sure(total):
        yield unsure(total)
        return
    if not case.amount:
        return
    printed = case.currency if currency is None else currency.value
    agreed = str(case.requirements.get("expected_currency") or case.currency)
    is_same_money = agree(FieldName.CURRENCY, case.currency, printed)
    if is_same_money and agree(FieldName.TOTAL, case.amount, total.value):
        return
    if not is_same_money and agree(FieldName.CURRENCY, agreed, printed):
        # It was agreed in other money, so the amounts cannot be compared.
        return
    yield finding(
        FindingCode.MILESTONE_AMOUNT_DIFFERS,
        expected=f"{case.amount} {case.currency}",
        actual=total.value if currency is None else f"{total.value} {currency.value}",
    )
