"""Whose account is read, and what is said of a second account or a second invoice."""

import pytest

from proofs.readers.documents.facts import FieldName, NoteCode, Page, Reading
from proofs.readers.documents.reading import put_together
from proofs.tests.readers.documents.paper import page

FR, GB, DE, BE = (
    "FR76 3000 6000 0112 3456 7890 189",
    "GB29 NWBK 6016 1331 9268 19",
    "DE89 3704 0044 0532 0130 00",
    "BE68 5390 0754 7034",
)
TOP = ("Awa Bâtiment SARL", "Facture n° FA-2026-0117", "Total TTC   480,00 EUR", "")


def read(*pages: Page) -> Reading:
    """The reading of pages that have text of their own."""
    return put_together(
        media_type="application/pdf",
        text_pages=pages,
        ocr_pages=(),
        xml_fields={},
        notes=(),
        engine=None,
        country=None,
    )


def notes_of(reading: Reading) -> list[tuple[NoteCode, tuple[int, ...]]]:
    return [(note.code, note.pages) for note in reading.notes]


def squeezed(iban: str) -> str:
    return iban.replace(" ", "")


@pytest.mark.parametrize(
    "rows",
    [
        (f"Mandat SEPA - compte débité du client : IBAN {DE}", f"Règlement par virement : {FR}"),
        (f"Votre compte : {DE}", "Total TVAC 640,00", f"À verser sur {FR}"),
        (f"Your bank account: {DE}", f"Please pay to IBAN {FR}"),
        (f"Customer IBAN {DE}", f"IBAN {FR}"),
        (f"Prélevé sur le compte {DE}", f"IBAN {FR}"),
        (f"Ihr Konto: {DE}", f"Bankverbindung {FR}"),
        ("Client : Mme Sarr", "4 allée des Pins", f"IBAN {DE}", "", "", f"IBAN {FR}"),
    ],
)
def test_the_account_that_money_is_taken_from_is_not_the_payees(rows: tuple[str, ...]) -> None:
    reading = read(page(*TOP, *rows))

    assert reading.fields[FieldName.IBAN].value == squeezed(FR)
    assert reading.fields[FieldName.IBAN].confidence >= 0.8
    assert notes_of(reading) == []


@pytest.mark.parametrize(
    "row",
    [
        f"Merci de régler votre facture sur le compte IBAN {FR}",
        f"Please transfer from your account to IBAN {FR}",
        f"De votre compte vers le compte IBAN {FR}",
        f"Veuillez rappeler votre numéro de client. IBAN {FR}",
        f"Bitte überweisen Sie Ihre Rechnung: IBAN {FR}",
    ],
)
def test_words_to_the_customer_beside_an_account_do_not_make_it_the_customers(row: str) -> None:
    iban = read(page(*TOP, row)).fields[FieldName.IBAN]

    assert (iban.value, iban.confidence) == (squeezed(FR), 0.98)


def test_the_payers_account_alone_is_but_a_guess() -> None:
    iban = read(page(*TOP, f"Prélevé sur votre compte IBAN {DE}")).fields[FieldName.IBAN]

    assert iban.value == squeezed(DE)
    assert iban.confidence < 0.5


def test_a_second_account_to_pay_to_is_told_with_the_pages_of_both() -> None:
    usual = (*TOP, f"IBAN {FR}")
    new = ("NOUVEAU COMPTE - merci de virer désormais sur :", GB)

    for reading in (read(page(*usual, "", *new)), read(page(*usual), page(*new, number=2))):
        assert reading.fields[FieldName.IBAN].value == squeezed(FR)
        assert [code for code, _ in notes_of(reading)] == [NoteCode.SEVERAL_IBANS]
    assert notes_of(reading) == [(NoteCode.SEVERAL_IBANS, (1, 2))]


@pytest.mark.parametrize(
    "rows",
    [
        (f"IBAN {FR}", f"Paiement : {squeezed(FR)}"),
        (f"IBAN {FR}", "Compte : GB29 NWBK 6016 1331 9268 18"),
        (f"IBAN {FR}", f"Votre compte : {GB}"),
        (f"IBAN {BE}",),
    ],
)
def test_one_account_however_often_it_is_printed_is_none_too_many(rows: tuple[str, ...]) -> None:
    assert notes_of(read(page(*TOP, *rows))) == []


def invoice(number: str, total: str | None, *, on: int) -> Page:
    last = () if total is None else (f"Total TTC   {total} EUR",)
    return page(f"Facture N° {number}", "Garage Petit SARL", "Réparation", *last, number=on)


def test_two_invoices_in_one_file_are_told_with_the_pages_on_which_they_begin() -> None:
    pages = (
        invoice("A-501", None, on=1),
        page("Suite de la réparation", "Total TTC   120,00 EUR", number=2),
        invoice("A-502", "6 000,00", on=3),
    )

    assert notes_of(read(*pages)) == [(NoteCode.SEVERAL_INVOICES, (1, 3))]


@pytest.mark.parametrize(
    "pages",
    [
        (invoice("A-501", "120,00", on=1), invoice("a 501", "120,00", on=2)),
        (invoice("BL-1508", "120,00", on=1), invoice("8L-I5O8", "120,00", on=2)),
        (invoice("A-501", "120,00", on=1), invoice("A-502", None, on=2)),
        (
            invoice("A-501", "120,00", on=1),
            page("Conditions générales de vente", "Livraison sous 30 jours", number=2),
        ),
    ],
)
def test_the_other_pages_of_one_invoice_are_no_second_one(pages: tuple[Page, ...]) -> None:
    assert notes_of(read(*pages)) == []
