"""Numbers, ids, currencies, suppliers, and all fields of a document together."""

import time

import pytest

from proofs.readers.documents.currencies import code_of, find_currency
from proofs.readers.documents.facts import MAX_WORD_CHARS, FieldName, Page, Source, Word
from proofs.readers.documents.fields import extract
from proofs.readers.documents.ids import (
    find_iban,
    find_siret,
    find_vat_id,
    is_valid_siret,
    is_valid_vat,
)
from proofs.readers.documents.numbers import find_number
from proofs.readers.documents.suppliers import find_supplier
from proofs.tests.readers.documents import paper


def number_in(*rows: str) -> str | None:
    found = find_number(paper.lines(*rows))
    return found[0].value if found else None


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        (["Facture n° FA-2026-0117"], "FA-2026-0117"),
        (["Facture N°: 2026/117 du 01/03/2026"], "2026/117"),
        (["Numéro de facture : F2026-3"], "F2026-3"),
        (["Avoir AV-2017-0005"], "AV-2017-0005"),
        (["Invoice # RE-20171118/506 issued at 2017-11-18"], "RE-20171118/506"),
        (["Invoice No.", "INV/2023/03/0008"], "INV/2023/03/0008"),
        (["Invoice Number        Date", "42183017          3 Aug 2014"], "42183017"),
        (["Handelsrechnung Nr. 471102 vom 05.03.2018"], "471102"),
        (["Rechnungsnummer       471102", "Kundennummer       GE2020211"], "471102"),
        (["Gutschrift (389) Nr. 47110818 vom 31.10.2018"], "47110818"),
        (["Beleg-Nr   : RK21012345", "Bestell-Nr  : B123456789"], "RK21012345"),
        (["Receipt No.: CS1801/26717", "GST No.:000689913856"], "CS1801/26717"),
        (["Quittance", "Reçu N° 0042"], "0042"),
        (["Facture n°F-773"], "F-773"),
    ],
)
def test_the_number_stands_behind_or_under_its_label(rows: list[str], number: str) -> None:
    assert number_in(*rows) == number


@pytest.mark.parametrize(
    "rows",
    [
        ["Customer number 12345"],
        ["Order No. B123456789"],
        ["Facture du 01/03/2026"],
        ["Tel 03-7523888"],
        ["Invoice"],
        ["Thank you"],
    ],
)
def test_other_numbers_are_not_the_documents(rows: list[str]) -> None:
    assert number_in(*rows) is None


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        (["Avoir n° AV-12", "Facture d'origine F-2024-5"], "AV-12"),
        (["Avoir n° AV-12", "Facture n° F-2024-5 du 01/03/2024"], "AV-12"),
        (["Facture d'avoir n° AV-12", "Annule la facture n° F-2024-5"], "AV-12"),
        (["Avoir n° AV-12 relatif à la facture n° F-2024-5"], "AV-12"),
        (["Note de crédit n° NC-77", "Facture F-2024-5"], "NC-77"),
        (["AVOIR", "N° d'avoir        Facture", "AV-2024-12        F-2024-5"], "AV-2024-12"),
        (["Credit note CN-0012", "Against invoice INV-2024-5"], "CN-0012"),
        (["CREDIT NOTE", "Credit note number: CN-12", "Invoice number: INV-2024-5"], "CN-12"),
        (["Credit memo # CM-90", "Applied to invoice # INV-2024-5"], "CM-90"),
    ],
)
def test_a_credit_notes_number_is_its_own_and_not_that_of_what_it_credits(
    rows: list[str], number: str
) -> None:
    assert number_in(*rows) == number


@pytest.mark.parametrize(
    "rows",
    [
        ["Avoir", "Facture d'origine n° F-2024-5"],
        ["Avoir sur la facture n° F-2024-5 du 01/03/2024"],
        ["Note de crédit", "Facture F-2024-5"],
        ["AVOIR", "N° de facture", "F-2024-5"],
        ["Credit note", "Invoice number: INV-2024-5"],
        ["Credit note", "Credit for invoice INV-2024-5"],
    ],
)
def test_a_credit_note_that_names_only_what_it_credits_has_no_number(rows: list[str]) -> None:
    assert number_in(*rows) is None


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        (["Facture F-2024-9", "Avoir déduit AV-2024-11"], "F-2024-9"),
        (["Invoice INV-2024-9", "Credit note CN-2024-3 was applied"], "INV-2024-9"),
        (["Facture n° F-2024-9", "Annule la facture n° F-2024-5"], "F-2024-9"),
        (["Avoir un toit, association", "Facture n° F-2024-9"], "F-2024-9"),
    ],
)
def test_an_invoice_that_names_a_credit_note_keeps_its_own_number(
    rows: list[str], number: str
) -> None:
    assert number_in(*rows) == number


