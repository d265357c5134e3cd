"""What a document says against what was agreed; both values, and never a refusal."""

from collections.abc import Mapping
from typing import Any

import pytest

from proofs.admin.words import figure
from proofs.checks.comparing import Check
from proofs.checks.document_words import DOCUMENT_CODES
from proofs.checks.documents import (
    Case,
    Compared,
    check_claims,
    check_document,
    merged_fields,
)
from proofs.checks.figures import decimal_of
from proofs.checks.findings import FindingCode, Severity
from proofs.checks.sameness import number_key, same_number, same_supplier
from proofs.masking import Relation, mask_figures
from proofs.readers.documents.facts import FieldName, Note, NoteCode, Source
from proofs.tests.factories import INVOICE_FIELDS, reading_of

IBAN = "FR7630006000011234567890189"


def compared(
    requirements: Mapping[str, Any] | None = None,
    fields: Mapping[str, str] | None = None,
    *,
    xml: Mapping[str, str] | None = None,
    notes: tuple[Note, ...] = (),
    **case: Any,
) -> Compared:
    """The checks of an invoice over 1200.00 EUR, with other `fields` where given."""
    reading = reading_of(INVOICE_FIELDS if fields is None else fields, xml, notes=notes)
    defaults: dict[str, Any] = {"kind": "INVOICE", "currency": "EUR"}
    return check_document(reading, Case(requirements=requirements or {}, **(defaults | case)))


def only(found: Compared, name: str) -> Check:
    (check,) = [check for check in found.checks if check.name == name]
    return check


def codes(found: Compared) -> list[str]:
    return [finding.code.value for finding in found.findings]


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in INVOICE_FIELDS.items() if name not in names}


def test_without_requirements_nothing_is_compared_and_nothing_is_wrong() -> None:
    assert compared() == Compared((), ())


# --- Amount and currency --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "tolerance", "agrees"),
    [
        ("1200.00", None, True),
        ("1200", None, True),
        ("1199.99", None, False),
        ("1190.00", "10", True),
        ("1210", "10.00", True),
        ("1189.99", "10.00", False),
        ("1210.01", "10.00", False),
    ],
)
def test_the_amount_may_differ_by_the_tolerance_and_no_cent_more(
    expected: str, tolerance: str | None, *, agrees: bool
) -> None:
    wanted = {"expected_amount": expected}
    if tolerance is not None:
        wanted["amount_tolerance"] = tolerance

    found = compared(wanted)

    check = only(found, "amount")
    assert check.agrees is agrees
    assert check.actual == "1200.00"
    assert (check.expected or "").startswith(expected)
    assert codes(found) == ([] if agrees else ["AMOUNT_DIFFERS"])


def test_a_difference_is_told_with_both_values_and_how_far_they_are_apart() -> None:
    (finding,) = compared({"expected_amount": "1000.00", "amount_tolerance": "50.00"}).findings

    assert finding.severity is Severity.SOFT
    assert finding.data == {
        "expected": "1000.00",
        "actual": "1200.00",
        "difference": "200.00",
        "tolerance": "50.00",
    }
    assert not any(figure in finding.message + finding.hint for figure in ("1000", "1200", "50"))


def test_an_agreed_amount_is_in_the_escrows_currency_unless_another_is_agreed() -> None:
    assert only(compared({"expected_amount": "1200"}, currency="XOF"), "currency") == Check(
        name="currency", expected="XOF", actual="EUR", agrees=False
    )
    wanted = {"expected_amount": "1200", "expected_currency": "EUR"}
    assert only(compared(wanted, currency="XOF"), "currency").agrees is True
    assert codes(compared({"expected_currency": "USD"})) == ["CURRENCY_DIFFERS"]


def test_what_could_not_be_read_is_neither_agreement_nor_difference() -> None:
    wanted = {
        "expected_amount": "1200.00",
        "expected_iban_last4": "0189",
        "expected_date_min": "2026-11-01",
        "expected_store_name": "Quincaillerie",
        "expected_invoice_number": "F-1",
    }

    found = compared(wanted, {})

    assert {check.agrees for check in found.checks} == {None}
    assert {check.actual for check in found.checks} == {None}
    assert len(found.checks) == 6
    assert codes(found) == ["INVOICE_TOTAL_UNREADABLE", "INVOICE_CURRENCY_UNREADABLE"]


