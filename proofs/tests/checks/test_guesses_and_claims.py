"""What was read badly is a guess and no fact, and a claim is read as people write it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from proofs.checks.comparing import Check
from proofs.checks.documents import Case, Compared, check_claims, check_document
from proofs.checks.sameness import same_supplier
from proofs.readers.documents.dates import parse_date
from proofs.readers.documents.facts import FieldName, Source
from proofs.tests.factories import INVOICE_FIELDS, field_of, reading_of

WANTED = {
    "expected_amount": "1200.00",
    "expected_iban": "FR7630006000011234567890189",
    "expected_date_max": "2026-11-01",
    "expected_store_name": "Quincaillerie du Plateau",
    "expected_invoice_number": "F-1",
}


def compared(
    requirements: Mapping[str, Any] | None = None,
    *,
    fields: Mapping[str, str] | None = None,
    confidence: float = 0.9,
    source: Source = Source.OCR,
    text: str = "Facture F-2026-118",
    **case: Any,
) -> Compared:
    """The checks of an invoice over 1200.00 EUR that was read as surely as said."""
    shown = {
        FieldName(name): field_of(name, value, confidence=confidence, source=source)
        for name, value in (INVOICE_FIELDS if fields is None else fields).items()
    }
    reading = replace(reading_of({}, text=text), fields=shown)
    defaults: dict[str, Any] = {"kind": "INVOICE", "currency": "EUR"}
    return check_document(reading, Case(requirements=requirements or {}, **(defaults | case)))


def only(found: Compared, name: str) -> Check:
    (check,) = [check for check in found.checks if check.name == name]
    return check


def codes(found: Compared) -> set[str]:
    return {finding.code.value for finding in found.findings}


# --- Guesses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", ["9.00", "1200.00"])
def test_a_guess_neither_agrees_nor_differs_and_somebody_is_told(total: str) -> None:
    found = compared(WANTED, fields=INVOICE_FIELDS | {"total": total}, confidence=0.095)

    assert len(found.checks) == 6
    assert {check.agrees for check in found.checks} == {None}
    assert only(found, "amount").actual == total, "what was guessed is shown all the same"
    assert codes(found) == {"VALUE_UNSURE"}
    assert {one.data["field"] for one in found.findings} == {
        "amount",
        "currency",
        "iban",
        "date",
        "supplier",
        "invoice_number",
    }


def test_what_was_read_surely_is_still_a_fact() -> None:
    found = compared(WANTED | {"expected_amount": "9.00"}, confidence=0.5)

    assert only(found, "amount").agrees is False
    assert codes(found) == {"AMOUNT_DIFFERS", "DATE_OUT_OF_RANGE", "INVOICE_NUMBER_DIFFERS"}


def test_a_guessed_total_is_not_held_against_the_milestone_but_told() -> None:
    assert codes(compared(confidence=0.2, amount="500.00")) == {"VALUE_UNSURE"}


def test_a_guess_does_not_contradict_its_sender() -> None:
    found = compared(claims={"invoice_total_amount": "12"}, confidence=0.2)

    assert only(found, "claimed_amount").agrees is None
    assert "CLAIM_DIFFERS" not in codes(found)


@pytest.mark.parametrize(("source", "agrees"), [(Source.TEXT, False), (Source.OCR, None)])
def test_an_account_that_is_printed_with_wrong_check_digits_is_no_guess(
    source: Source, *, agrees: bool | None
) -> None:
    fields = INVOICE_FIELDS | {"iban": "FR7730006000011234567890189"}

    found = compared({"expected_iban_last4": "0189"}, fields=fields, confidence=0.35, source=source)

    assert only(found, "iban").agrees is agrees
    assert "IBAN_INVALID" in codes(found)


# --- Claims ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [
        {"invoice_total_amount": "1 200,00 €"},
        {"invoice_total_amount": "1.200"},
        {"invoice_total_amount": "€ 1\u202f200,00"},
        {"invoice_currency": "€"},
        {"invoice_currency": "euros"},
        {"invoice_date": "20/11/2026"},
        {"invoice_date": "20 novembre 2026"},
        {"invoice_date": "le 20 nov. 2026"},
        {"invoice_date": "2026-11-20T08:00:00Z"},
    ],
)
def test_a_claim_that_is_written_as_people_write_agrees(claims: Mapping[str, Any]) -> None:
    found = compared(claims=claims)

    assert [check.agrees for check in found.checks] == [True]
    assert (found.findings, check_claims(claims)) == ((), ())


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        (
            {"invoice_total_amount": {"x": 1}, "invoice_currency": [1]},
            [("INVOICE_TOTAL_UNREADABLE", "{…}"), ("INVOICE_CURRENCY_UNREADABLE", "[…]")],
        ),
        (
            {"invoice_total_amount": True, "total": "1200.00"},
            [("INVOICE_TOTAL_UNREADABLE", "true")],
        ),
        (
            {"invoice_currency": [None], "invoice_date": {"day": 20}},
            [("INVOICE_CURRENCY_UNREADABLE", "[…]"), ("CLAIM_UNREADABLE", "{…}")],
        ),
        ({"invoice_total_amount": None, "supplier_name": {"name": "Awa"}, "iban": [1]}, []),
    ],
)
def test_a_list_or_an_object_is_no_claim_that_could_be_read(
    claims: Mapping[str, Any], told: list[tuple[str, str]]
) -> None:
    found = compared(claims=claims)

    alone = [(one.code.value, one.data["claimed"]) for one in check_claims(claims)]
    assert alone == told
    assert [(one.code.value, one.data["claimed"]) for one in found.findings] == told
    assert {check.agrees for check in found.checks} <= {None}, "it was compared with nothing"


@pytest.mark.parametrize("claims", [{"invoice_date": "21/11/2026"}, {"invoice_currency": "$"}])
def test_a_claim_that_differs_still_does(claims: Mapping[str, Any]) -> None:
    assert codes(compared(claims=claims)) == {"CLAIM_DIFFERS"}


@pytest.mark.parametrize(
    ("claims", "code", "message"),
    [
        (
            {"invoice_total_amount": "douze cents"},
            "INVOICE_TOTAL_UNREADABLE",
            "What was sent along as the total is no amount.",
        ),
        (
            {"invoice_currency": "des francs"},
            "INVOICE_CURRENCY_UNREADABLE",
            "What was sent along as the currency is none.",
        ),
        (
            {"invoice_date": "hier"},
            "CLAIM_UNREADABLE",
            "What was sent along as the date is none.",
        ),
    ],
)
def test_a_claim_that_says_nothing_is_told_in_its_own_words(
    claims: Mapping[str, Any], code: str, message: str
) -> None:
    found = compared(claims=claims)

    assert [check.agrees for check in found.checks] == [None]
    assert [(one.code.value, one.message) for one in found.findings] == [(code, message)]


@pytest.mark.parametrize("text", ["", "31/02/2026", "20/11/2026 et 3", "demain", "12345678901"])
def test_a_text_with_more_than_a_day_in_it_is_no_day(text: str) -> None:
    assert parse_date(text) is None


# --- Who and where --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("Au Bon Cœur", "AU BON COEUR SARL"),
        ("شركة البناء", "شركة البناء"),
        ("Łódź Bæk", "LODZ BAEK"),
        ("株式会社", "株式会社"),
    ],
)
def test_a_name_is_the_same_in_any_script(expected: str, printed: str) -> None:
    assert same_supplier(expected, printed)


def test_another_name_in_another_script_is_another_name() -> None:
    assert not same_supplier("شركة البناء", "شركة النور")


def test_a_beneficiary_besides_a_store_is_looked_for_and_not_ignored() -> None:
    wanted = {"expected_store_name": "Quincaillerie", "expected_beneficiary": "Awa Koné"}

    named = compared(wanted, text="Facture\nPour le compte de Awa KONE, 07 00 00 00 01")
    missing = compared(wanted)

    assert only(named, "beneficiary").agrees is True
    assert only(named, "beneficiary").actual == "Awa KONE", "and not what stands beside the name"
    assert only(missing, "beneficiary").agrees is None
    assert codes(missing) == set()


@pytest.mark.parametrize(
    ("fields", "agrees", "told"),
    [
        ({"vat_id": "FR40303265045"}, True, set()),
        ({"siret": "30326504500017"}, True, set()),
        ({"vat_id": "DE123456789"}, False, {"COUNTRY_DIFFERS"}),
        ({}, None, set()),
    ],
)
def test_the_country_is_told_by_an_identifier_or_not_at_all(
    fields: dict[str, str], *, agrees: bool | None, told: set[str]
) -> None:
    found = compared({"expected_country": "FR"}, fields=INVOICE_FIELDS | fields)

    assert only(found, "country").agrees is agrees
    assert codes(found) == told


def test_a_city_is_looked_for_on_the_pages() -> None:
    wanted = {"expected_city": "Bouaké"}

    assert only(compared(wanted, text="12 rue du Port, BOUAKE"), "city").agrees is True
    assert only(compared(wanted), "city").agrees is None