def test_an_iban_that_proves_itself_is_found_with_blanks_and_among_words() -> None:
    found = find_iban(paper.lines("IBAN : FR76 3000 6000 0112 3456 7890 189 - BIC : AGRIFRPP"))
    assert found is not None
    assert (found.value, found.confidence) == ("FR7630006000011234567890189", 0.98)
    ivorian = find_iban(paper.lines("Compte CI93 CI00 8011 1301 1342 9120 0589"))
    assert ivorian is not None
    assert (ivorian.value, ivorian.confidence) == ("CI93CI0080111301134291200589", 0.8)


def test_an_iban_whose_check_digits_are_wrong_is_shown_with_little_confidence() -> None:
    found = find_iban(paper.lines("IBAN FR76 3000 6000 0112 3456 7890 188"))
    assert found is not None
    assert (found.value, found.confidence) == ("FR7630006000011234567890188", 0.35)
    assert find_iban(paper.lines("Ref FR76 3000 6000 0112 3456 7890 188")) is None


def test_an_iban_that_ocr_misread_by_a_letter_is_mended_by_its_check_digits() -> None:
    row = "IBAN FR76 3OO0 6000 0112 3456 7890 I89"
    page = paper.page(row, source=Source.OCR, confidence=0.9)
    assert extract([page])[FieldName.IBAN].value == "FR7630006000011234567890189"
    as_text = extract([paper.page(row)])
    assert as_text[FieldName.IBAN].confidence == 0.35, "a file's own text is as it is"


@pytest.mark.parametrize("row", ["C193 CI00 8011", "C193 C100 8011", "CI93 C1O0 8011"])
def test_an_iban_whose_country_ocr_took_for_figures_is_mended_too(row: str) -> None:
    page = paper.page(f"IBAN {row} 1301 1342 9120 0589", source=Source.OCR, confidence=0.9)
    assert extract([page])[FieldName.IBAN].value == "CI93CI0080111301134291200589"


def test_vat_ids_are_the_makers_and_checked() -> None:
    rows = ("N° TVA client FR83404833048", "TVA intracommunautaire : FR 40 303 265 045")
    found = find_vat_id(paper.lines(*rows))
    assert found is not None
    assert (found.value, found.confidence) == ("FR40303265045", 0.98)
    assert is_valid_vat("DE136695976")
    assert not is_valid_vat("DE136695975")
    assert is_valid_vat("BE0403019261")
    assert not is_valid_vat("BE0403019262")
    assert not is_valid_vat("FR41303265045")


@pytest.mark.parametrize(
    "rows",
    [
        ("Client : Association Eau Vive - TVA FR 40 303 265 045",),
        ("Acheteur : Union des associations pour l'eau vive des villages - TVA FR 40 303 265 045",),
        ("Bill to Eau Vive, VAT FR40303265045",),
        (
            "Facture no 12              Client : Eau Vive",
            "                           4 rue des Puits",
            "                           TVA : FR40303265045",
        ),
    ],
    ids=["on its line", "far away", "bill to", "in its block"],
)
def test_the_customers_vat_id_is_never_taken_for_the_makers(rows: tuple[str, ...]) -> None:
    assert find_vat_id(paper.lines(*rows)) is None

    beside = (*rows, "", "", "", "Kone SARL  Client no 7", "TVA : FR83404833048")
    found = find_vat_id(paper.lines(*beside))
    assert found is not None
    assert found.value == "FR83404833048"


def test_the_figures_of_a_vat_id_are_no_tax() -> None:
    rows = ("Kone SARL", "TVA : FR 40 303 265 045", "Total 120,00 EUR")

    found = extract([paper.page(*rows)])

    assert found[FieldName.TOTAL].value == "120.00"
    assert FieldName.TAX not in found


def test_a_siret_is_checked_by_luhn() -> None:
    found = find_siret(paper.lines("SIRET : 732 829 320 00074", "N° 12345678901234"))
    assert found is not None
    assert (found.value, found.confidence) == ("73282932000074", 0.98)
    assert not is_valid_siret("73282932000075")
    assert is_valid_siret("35600000009075"), "the post office has a rule of its own"
    assert find_siret(paper.lines("N° 73282932000074")) is None, "no label, no SIRET"


@pytest.mark.parametrize(
    ("sign", "country", "code"),
    [
        ("€", None, "EUR"),
        ("RM", None, "MYR"),
        ("$", None, "USD"),
        ("$", "CA", "CAD"),
        ("FCFA", "SN", "XOF"),
        ("F CFA", "CM", "XAF"),
        ("FCFA", None, None),
        ("FCFA", "FR", None),
        ("XAF", "SN", "XAF"),
    ],
)
def test_a_sign_is_a_currency_by_the_country(
    sign: str, country: str | None, code: str | None
) -> None:
    assert code_of(sign, country=country) == code