def test_a_contract_needs_no_total_unless_one_is_agreed() -> None:
    assert codes(compared(fields={}, kind="CONTRACT")) == []
    assert codes(compared({"expected_amount": "1"}, {}, kind="CONTRACT")) == [
        "INVOICE_TOTAL_UNREADABLE",
        "INVOICE_CURRENCY_UNREADABLE",
    ]


# --- Account --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "agrees"),
    [
        ({"expected_iban": IBAN}, True),
        ({"expected_iban": "FR76 3000 6000 0112 3456 7890 189"}, True),
        ({"expected_iban": "DE89370400440532013000"}, False),
        ({"expected_iban_last4": "0189"}, True),
        ({"expected_iban_last4": "0188"}, False),
    ],
)
def test_the_account_is_the_agreed_one_in_full_or_by_its_last_four(
    wanted: Mapping[str, Any], *, agrees: bool
) -> None:
    found = compared(wanted)

    assert only(found, "iban").agrees is agrees
    assert codes(found) == ([] if agrees else ["IBAN_DIFFERS"])


def test_an_account_with_wrong_check_digits_agrees_with_nothing() -> None:
    fields = INVOICE_FIELDS | {"iban": "FR7730006000011234567890189"}

    found = compared({"expected_iban_last4": "0189"}, fields)

    assert only(found, "iban").agrees is False
    assert codes(found) == ["IBAN_INVALID", "IBAN_DIFFERS"]
    assert codes(compared(fields=fields)) == ["IBAN_INVALID"], "also where none is agreed"


@pytest.mark.parametrize("iban", ["CI93CI0080111301134291200589", "SN08SN0100152000048500003035"])
def test_african_accounts_are_judged_by_the_same_digits(iban: str) -> None:
    found = compared({"expected_iban": iban}, INVOICE_FIELDS | {"iban": iban})

    assert only(found, "iban").agrees is True


# --- Days -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "agrees"),
    [
        ({"expected_date_min": "2026-11-20"}, True),
        ({"expected_date_max": "2026-11-20"}, True),
        ({"expected_date_min": "2026-11-21"}, False),
        ({"expected_date_max": "2026-11-19"}, False),
        ({"expected_date_min": "2026-11-01", "expected_date_max": "2026-11-30"}, True),
    ],
)
def test_the_day_lies_within_the_agreed_ones_both_included(
    wanted: Mapping[str, Any], *, agrees: bool
) -> None:
    found = compared(wanted)

    assert only(found, "date").agrees is agrees
    assert codes(found) == ([] if agrees else ["DATE_OUT_OF_RANGE"])


# --- The milestone itself -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "currency", "requirements", "told"),
    [
        ("1200.00", "EUR", {}, None),
        ("500.00", "EUR", {}, "500.00 EUR"),
        ("1200", "XOF", {}, "1200 XOF"),
        ("500.00", "EUR", {"expected_amount": "1200.00"}, None),
        ("787148", "XOF", {"expected_currency": "EUR"}, None),
        ("500.00", "EUR", {"expected_currency": "EUR"}, "500.00 EUR"),
    ],
)
def test_an_invoice_over_another_amount_than_its_milestones_is_told_without_asking_for_words(
    amount: str, currency: str, requirements: Mapping[str, Any], told: str | None
) -> None:
    found = compared(requirements, amount=amount, currency=currency)

    data = [one.data for one in found.findings if one.code == "MILESTONE_AMOUNT_DIFFERS"]
    assert data == ([{"expected": told, "actual": "1200.00 EUR"}] if told else [])
    assert {one.severity for one in found.findings} <= {Severity.SOFT}
    assert all(check.agrees for check in found.checks)


