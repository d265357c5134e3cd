"""PDF files: words and their places, attachments, passwords, limits, pages as pictures."""

from pathlib import Path

import pytest

from proofs.readers.documents import pdf
from proofs.readers.documents.facts import NoteCode, Source
from proofs.readers.documents.layout import lines_of
from proofs.readers.errors import ReaderRefusal, RefusalCode
from proofs.tests.readers.documents import paper


def stored(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def refusal_of(path: Path) -> RefusalCode:
    with pytest.raises(ReaderRefusal) as refused:
        pdf.parse(path)
    assert refused.value.hint
    return refused.value.code


@pytest.fixture
def invoice(tmp_path: Path) -> Path:
    rows = ["Facture FA-2026-0117", "", "", "Total TTC                 1 000,50 €"]
    return stored(tmp_path / "invoice.pdf", paper.pdf(rows, ["Page two"]))


def test_words_have_the_places_that_they_have_on_the_page(invoice: Path) -> None:
    parsed = pdf.parse(invoice)
    assert parsed.pages_total == 2
    first = parsed.pages[0]
    assert (first.number, first.width, first.height) == (1, 595, 842)
    assert first.source is Source.TEXT
    assert [word.text for word in first.words][:4] == ["Facture", "FA-2026-0117", "Total", "TTC"]
    facture, number = first.words[:2]
    assert facture.x0 == pytest.approx(20 / 595, abs=0.005)
    assert facture.x1 < number.x0
    # The baseline lies 800 points above the lower edge.
    assert facture.y0 < 1 - 800 / 842 < facture.y1 + 0.01
    assert facture.confidence is None
    assert [word.text for word in parsed.pages[1].words] == ["Page", "two"]


def test_a_page_that_is_shown_turned_is_read_as_it_is_shown(tmp_path: Path) -> None:
    path = stored(tmp_path / "turned.pdf", paper.pdf(["Total TTC"], rotate=90))
    page = pdf.parse(path).pages[0]
    assert (page.width, page.height) == (842, 595)
    total, _ = page.words
    # The upper edge of the page's text has become its right edge.
    assert total.x0 > 0.9
    assert total.y1 - total.y0 > total.x1 - total.x0


def test_letters_that_stand_a_little_apart_are_one_word(tmp_path: Path) -> None:
    # PDFium takes the gap of 1.2 points for a blank; words stand 2.5 points apart and more.
    content = b"BT /F 10 Tf 1 0 0 1 20 700 Tm [(Br) -120 (uttosumme)] TJ ET"
    data = paper.pdf(["x"]).replace(paper._content(["x"]), content)
    page = pdf.parse(stored(tmp_path / "kerning.pdf", data)).pages[0]
    assert [word.text for word in page.words] == ["Bruttosumme"]


def test_columns_without_a_blank_between_them_are_two_words(tmp_path: Path) -> None:
    rows = ["Quantity            Amount"]
    page = pdf.parse(stored(tmp_path / "columns.pdf", paper.pdf(rows))).pages[0]
    assert [line.text for line in lines_of(page)] == ["Quantity  Amount"]


def test_attached_files_are_given_with_their_names(tmp_path: Path) -> None:
    data = paper.pdf(["x"], attachments=[("factur-x.xml", b"<a/>"), ("plan.png", b"\x89PNG")])
    parsed = pdf.parse(stored(tmp_path / "hybrid.pdf", data))
    assert {(one.name, one.data) for one in parsed.attachments} == {
        ("factur-x.xml", b"<a/>"),
        ("plan.png", b"\x89PNG"),
    }
    assert parsed.notes == ()


def test_of_many_attached_files_the_first_are_given_and_a_note(tmp_path: Path) -> None:
    many = [(f"file-{number:02}.xml", b"<a/>") for number in range(25)]
    parsed = pdf.parse(stored(tmp_path / "many.pdf", paper.pdf(["x"], attachments=many)))
    assert len(parsed.attachments) == 20
    assert [note.code for note in parsed.notes] == [NoteCode.ATTACHMENTS_NOT_READ]
    assert "5 files" in parsed.notes[0].message


def test_an_attached_file_that_is_too_large_is_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "MAX_ATTACHMENT_BYTES", 10)
    data = paper.pdf(["x"], attachments=[("factur-x.xml", b"<a>" + b"x" * 20 + b"</a>")])
    parsed = pdf.parse(stored(tmp_path / "large.pdf", data))
    assert parsed.attachments == ()
    assert [note.code for note in parsed.notes] == [NoteCode.ATTACHMENTS_NOT_READ]


