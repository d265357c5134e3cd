"""What two engines together say of one document."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from proofs.readers.documents.facts import FieldName, Note, NoteCode, Page, Reading, Source
from proofs.readers.documents.fields import extract
from proofs.readers.documents.ocr import EngineName, get_engine
from proofs.readers.documents.ocr.base import WholePages
from proofs.readers.documents.ocr.upright import read_upright
from proofs.readers.documents.second import combine, is_doubtful
from proofs.tests.factories import reading_of
from proofs.tests.readers.documents import paper
from proofs.tests.readers.documents.one_process import read_document
from proofs.tests.readers.documents.test_ocr import INVOICE, needs_tesseract, photo

SUMS = {"total": "480.00", "net": "400.00", "tax": "80.00"}
IBAN = "FR7630006000011234567890189"


def read(fields: dict[str, str], engine: str = "rapidocr", sure: float = 0.9) -> Reading:
    reading = reading_of({"date": "2026-03-01", **fields}, engine=engine)
    found = {name: replace(field, confidence=sure) for name, field in reading.fields.items()}
    return replace(reading, fields=found)


def values(reading: Reading) -> dict[str, str]:
    return {name.value: field.value for name, field in reading.fields.items()}


def test_a_second_account_is_told_whichever_engine_made_it_out() -> None:
    several = Note(code=NoteCode.SEVERAL_IBANS, message="Several accounts on pages 1.", pages=(1,))
    invoices = Note(code=NoteCode.SEVERAL_INVOICES, message="Several invoices on pages 1, 2.")
    one, other = read(SUMS), replace(read(SUMS, "tesseract"), notes=(several, invoices))

    assert combine(one, other).notes == (several,)
    assert combine(other, one).notes == (several, invoices)
    assert combine(other, other).notes == (several, invoices)


@pytest.mark.parametrize(
    ("fields", "doubt"),
    [
        (SUMS, False),
        ({"total": "480.00"}, False),
        ({"net": "400.00", "tax": "80.00"}, True),
        ({**SUMS, "total": "430.00"}, True),
        ({**SUMS, "iban": IBAN}, False),
        ({**SUMS, "iban": IBAN.replace("1234", "1284")}, True),
    ],
    ids=["sums", "no parts", "no total", "wrong sum", "account", "misread account"],
)
def test_doubt_is_what_is_missing_or_contradicts_itself(
    fields: dict[str, str], *, doubt: bool
) -> None:
    assert is_doubtful(read(fields)) is doubt


def test_the_reading_whose_amounts_add_up_is_believed_with_less_confidence() -> None:
    wrong = read({**SUMS, "total": "430.00"}, sure=0.95)
    right = read(SUMS, engine="tesseract", sure=0.7)
    for both in (combine(wrong, right), combine(right, wrong)):
        assert values(both) == {"date": "2026-03-01", **SUMS}
        assert both.fields[FieldName.TOTAL].confidence == pytest.approx(0.7 * 0.6)
        assert both.fields[FieldName.NET].confidence == 0.95
        assert [note.code for note in both.notes] == [NoteCode.ENGINES_DISAGREE]
        assert "total" in both.notes[0].message


def test_check_digits_are_believed_before_an_engine_that_is_sure() -> None:
    misread = read({**SUMS, "iban": IBAN.replace("1234", "1284")}, sure=0.99)
    both = combine(misread, read({**SUMS, "iban": IBAN}, engine="tesseract", sure=0.5))

    assert values(both)["iban"] == IBAN
    assert both.fields[FieldName.IBAN].confidence == pytest.approx(0.5 * 0.6)


def test_what_only_one_engine_read_is_taken_and_less_sure() -> None:
    both = combine(read({}), read({**SUMS, "supplier": "Awa SARL"}, engine="tesseract", sure=0.8))

    assert values(both) == {"date": "2026-03-01", **SUMS, "supplier": "Awa SARL"}
    assert both.fields[FieldName.TOTAL].confidence == pytest.approx(0.8 * 0.8)
    assert both.fields[FieldName.DATE].confidence == 0.9
    assert (both.engine, both.notes) == ("rapidocr+tesseract", ())


def test_a_letter_more_or_less_in_a_name_is_no_dispute() -> None:
    both = combine(
        read({**SUMS, "supplier": "Quincaillerie du Plateau"}),
        read({**SUMS, "supplier": "Quincai1lerie du Plateau"}, engine="tesseract", sure=0.8),
    )

    assert both.notes == ()
    assert both.fields[FieldName.SUPPLIER].confidence == 0.9


class Reader(WholePages):
    """Reads what it was given from every page that lies right, and noise from the others."""

    version = "1"

    def __init__(self, name: EngineName, *rows: str) -> None:
        self.name = name
        self.rows = rows
        self.pages = 0

    def read(self, picture: Image.Image, *, number: int) -> Page:
        self.pages += 1
        page = paper.page(*self.rows, number=number, source=Source.OCR, confidence=0.95)
        return replace(page, confidence=0.95)


ROWS = (
    "Awa Bâtiment SARL, 12 rue du Marché",
    "Facture n° FA-2026-0117 du 01/03/2026",
    "Ciment, sacs de cinquante kilogrammes",
    "Total TTC       480,00 €",
)


@pytest.mark.parametrize(("rows", "asked"), [(ROWS, 0), (ROWS[:3], 1)], ids=["sure", "in doubt"])
def test_the_second_engine_is_asked_in_doubt_only(
    tmp_path: Path, rows: tuple[str, ...], asked: int
) -> None:
    path = tmp_path / "scan.jpg"
    Image.new("RGB", (400, 600), "white").save(path)
    first, second = Reader(EngineName.RAPIDOCR, *rows), Reader(EngineName.TESSERACT, *ROWS)

    reading = read_document(path, engine=first, second=second)

    assert (first.pages, second.pages) == (1, asked)
    assert values(reading)["total"] == "480.00"


@needs_tesseract
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_page_that_lies_wrong_is_read_and_its_fields_have_their_places_on_the_picture(
    degrees: int,
) -> None:
    straight = photo(INVOICE)
    lying = straight.rotate(degrees, expand=True)

    page = read_upright(get_engine("tesseract"), lying, number=1).page

    assert page.turned == (360 - degrees) % 360
    total = extract([page])[FieldName.TOTAL]
    assert total.value == "480.00"
    assert total.box is not None
    x, y = (total.box.x0 + total.box.x1) / 2, (total.box.y0 + total.box.y1) / 2
    there = {90: (0.66, 1 - 0.65), 180: (1 - 0.65, 1 - 0.66), 270: (1 - 0.66, 0.65)}
    assert (x, y) == pytest.approx(there[degrees], abs=0.09)


def test_a_page_that_lies_right_is_read_once() -> None:
    engine = Reader(EngineName.RAPIDOCR, *ROWS)
    assert read_upright(engine, Image.new("RGB", (400, 600)), number=1).page.turned == 0
    assert engine.pages == 1