def test_only_a_total_that_was_read_is_held_against_the_milestone_and_only_an_invoices() -> None:
    assert "MILESTONE_AMOUNT_DIFFERS" not in codes(compared(fields={}, amount="500.00"))
    assert codes(compared(amount="500.00", kind="CONTRACT")) == []


@pytest.mark.parametrize("claimed", ["FCFA", "F CFA", "xof", "CFA"])
def test_a_currency_is_claimed_as_people_call_it(claimed: str) -> None:
    claims = {"invoice_currency": claimed, "invoice_total_amount": "1 250 000 FCFA"}

    found = compared(fields={"total": "1250000", "currency": "XOF"}, claims=claims, currency="XOF")

    assert [check.agrees for check in found.checks] == [True, True]
    assert (found.findings, check_claims(claims)) == ((), ())


# --- Names and numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("Quincaillerie du Plateau", "QUINCAILLERIE DU PLATEAU S.A.R.L."),
        ("Quincaillerie du Plateau", "Quincaillerle du Plateau"),
        ("Établissements Kouamé", "ETS KOUAME & Fils"),
        ("Plateau Quincaillerie", "Quincaillerie du Plateau"),
        ("Boulangerie Martin", "Boulangerie Martin, Abidjan"),
    ],
)
def test_a_name_is_the_same_with_other_case_accents_legal_form_and_a_misread_letter(
    expected: str, printed: str
) -> None:
    assert same_supplier(expected, printed)


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("Quincaillerie du Plateau", "Quincaillerie du Port"),
        ("Quincaillerie du Plateau", "Quincaillerie"),
        ("Martin SARL", "Dupont SARL"),
        ("Lot 7", "Lot 1"),
        ("Quincaillerie", ""),
        ("", "Quincaillerie"),
    ],
)
def test_another_name_is_another_name(expected: str, printed: str) -> None:
    assert not same_supplier(expected, printed)


def test_the_supplier_is_the_agreed_store_else_the_beneficiary() -> None:
    both = {"expected_store_name": "Quincaillerie du Plateau", "expected_beneficiary": "Awa"}

    assert only(compared(both), "supplier").agrees is True
    found = compared({"expected_beneficiary": "Awa Koné"})
    assert only(found, "supplier").agrees is False
    assert codes(found) == ["SUPPLIER_DIFFERS"]


def test_a_number_is_the_same_however_it_is_punctuated() -> None:
    assert same_number("F-2026/118", "f2026 118")
    assert not same_number("F-2026-118", "F-2026-119")
    assert not same_number("--", "")
    assert number_key("f-2026/118") == "F2026118"
    assert codes(compared({"expected_invoice_number": "F-9"})) == ["INVOICE_NUMBER_DIFFERS"]


def test_a_number_used_before_is_a_failed_check_with_its_matches() -> None:
    found = compared(twins=(7, 3))

    assert only(found, "number_reused").agrees is False
    (finding,) = found.findings
    assert finding.data == {"matches": [{"reference": 7}, {"reference": 3}]}


# --- The document against itself ------------------------------------------------------------------


def test_exact_data_inside_the_file_is_compared_with_the_page() -> None:
    found = compared(xml={"total": "1200.0", "number": "F2026118", "iban": IBAN})

    assert {check.name: check.agrees for check in found.checks} == {
        "xml_amount": True,
        "xml_invoice_number": True,
        "xml_iban": True,
    }
    assert found.findings == ()


def test_a_page_that_shows_another_total_than_its_own_data_is_told() -> None:
    found = compared({"expected_amount": "120.00"}, xml={"total": "120.00", "currency": "EUR"})

    assert only(found, "amount").agrees is True, "the exact value is the one that is compared"
    assert only(found, "xml_amount") == Check(
        name="xml_amount", expected="120.00", actual="1200.00", agrees=False
    )
    assert codes(found) == ["XML_DIFFERS_FROM_PAGE"]


def test_exact_values_are_shown_where_they_stand_on_the_page() -> None:
    merged = merged_fields(reading_of(INVOICE_FIELDS, {"total": "1200.00", "date": "2020-01-01"}))

    total, day = merged[FieldName.TOTAL], merged[FieldName.DATE]
    assert (total.source, total.page, total.box is None) == (Source.XML, 1, False)
    assert (day.value, day.page, day.box) == ("2020-01-01", None, None), "not where another stands"
    assert merged[FieldName.NUMBER].source is Source.TEXT


