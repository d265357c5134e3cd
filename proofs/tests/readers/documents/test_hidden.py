"""What a file says and its pages do not show is no part of what is read."""

from pathlib import Path

import pytest

from kobatela.embedded.sample_documents import make_pdf
from proofs.readers.documents.facts import FieldName, NoteCode, Page, Reading
from proofs.readers.documents.ocr import Engine, get_engine
from proofs.readers.documents.pdf import parse
from proofs.tests.readers.documents.one_process import read_document
from proofs.tests.readers.documents.test_reading import FakeEngine, codes, values

SHOWN = (
    "Awa Batiment SARL",
    "Facture FA-2026-0117 du 01/03/2026",
    "Total HT 400,00 EUR",
    "TVA 20% 80,00 EUR",
    "Total TTC 480,00 EUR",
)
LIE = b"(Total TTC net a payer 9 480,00 EUR) Tj"
IBAN_LIE = b"(IBAN FR76 3000 6000 0112 3456 7890 189) Tj"


def show(rows: tuple[str, ...]) -> bytes:
    lines = b"".join(
        b"1 0 0 1 60 %d Tm (%s) Tj " % (780 - 20 * down, row.encode("cp1252"))
        for down, row in enumerate(rows)
    )
    return b"BT /F1 11 Tf %s ET " % lines


def hide(how: str, lie: bytes = LIE) -> bytes:
    place = b"1 0 0 1 60 500 Tm " + lie
    match how:
        case "not drawn":
            return b"BT /F1 11 Tf 3 Tr %s 0 Tr ET" % place
        case "white":
            return b"BT 1 g /F1 11 Tf %s 0 g ET" % place
        case "tiny":
            return b"BT /F1 1.5 Tf %s ET" % place
        case "covered":
            return b"BT /F1 11 Tf %s ET 1 g 50 490 400 30 re f 0 g" % place
        case "off the page":
            return b"BT /F1 11 Tf 1 0 0 1 60 -200 Tm %s ET" % lie
    raise AssertionError(how)


def read(tmp_path: Path, content: bytes, engine: Engine | None = None) -> Reading:
    path = tmp_path / "invoice.pdf"
    path.write_bytes(make_pdf([content]))
    return read_document(path, engine=engine or get_engine("none"))


@pytest.mark.parametrize("how", ["not drawn", "white", "tiny", "covered", "off the page"])
def test_a_hidden_total_is_not_read_and_is_told(tmp_path: Path, how: str) -> None:
    reading = read(tmp_path, show(SHOWN) + hide(how))

    assert values(reading)["total"] == "480.00"
    assert "9 480" not in reading.text
    # What lies off the page is not even kept.
    assert codes(reading) == ([] if how == "off the page" else [NoteCode.HIDDEN_TEXT])


def test_a_hidden_account_is_told(tmp_path: Path) -> None:
    reading = read(tmp_path, show(SHOWN) + hide("white", IBAN_LIE))

    assert FieldName.IBAN not in reading.fields
    assert codes(reading) == [NoteCode.HIDDEN_TEXT]


@pytest.mark.parametrize("harmless", [b"(Powered by a program) Tj", b"(Total TTC 480,00 EUR) Tj"])
def test_hidden_words_that_name_nothing_else_are_nobodys_business(
    tmp_path: Path, harmless: bytes
) -> None:
    reading = read(tmp_path, show(SHOWN) + hide("white", harmless))

    assert values(reading)["total"] == "480.00"
    assert codes(reading) == []


def test_white_letters_on_a_dark_ground_are_shown(tmp_path: Path) -> None:
    dark = b"0.2 g 50 490 400 30 re f 1 g BT /F1 11 Tf 1 0 0 1 60 500 Tm %s ET 0 g " % LIE

    page = parse_one(tmp_path, dark + show(SHOWN[:2]))

    assert page.hidden == ()
    assert [word.text for word in page.words][4:7] == ["payer", "9", "480,00"]


