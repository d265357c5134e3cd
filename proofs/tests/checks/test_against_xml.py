"""What the pages show against what the file's own data say; a reader of the page must not be led
to believe data that no page bears out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from proofs.checks.comparing import Check
from proofs.checks.documents import Case, Compared, check_document
from proofs.checks.findings import Severity
from proofs.checks.sameness import same_issuer
from proofs.readers.documents.facts import Note, NoteCode, Reading
from proofs.tests.factories import INVOICE_FIELDS, field_of, reading_of

IBAN = INVOICE_FIELDS["iban"]
SUMS = {"net": "1000.00", "tax": "200.00"}


def checked(reading: Reading, **case: Any) -> Compared:
    return check_document(reading, Case(**({"kind": "INVOICE", "currency": "EUR"} | case)))


def told(found: Compared) -> list[tuple[str | None, ...]]:
    """Code, field, what the data say, and what the page says; of each finding."""
    return [
        (one.code.value, *(one.data.get(name) for name in ("field", "expected", "actual")))
        for one in found.findings
    ]


def agreements(found: Compared) -> dict[str, bool | None]:
    return {check.name: check.agrees for check in found.checks}


def printed(text: str, xml: Mapping[str, str], *, notes: tuple[Note, ...] = ()) -> Reading:
    """A page on which no field was found, with these data in the file."""
    return reading_of({}, xml, text=text, notes=notes)


@pytest.mark.parametrize(
    ("name", "on_page", "in_data"),
    [
        ("vat_id", "FR40303265045", "FR83404833048"),
        ("siret", "73282932000074", "55210055400021"),
        ("due_date", "2026-12-20", "2027-06-20"),
    ],
)
def test_data_that_name_another_maker_or_another_day_to_pay_are_told(
    name: str, on_page: str, in_data: str
) -> None:
    shown = INVOICE_FIELDS | {name: on_page}

    found = checked(reading_of(shown, {name: in_data}))

    assert told(found) == [("XML_DIFFERS_FROM_PAGE", name, in_data, on_page)]
    assert agreements(found) == {f"xml_{name}": False}
    assert found.findings[0].severity is Severity.SOFT
    assert told(checked(reading_of(shown, {name: on_page}))) == []
    assert told(checked(reading_of(xml_fields={name: in_data}))) == [], "the page need not say it"


@pytest.mark.parametrize("expected", ["DE", "FR"])
def test_a_maker_of_two_countries_agrees_with_neither(expected: str) -> None:
    reading = reading_of(INVOICE_FIELDS | {"vat_id": "FR40303265045"}, {"vat_id": "DE136695976"})

    found = checked(reading, requirements={"expected_country": expected})

    assert agreements(found)["country"] is False
    assert ("COUNTRY_DIFFERS", "country", expected, "DE, FR") in told(found)


def test_a_siren_is_the_company_of_its_siret() -> None:
    shown = INVOICE_FIELDS | {"siret": "73282932000074"}

    assert agreements(checked(reading_of(shown, {"siret": "732829320"}))) == {"xml_siret": True}
    assert agreements(checked(reading_of(shown, {"siret": "552100554"}))) == {"xml_siret": False}


def test_net_and_tax_are_compared_where_those_of_the_page_make_up_its_total() -> None:
    data = {"net": "1100.00", "tax": "100.00"}

    assert told(checked(reading_of(INVOICE_FIELDS | SUMS, data))) == [
        ("XML_DIFFERS_FROM_PAGE", "net", "1100.00", "1000.00"),
        ("XML_DIFFERS_FROM_PAGE", "tax", "100.00", "200.00"),
    ]
    of_one_rate = INVOICE_FIELDS | {"net": "500.00", "tax": "100.00"}
    assert checked(reading_of(of_one_rate, data)) == Compared((), ())


@pytest.mark.parametrize("name", ["total", "iban", "number", "date"])
def test_a_guess_that_differs_from_the_data_sends_a_person_to_the_page(name: str) -> None:
    values = {
        "total": ("100.00", "480.00"),
        "iban": (IBAN, "DE89370400440532013000"),
        "number": ("F-1", "F-2"),
        "date": ("2026-11-20", "2026-11-21"),
    }
    guess, exact = values[name]
    field = field_of(name, guess, confidence=0.3)
    reading = replace(reading_of({}, {name: exact}), fields={field.name: field})

    found = checked(reading)

    label = {"total": "amount", "number": "invoice_number"}.get(name, name)
    assert ("VALUE_UNSURE", label, None, guess) in told(found)
    assert agreements(found)[f"xml_{label}"] is None


def test_a_guessed_supplier_is_nothing_to_remark_on() -> None:
    field = field_of("supplier", "Chantier Nord", confidence=0.3)
    reading = replace(reading_of({}, {"supplier": "Awa"}), fields={field.name: field})

    assert "VALUE_UNSURE" not in {code for code, *_ in told(checked(reading))}


def test_an_account_with_wrong_digits_that_both_name_is_no_difference() -> None:
    wrong = "DE5467894567876500"
    found = checked(reading_of(INVOICE_FIELDS | {"iban": wrong}, {"iban": wrong}))

    assert agreements(found) == {"xml_iban": True}
    assert [code for code, *_ in told(found)] == ["IBAN_INVALID"]


def test_a_total_and_an_account_that_no_page_shows_are_told() -> None:
    found = checked(
        printed("Facture\nMerci de votre confiance", {"total": "480.00", "iban": IBAN}),
        requirements={"expected_amount": "480.00", "expected_iban": IBAN},
    )

    assert ("XML_DIFFERS_FROM_PAGE", "amount", "480.00", None) in told(found)
    assert ("XML_DIFFERS_FROM_PAGE", "iban", IBAN, None) in told(found)
    assert Check(name="xml_amount", expected="480.00", actual=None, agrees=None) in found.checks, (
        "that nothing was found is no proof that the page says something else"
    )


@pytest.mark.parametrize(
    ("total", "text"),
    [
        ("480.00", "Ensemble 480,00 EUR"),
        ("480.00", "Ensemble 480 EUR"),
        ("2950000", "2 950 000 F"),
        ("2950000.00", "2.950.000"),
        ("1234.50", "1,234.50"),
        ("1234.50", "1'234,5"),
        ("-233.47", "- 233,47"),
    ],
)
def test_a_total_that_stands_somewhere_on_a_page_is_shown(total: str, text: str) -> None:
    assert "xml_amount" not in agreements(checked(printed(text, {"total": total})))


@pytest.mark.parametrize("text", ["1 480,00", "480,005", "480,10", "0,480", "4800", "", "N° 14800"])
def test_a_part_of_another_amount_is_not_the_total(text: str) -> None:
    found = checked(printed(text, {"total": "480.00"}))

    assert ("XML_DIFFERS_FROM_PAGE", "amount", "480.00", None) in told(found)


def test_an_account_in_groups_of_four_is_shown() -> None:
    text = "Compte : FR76 3000 6000 0112 3456 7890 189"

    assert "xml_iban" not in agreements(checked(printed(text, {"iban": IBAN})))


def test_what_may_stand_where_nobody_read_is_not_missed() -> None:
    note = Note(code=NoteCode.PAGES_NOT_READ, message="No time.", pages=(2,))

    unread = checked(printed("Facture", {"total": "480.00"}, notes=(note,)))
    cut = checked(printed("x" * 20_000, {"total": "480.00"}))

    for found in (unread, cut):
        assert "xml_amount" not in agreements(found)


# --- Who issued two invoices ----------------------------------------------------------------------


def test_one_identifier_in_common_makes_one_issuer_whatever_the_others_say() -> None:
    one = {"vat_id": {"FR40303265045"}, "iban": {IBAN}, "supplier": {"Awa Bâtiment"}}

    assert same_issuer(one, {"vat_id": {"FR83404833048"}, "iban": {IBAN}})
    assert same_issuer(one, {"vat_id": {"FR83404833048", "FR40303265045"}})
    assert not same_issuer(one, {"vat_id": {"FR83404833048"}, "supplier": {"Koné Frères"}})


def test_where_identifiers_differ_a_name_has_to_be_the_whole_name() -> None:
    one = {"iban": {IBAN}, "supplier": {"Quincaillerie du Plateau"}}
    other = {"iban": {"DE89370400440532013000"}}

    assert same_issuer(one, other | {"supplier": {"QUINCAILLERIE DU PLATEAU SARL"}})
    assert not same_issuer(one, other | {"supplier": {"Quincaillerie du Plateau Nord"}})
    assert same_issuer(one, {"supplier": {"Quincaillerie du Plateau Nord"}})
    assert same_issuer({"supplier": {"Ets Kouamé"}}, {"supplier": {"KOUAME SARL"}})
    assert not same_issuer({"supplier": {"Kouamé"}}, {})