@pytest.mark.parametrize(
    ("rows", "country", "code"),
    [
        (["Total 450 000 FCFA"], "CI", "XOF"),
        (["Quincaillerie, Abidjan", "Total 450 000 FCFA"], None, "XOF"),
        (["Tel +237 677 00 00 00", "Total 450 000 FCFA"], None, "XAF"),
        (["Dakar et Douala", "Total 450 000 FCFA"], None, None),
        (["Total 450 000 FCFA"], None, None),
        (["Währung: EUR", "Total 450,00", "$4 UStG"], None, "EUR"),
        (["Total TTC 450,00 €", "soit 490 USD"], None, "EUR"),
        (["Total US$5,250.00"], "SG", "USD"),
        (["Grand total (US$)      5,250.00"], None, "USD"),
        (["Amount (RM)", "Total 9.00", "Johor"], None, "MYR"),
        (["Total 9.00"], None, None),
    ],
)
def test_the_currency_of_a_document(rows: list[str], country: str | None, code: str | None) -> None:
    page = paper.page(*rows)
    fields = extract([page], country=country)
    currency = fields.get(FieldName.CURRENCY)
    assert (currency.value if currency else None) == code


def test_a_currency_that_is_named_far_from_the_total_is_less_sure() -> None:
    beside = find_currency(paper.lines("Ciment 4,00 €", "Total 8,00"), None)
    named = find_currency(paper.lines("Tous les prix sont en euros", "Total 8,00"), None)
    assert beside is not None
    assert named is not None
    assert (beside.code, named.code) == ("EUR", "EUR")
    assert beside.confidence > named.confidence


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (["Fournisseur :      Client :", "Awa Bâtiment      Mairie de Thiès"], "Awa Bâtiment"),
        (["Verkäufer", "Nummer: 549910", "Name: MUSTER GMBH"], "MUSTER GMBH"),
        (["Seller: North Works Ltd", "Buyer: South Works Ltd"], "North Works Ltd"),
        (["FACTURE", "Bill to", "Sud SARL", "", "", "Nord SARL - 12 rue X"], "Nord SARL"),
        (["TAX INVOICE", "KEDAI BUKU", "SDN BHD", "Tel 03"], "KEDAI BUKU"),
        (["Facture 12", "Quincaillerie du Port", "12 rue du Port"], "Quincaillerie du Port"),
    ],
)
def test_the_supplier_is_who_made_the_document(rows: list[str], name: str) -> None:
    found = find_supplier(paper.lines(*rows))
    assert found is not None
    assert found.name == name


INVOICE = (
    "Awa Bâtiment SARL - Zone industrielle - Dakar",
    "SIRET : 73282932000074    TVA : FR40303265045",
    "",
    "Facture n° FA-2026-0117                 Date : 01/03/2026",
    "                                        Échéance : 31/03/2026",
    "Désignation            Qté        Montant HT",
    "Ciment 50 kg            90        400 000",
    "",
    "                  Total HT          400 000 FCFA",
    "                  TVA 18%            72 000 FCFA",
    "                  Total TTC         472 000 FCFA",
    "IBAN : CI93 CI00 8011 1301 1342 9120 0589",
)


def test_a_whole_invoice_is_read_with_place_and_confidence() -> None:
    fields = extract([paper.page(*INVOICE), paper.page("Conditions générales", number=2)])
    assert {name.value: field.value for name, field in fields.items()} == {
        "total": "472000",
        "net": "400000",
        "tax": "72000",
        "currency": "XOF",
        "date": "2026-03-01",
        "due_date": "2026-03-31",
        "number": "FA-2026-0117",
        "supplier": "Awa Bâtiment SARL",
        "iban": "CI93CI0080111301134291200589",
        "vat_id": "FR40303265045",
        "siret": "73282932000074",
    }
    total = fields[FieldName.TOTAL]
    assert (total.raw, total.page, total.source) == ("472 000 FCFA", 1, Source.TEXT)
    assert total.box is not None
    assert total.box.x0 == pytest.approx(0.36)
    assert total.box.y0 == pytest.approx(10.1 / paper.ROWS)
    assert all(0 < field.confidence <= 1 for field in fields.values())


def test_what_ocr_doubts_is_less_sure() -> None:
    sharp = extract([paper.page(*INVOICE, source=Source.OCR, confidence=0.99)])
    blurred = extract([paper.page(*INVOICE, source=Source.OCR, confidence=0.61)])
    for name in (FieldName.TOTAL, FieldName.DATE, FieldName.NUMBER):
        assert blurred[name].value == sharp[name].value
        assert blurred[name].confidence < 0.65 < sharp[name].confidence


def test_pages_without_words_give_no_fields() -> None:
    assert extract([]) == {}
    assert extract([paper.page()]) == {}


def test_text_that_tries_to_exhaust_the_patterns_is_read_in_time() -> None:
    hostile = [
        "1 " * 140,
        "1.1" * 90,
        "A1" * 140,
        "FR76 " + "3000 " * 50,
        "total " * 45,
        "nr. " * 70,
        "12/" * 90,
        "-" * 290,
    ]
    words = tuple(
        Word(text=text[:MAX_WORD_CHARS], x0=0.0, y0=row / 100, x1=1.0, y1=(row + 0.9) / 100)
        for row, text in enumerate(hostile * 8)
    )
    page = Page(number=1, width=600, height=800, words=words, source=Source.OCR)
    started = time.process_time()
    extract([page] * 2)
    assert time.process_time() - started < 3