def parse_one(tmp_path: Path, content: bytes) -> Page:
    path = tmp_path / "page.pdf"
    path.write_bytes(make_pdf([content]))
    return parse(path).pages[0]


def laid_over() -> bytes:
    """A page whose text is not drawn, as scanners lay it over their picture: here of stripes."""
    picture = b"".join(b"50 %d 500 2 re f " % y for y in range(400, 800, 5))
    return picture + b"3 Tr " + show((*SHOWN[:4], "Total TTC 9 480,00 EUR"))


def test_what_a_scanner_laid_over_its_picture_is_held_against_what_ocr_reads(
    tmp_path: Path,
) -> None:
    engine = FakeEngine()

    reading = read(tmp_path, laid_over(), engine)

    assert [number for number, _ in engine.seen] == [1], "the picture is what counts"
    assert values(reading)["total"] == "480.00"
    assert codes(reading) == [NoteCode.HIDDEN_TEXT]


def test_without_an_engine_it_is_read_and_told(tmp_path: Path) -> None:
    reading = read(tmp_path, laid_over())

    assert values(reading)["total"] == "9480.00"
    assert codes(reading) == [NoteCode.OCR_OFF, NoteCode.HIDDEN_TEXT]


# A picture over a whole A4 page: in one piece, and as scanners cut it, in strips.
ONE_PIECE = b"q 595 0 0 842 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \xee EI Q "
STRIPS = b"".join(
    b"q 595 0 0 2 0 %d cm BI /W 1 /H 1 /CS /G /BPC 8 ID \xee EI Q " % y for y in range(0, 842, 2)
)
FOOTER = b"BT /F1 9 Tf 1 0 0 1 60 20 Tm (Scanned with an app for scans - www.app.example) Tj ET "
LYING = show((*SHOWN[:4], "Total TTC 9 480,00 EUR"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        # What is drawn later lies on top.
        (LYING + ONE_PIECE, [NoteCode.HIDDEN_TEXT]),
        (STRIPS + LYING, [NoteCode.HIDDEN_TEXT]),
        (ONE_PIECE + FOOTER, []),
    ],
    ids=["text under it", "text over strips", "a footer of the scanner's maker"],
)
def test_a_page_that_is_a_picture_is_read_from_the_picture(
    tmp_path: Path, content: bytes, said: list[NoteCode]
) -> None:
    engine = FakeEngine()

    reading = read(tmp_path, content, engine)

    assert [number for number, _ in engine.seen] == [1]
    assert values(reading)["total"] == "480.00"
    assert codes(reading) == said


def test_a_letterhead_on_less_than_half_of_a_page_leaves_its_text_alone(tmp_path: Path) -> None:
    head = b"q 595 0 0 380 0 462 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \xee EI Q "

    page = parse_one(tmp_path, head + show(SHOWN))

    assert page.hidden == ()
    assert page.words


@pytest.mark.parametrize(
    ("scale", "is_hidden"), [(b"1", True), (b"0.5", False)], ids=["as large", "shrunk"]
)
def test_a_picture_inside_a_form_counts_with_the_size_that_it_has_on_the_page(
    tmp_path: Path, scale: bytes, *, is_hidden: bool
) -> None:
    data = make_pdf([b"q %s 0 0 %s 0 0 cm /X Do Q " % (scale, scale) + show(SHOWN)])
    number = data.count(b" obj") + 1
    form = b"%d 0 obj\n<< /Type /XObject /Subtype /Form /BBox [0 0 595 842] /Length %d >>\n" % (
        number,
        len(ONE_PIECE),
    )
    form += b"stream\n%s\nendstream\nendobj\n" % ONE_PIECE
    # The table of places is wrong now, so that PDFium goes through the file itself.
    data = data.replace(b"/Font <<", b"/XObject << /X %d 0 R >> /Font <<" % number, 1)
    data = data.replace(b"xref\n", form + b"xref\n", 1)
    path = tmp_path / "form.pdf"
    path.write_bytes(data)

    page = parse(path).pages[0]

    assert [bool(page.words), bool(page.hidden)] == [not is_hidden, is_hidden]