def test_a_document_that_opens_with_a_password_only_is_refused_by_name(tmp_path: Path) -> None:
    data = paper.pdf(["secret"], user_password="sesame")
    path = stored(tmp_path / "closed.pdf", data)
    assert refusal_of(path) is RefusalCode.PDF_ENCRYPTED
    with pytest.raises(ReaderRefusal) as refused:
        pdf.render(path, 1)
    assert refused.value.code is RefusalCode.PDF_ENCRYPTED


def test_a_document_that_only_its_owner_may_change_is_read(tmp_path: Path) -> None:
    data = paper.pdf(["Facture 12"], owner_password="mine")
    assert b"/Encrypt" in data
    assert b"Facture" not in data
    parsed = pdf.parse(stored(tmp_path / "owned.pdf", data))
    assert [word.text for word in parsed.pages[0].words] == ["Facture", "12"]


def test_thirty_pages_are_read_and_one_more_is_refused(tmp_path: Path) -> None:
    thirty = stored(tmp_path / "thirty.pdf", paper.pdf(*[["x"]] * 30))
    assert pdf.parse(thirty).pages_total == 30
    more = stored(tmp_path / "more.pdf", paper.pdf(*[["x"]] * 31))
    assert refusal_of(more) is RefusalCode.FILE_TOO_LARGE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"%PDF-1.7",
        b"%PDF-1.7\n" + bytes(range(256)) * 40,
        paper.pdf(["x"])[:200],
        paper.pdf(),
        b"\x89PNG\r\n\x1a\n",
    ],
    ids=["empty", "head", "noise", "cut", "no pages", "no PDF"],
)
def test_what_is_no_readable_document_is_refused(tmp_path: Path, data: bytes) -> None:
    assert refusal_of(stored(tmp_path / "broken.pdf", data)) is RefusalCode.FILE_UNREADABLE


def test_a_page_is_drawn_in_grey_at_200_dots_to_the_inch(invoice: Path) -> None:
    picture = pdf.render(invoice, 1)
    assert picture.mode == "L"
    assert picture.size == (1653, 2339)
    assert min(picture.tobytes()) < 100, "there are letters on it"
    assert picture.getpixel((5, 5)) == 255


@pytest.mark.parametrize("media_box", ["0 0 14400 14400", "0 0 1000000 1000000", "0 0 200000 100"])
def test_a_page_of_any_size_is_drawn_within_the_limits(tmp_path: Path, media_box: str) -> None:
    path = stored(tmp_path / "huge.pdf", paper.pdf(["x"], media_box=media_box))
    picture = pdf.render(path, 1)
    assert picture.width * picture.height <= pdf.MAX_RENDERED_PIXELS * 1.001
    assert max(picture.size) <= pdf.MAX_RENDERED_SIDE_PX + 1


@pytest.mark.parametrize("number", [0, 3, -5])
def test_a_page_that_is_not_there_is_refused(invoice: Path, number: int) -> None:
    with pytest.raises(ReaderRefusal) as refused:
        pdf.render(invoice, number)
    assert refused.value.code is RefusalCode.FILE_UNREADABLE


def test_scripts_in_a_document_do_not_run_and_do_not_show(tmp_path: Path) -> None:
    action = b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\);) >>"
    data = paper.pdf(["Facture 12"]).replace(b"/Type /Catalog", b"/Type /Catalog " + action)
    parsed = pdf.parse(stored(tmp_path / "script.pdf", data))
    assert [word.text for word in parsed.pages[0].words] == ["Facture", "12"]