# --- The document against its sender's word -------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "agrees"),
    [
        ({"invoice_total_amount": "1200.00"}, True),
        ({"invoice_total_amount": 1200}, True),
        ({"invoice_total_amount": "1 200,00"}, True),
        ({"total": "1,200.00"}, True),
        ({"invoice_total_amount": "1200.01"}, False),
        ({"invoice_amount": "12"}, False),
    ],
)
def test_the_senders_total_is_compared_and_never_taken_over(
    claims: Mapping[str, Any], *, agrees: bool
) -> None:
    found = compared(claims=claims)

    check = only(found, "claimed_amount")
    assert (check.actual, check.agrees) == ("1200.00", agrees)
    assert check.expected == str(next(iter(claims.values())))
    assert codes(found) == ([] if agrees else ["CLAIM_DIFFERS"])


@pytest.mark.parametrize("value", [None, [], {}, "", "  "])
def test_what_is_no_value_is_no_claim(value: Any) -> None:
    assert compared(claims={"invoice_total_amount": value}) == Compared((), ())


@pytest.mark.parametrize("value", ["douze cents", "1.2.3", "NaN", "Infinity", "1200 lots", "--"])
def test_r6_a_claimed_total_that_is_no_number_is_a_finding(value: str) -> None:
    found = compared(claims={"invoice_total_amount": value})

    assert only(found, "claimed_amount").agrees is None
    assert codes(found) == ["INVOICE_TOTAL_UNREADABLE"]
    (alone,) = check_claims({"invoice_total_amount": value})
    assert alone.data == {"claimed": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1200", "1200"),
        ("1 200,50", "1200.50"),
        ("1\u202f200,50", "1200.50"),
        ("1.200,50", "1200.50"),
        ("1,200.50", "1200.50"),
        ("1,200,000", "1200000"),
        ("12,5", "12.5"),
        ("1'200.50", "1200.50"),
        ("-3.00", "-3.00"),
        ("1 250 000 FCFA", "1250000"),
        ("1.250.000 F CFA", "1250000"),
        ("XOF 1,250,000", "1250000"),
        ("1 200,50 €", "1200.50"),
        ("$1,200.50", "1200.50"),
        ("EUR", "None"),
        ("12 lots", "None"),
        ("FCFA 12 EUR", "None"),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, value: str) -> None:
    assert str(decimal_of(text)) == value


# --- How the reading went -------------------------------------------------------------------------


@pytest.mark.parametrize("code", NoteCode)
def test_every_remark_on_the_reading_becomes_a_finding(code: NoteCode) -> None:
    note = Note(code=code, message="In the reader's words.", retry=True)

    (finding,) = compared(notes=(note,)).findings

    assert finding.code.value == code.value
    assert finding.hint
    assert finding.data == {"pages_total": 1, "pages_read": 1, "retry": True}


def test_which_pages_were_not_read_is_told_to_everybody_who_has_to_look() -> None:
    notes = tuple(
        Note(code=NoteCode.PAGES_NOT_READ, message="No time.", pages=pages)
        for pages in ((3, 4), (2,), (4,))
    )

    (finding,) = compared(notes=notes).findings

    assert finding.data["pages"] == [2, 3, 4]
    assert mask_figures(finding.data, Relation.PROVIDER)["pages"] == [2, 3, 4]
    assert figure("pages", finding.data["pages"]) == ("pages", "2, 3, 4")


def test_every_finding_on_documents_can_be_told_from_one_on_photos() -> None:
    about_photos = {
        FindingCode.MISSING_EXIF_TIMESTAMP,
        FindingCode.REUSED_IMAGE,
        FindingCode.NO_CAMERA,
        FindingCode.GEOFENCE_VIOLATION,
    }
    assert not about_photos & DOCUMENT_CODES
    assert FindingCode.AMOUNT_DIFFERS in DOCUMENT_CODES
