"""A document from its file to its fields."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from proofs.readers.documents.facts import (
    FieldName,
    NoteCode,
    Page,
    Reading,
    ReadingStatus,
    Source,
)
from proofs.readers.documents.ocr import EngineName, OcrError, get_engine
from proofs.readers.documents.ocr.base import WholePages
from proofs.tests.readers.documents import paper
from proofs.tests.readers.documents.one_process import read_document
from proofs.tests.readers.documents.test_einvoice import CII

INVOICE = (
    "Awa Bâtiment SARL",
    "Facture n° FA-2026-0117 du 01/03/2026",
    "Total HT        400,00 €",
    "TVA 20%          80,00 €",
    "Total TTC       480,00 €",
)


class FakeEngine(WholePages):
    """Reads the same page from every picture, and remembers the pictures."""

    name = EngineName.RAPIDOCR
    version = "1.2.3"

    def __init__(self, error: OcrError | None = None, confidence: float = 0.95) -> None:
        self.error = error
        self.confidence = confidence
        self.seen: list[tuple[int, tuple[int, int]]] = []

    def read(self, picture: Image.Image, *, number: int) -> Page:
        self.seen.append((number, picture.size))
        if self.error is not None:
            raise self.error
        made = paper.page(*INVOICE, number=number, source=Source.OCR, confidence=self.confidence)
        return Page(
            number=number,
            width=made.width,
            height=made.height,
            words=made.words,
            source=Source.OCR,
            confidence=self.confidence,
        )


def stored(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def values(reading: Reading) -> dict[str, str]:
    return {name.value: field.value for name, field in reading.fields.items()}


def codes(reading: Reading) -> list[NoteCode]:
    return [note.code for note in reading.notes]


def test_a_document_with_text_is_read_without_ocr(tmp_path: Path) -> None:
    engine = FakeEngine()
    path = stored(
        tmp_path / "invoice.pdf", paper.pdf(INVOICE, ["Page 2: conditions générales de vente."])
    )
    reading = read_document(path, engine=engine)
    assert engine.seen == []
    assert values(reading)["total"] == "480.00"
    assert reading.fields[FieldName.TOTAL].source is Source.TEXT
    assert (reading.engine, reading.engine_version) == ("text", "")
    assert (reading.pages_total, reading.pages_read) == (2, 2)
    assert reading.status is ReadingStatus.READ
    assert reading.text.startswith("Awa Bâtiment SARL\nFacture n° FA-2026-0117")
    assert reading.notes == ()
    written = reading.to_json()
    assert Reading.from_json(written).to_json() == written


def test_an_embedded_e_invoice_is_kept_apart_from_what_the_page_shows(tmp_path: Path) -> None:
    xml = CII.replace("480.0000", "481.00").encode()
    data = paper.pdf(INVOICE, attachments=[("factur-x.xml", xml)])
    path = stored(tmp_path / "hybrid.pdf", data)
    reading = read_document(path, engine=FakeEngine())
    assert reading.fields[FieldName.TOTAL].value == "480.00"
    assert reading.xml_fields[FieldName.TOTAL].value == "481.00"
    assert reading.xml_fields[FieldName.TOTAL].source is Source.XML
    without = read_document(stored(path, paper.pdf(INVOICE)), engine=FakeEngine())
    assert without.xml_fields == {}
    assert without.fields == reading.fields


def test_a_bad_embedded_file_is_a_note_and_the_page_is_read(tmp_path: Path) -> None:
    data = paper.pdf(INVOICE, attachments=[("factur-x.xml", b"<!DOCTYPE a><a/>")])
    reading = read_document(stored(tmp_path / "bad.pdf", data), engine=FakeEngine())
    assert codes(reading) == [NoteCode.XML_UNREADABLE]
    assert reading.xml_fields == {}
    assert values(reading)["total"] == "480.00"


def test_pages_without_text_are_read_by_ocr_and_the_others_are_not(tmp_path: Path) -> None:
    engine = FakeEngine()
    path = stored(tmp_path / "mixed.pdf", paper.pdf(["Conditions générales de la vente"], ["2/2"]))
    reading = read_document(path, engine=engine)
    assert engine.seen == [(2, (1653, 2339))]
    assert reading.fields[FieldName.TOTAL].page == 2
    assert reading.fields[FieldName.TOTAL].source is Source.OCR
    assert (reading.engine, reading.engine_version) == ("rapidocr", "1.2.3")
    assert (reading.pages_total, reading.pages_read) == (2, 2)


def test_ocr_looks_at_the_first_pages_only_and_says_so(tmp_path: Path) -> None:
    engine = FakeEngine()
    path = stored(tmp_path / "scan.pdf", paper.pdf(*[[]] * 7))
    reading = read_document(path, engine=engine)
    assert [number for number, _ in engine.seen] == [1, 5, 2, 3, 4]
    assert codes(reading) == [NoteCode.PAGES_NOT_READ]
    assert "6, 7" in reading.notes[0].message
    assert (reading.pages_total, reading.pages_read) == (7, 5)
    fewer = FakeEngine()
    read_document(path, engine=fewer, ocr_max_pages=2)
    assert len(fewer.seen) == 2


def test_a_page_that_ocr_doubts_is_a_note(tmp_path: Path) -> None:
    path = stored(tmp_path / "scan.pdf", paper.pdf([]))
    reading = read_document(path, engine=FakeEngine(confidence=0.7))
    assert codes(reading) == [NoteCode.LOW_CONFIDENCE]
    assert reading.status is ReadingStatus.READ


@pytest.mark.parametrize(("retry", "is_available"), [(False, True), (True, True), (True, False)])
def test_an_engine_that_fails_is_a_note_that_says_whether_to_try_again(
    tmp_path: Path, *, retry: bool, is_available: bool
) -> None:
    error = OcrError("It broke.", hint="Mend it.", retry=retry, is_available=is_available)
    path = stored(tmp_path / "scan.pdf", paper.pdf([]))
    reading = read_document(path, engine=FakeEngine(error))
    assert reading.status is ReadingStatus.FAILED
    assert reading.fields == {}
    note = reading.notes[0]
    expected = NoteCode.OCR_FAILED if is_available else NoteCode.OCR_UNAVAILABLE
    assert (note.code, note.message, note.hint, note.retry) == (
        expected,
        "It broke.",
        "Mend it.",
        retry,
    )


def test_with_ocr_off_a_picture_waits_for_a_person(tmp_path: Path) -> None:
    path = stored(tmp_path / "scan.pdf", paper.pdf([]))
    reading = read_document(path, engine=get_engine("none"))
    assert codes(reading) == [NoteCode.OCR_OFF]
    assert not reading.notes[0].retry
    assert reading.status is ReadingStatus.FAILED
    with_text = read_document(
        stored(tmp_path / "text.pdf", paper.pdf(INVOICE)), engine=get_engine("none")
    )
    assert with_text.status is ReadingStatus.READ


def test_a_page_on_which_nothing_is_found_is_empty(tmp_path: Path) -> None:
    class Blind(FakeEngine):
        def read(self, picture: Image.Image, *, number: int) -> Page:
            return Page(number=number, width=1, height=1, words=(), source=Source.OCR)

    reading = read_document(stored(tmp_path / "blank.pdf", paper.pdf([])), engine=Blind())
    assert reading.status is ReadingStatus.EMPTY
    assert (reading.pages_total, reading.pages_read) == (1, 0)


def picture(size: tuple[int, int], written_as: str, orientation: int | None = None) -> bytes:
    made = Image.new("RGB", size, "white")
    ImageDraw.Draw(made).text((10, 10), "Total 12.00", fill="black")
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    buffer = io.BytesIO()
    made.save(buffer, written_as, exif=exif)
    return buffer.getvalue()


def test_a_picture_is_one_page_upright_and_not_too_large(tmp_path: Path) -> None:
    engine = FakeEngine()
    path = stored(tmp_path / "photo.jpg", picture((4000, 1000), "JPEG", orientation=6))
    reading = read_document(path, engine=engine)
    assert engine.seen == [(1, (877, 3508))]
    assert reading.media_type == "image/jpeg"
    assert (reading.pages_total, reading.pages_read) == (1, 1)
    assert values(reading)["total"] == "480.00"


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7 broken",
        b"\xff\xd8\xff broken",
        paper.pdf(["x"], user_password="sesame"),
        paper.pdf(*[["x"]] * 31),
        picture((9000, 6000), "PNG"),
    ],
    ids=["pdf", "jpeg", "encrypted", "pages", "pixels"],
)
def test_what_the_door_would_refuse_gives_no_fields(tmp_path: Path, data: bytes) -> None:
    engine = FakeEngine()
    reading = read_document(stored(tmp_path / "file", data), engine=engine)
    assert (reading.status, reading.fields, engine.seen) == (ReadingStatus.FAILED, {}, [])


def test_the_country_decides_what_fcfa_means(tmp_path: Path) -> None:
    rows = ("Facture n° 12 du 01/03/2026", "Total TTC     480 000 FCFA")
    path = stored(tmp_path / "invoice.pdf", paper.pdf(rows))
    assert values(read_document(path, engine=FakeEngine(), country="CM"))["currency"] == "XAF"
    assert "currency" not in values(read_document(path, engine=FakeEngine()))
