"""Documents are read in children with limits, and what a child loses is not lost for the others."""

import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pypdfium2
import pytest
from PIL import Image

from kobatela.embedded.sample_documents import (
    make_invoice_pdf,
    make_locked_pdf,
    make_pdf,
    make_scan_pdf,
)
from proofs.readers import document_reading
from proofs.readers.document_reading import (
    OcrLost,
    count_pages,
    read_document,
    render_page,
)
from proofs.readers.documents.facts import FieldName, NoteCode, Reading, ReadingStatus, Source
from proofs.readers.errors import ReaderRefusal, ReaderUnavailable
from proofs.readers.limits import ChildLimits
from proofs.readers.pool import ReaderPool
from proofs.readers.process import ChildLost
from proofs.tests.factories import INVOICE_FIELDS, INVOICE_TEXT, PDF
from proofs.tests.readers.documents.paper import page

REPOSITORY = Path(__file__).resolve().parents[3]
FEW_BYTES = 250_000_000
OF_NO_TIME = {"version": "1", "took_s": 0.0, "reading_s": 0.0}


class Kept(Protocol):
    """Writes a document and says where it lies."""

    def __call__(self, content: bytes, name: str = "document.pdf") -> Path:
        """Keep `content` under `name`."""


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """Write a document and say where it lies."""

    def keep(content: bytes, name: str = "document.pdf") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return keep


@pytest.fixture
def small_pools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Children that may take little memory, so that a small bomb is enough."""
    limits = ChildLimits(address_space_bytes=FEW_BYTES, cpu_s=20)
    modules = {"_parsers": "proofs.readers.parser_child", "_engines": "proofs.readers.ocr_child"}
    pools = []
    for name, module in modules.items():
        lost = OcrLost if name == "_engines" else document_reading.ParserLost
        pool = ReaderPool(module=module, limits=limits, children=1, when_lost=lost)
        monkeypatch.setattr(document_reading, name, pool)
        pools.append(pool)
    yield
    for pool in pools:
        pool.close()


def scanned() -> Image.Image:
    """The sample invoice as a scanner sees it."""
    page = pypdfium2.PdfDocument(PDF)[0]
    picture: Image.Image = page.render(scale=200 / 72, grayscale=True).to_pil()
    return picture


def read(path: Path, engine: str = "none", **options: Any) -> Reading:
    values: dict[str, Any] = {"media_type": "application/pdf", "ocr_max_pages": 5}
    return read_document(path, engine=engine, **(values | options))


def values_of(reading: Reading) -> dict[str, str]:
    return {name.value: field.value for name, field in reading.fields.items()}


def loses(reason: str) -> Any:
    def run(_job: str, _arguments: Any, **_limits: Any) -> None:
        raise OcrLost(ChildLost(reason))

    return run


# --- What is read ---------------------------------------------------------------------------------


def test_a_document_with_text_is_read_without_ocr_each_field_with_its_place(kept: Kept) -> None:
    reading = read(kept(PDF), engine="rapidocr")

    assert values_of(reading) == INVOICE_FIELDS
    assert (reading.engine, reading.status, reading.notes) == ("text", ReadingStatus.READ, ())
    total = reading.fields[FieldName.TOTAL]
    assert (total.page, total.source) == (1, Source.TEXT)
    assert total.box is not None
    assert (total.box.x0, total.box.y0) == pytest.approx((430 / 595, 0.30), abs=0.02)


def test_a_scan_without_an_engine_says_so(kept: Kept) -> None:
    reading = read(kept(make_scan_pdf([scanned()])))

    assert (reading.status, reading.fields) == (ReadingStatus.FAILED, {})
    assert [note.code for note in reading.notes] == [NoteCode.OCR_OFF]


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed.")
def test_a_scan_is_read_by_tesseract(kept: Kept) -> None:
    reading = read(kept(make_scan_pdf([scanned()])), engine="tesseract")

    assert values_of(reading) == INVOICE_FIELDS
    assert reading.engine == "tesseract"
    assert re.match(r"[0-9]+\.", reading.engine_version)
    assert reading.fields[FieldName.TOTAL].source is Source.OCR


# Loading the models and reading one page takes five seconds: it is the default engine.
def test_a_photo_of_an_invoice_is_read_by_rapidocr(kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    scanned().convert("RGB").save(path, quality=70)

    reading = read(path, engine="rapidocr", media_type="image/jpeg")

    assert values_of(reading) == INVOICE_FIELDS
    assert (reading.engine, reading.pages_total) == ("rapidocr", 1)


def test_pages_beyond_the_limit_are_told_and_not_read(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def run(_job: str, arguments: Any, **_limits: Any) -> dict[str, Any]:
        asked.append(arguments["number"])
        blank = {"number": arguments["number"], "width": 9.0, "height": 9.0, "words": []}
        empty: dict[str, Any] = {
            "source": "ocr",
            "confidence": None,
            "tilt": 0.0,
            "hidden": [],
            "turned": 0,
        }
        return {"page": blank | empty, **OF_NO_TIME}

    monkeypatch.setattr(document_reading._engines, "run", run)
    white = Image.new("L", (200, 280), 255)

    reading = read(kept(make_scan_pdf([white] * 4)), engine="rapidocr", ocr_max_pages=2)

    assert asked == [1, 2]
    assert [note.code for note in reading.notes] == [NoteCode.PAGES_NOT_READ]
    assert reading.pages_total == 4


@pytest.mark.parametrize("with_second", [True, False])
def test_what_one_engine_leaves_in_doubt_is_read_by_the_other_within_the_same_time(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, *, with_second: bool
) -> None:
    asked: list[str] = []

    def run(_job: str, arguments: Any, **_limits: Any) -> dict[str, Any]:
        asked.append(arguments["engine"])
        rows = ["Facture du 01/03/2026", "Total TTC       480,00"]
        seen = rows[:1] if arguments["engine"] == "rapidocr" else rows
        return {
            "page": page(*seen, source=Source.OCR, confidence=0.9).to_json(),
            **OF_NO_TIME,
        }

    monkeypatch.setattr(document_reading._engines, "run", run)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/tesseract")
    scan = kept(make_scan_pdf([Image.new("L", (200, 280), 255)]))

    reading = read(scan, engine="rapidocr", with_second=with_second)

    assert asked == ["rapidocr", "tesseract"][: 1 + with_second]
    expected = {"date": "2026-03-01"} | ({"total": "480.00"} if with_second else {})
    assert values_of(reading) == expected
    assert reading.engine == ("rapidocr+tesseract" if with_second else "rapidocr")
    # No time left for a second look costs nothing of the first.
    nothing = read(scan, engine="rapidocr", with_second=with_second, ocr_budget_s=-1.0)
    assert nothing.fields == {}


# --- What is refused at the door ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (make_locked_pdf(), "PDF_ENCRYPTED"),
        (make_invoice_pdf(INVOICE_TEXT, pages=31), "FILE_TOO_LARGE"),
        (PDF[:60], "FILE_UNREADABLE"),
        (make_pdf([]), "FILE_UNREADABLE"),
        # Larger than PDF allows any page to be.
        (PDF.replace(b"[0 0 595 842]", b"[0 0 595 14401]"), "FILE_UNREADABLE"),
    ],
)
def test_what_is_no_document_for_us_is_refused_by_name(
    kept: Kept, content: bytes, code: str
) -> None:
    with pytest.raises(ReaderRefusal) as refused:
        count_pages(kept(content))

    assert refused.value.code == code
    assert refused.value.hint


def test_a_file_is_not_refused_for_the_password_of_the_one_before(kept: Kept) -> None:
    with pytest.raises(ReaderRefusal):
        count_pages(kept(make_locked_pdf(), "locked.pdf"))

    with pytest.raises(ReaderRefusal) as refused:
        count_pages(kept(make_pdf([]), "empty.pdf"))
    assert refused.value.code == "FILE_UNREADABLE"


def test_a_stored_document_that_cannot_be_parsed_gives_a_reading_that_says_so(kept: Kept) -> None:
    reading = read(kept(PDF[:60]))

    assert (reading.status, reading.fields, reading.notes) == (ReadingStatus.FAILED, {}, ())


# --- Hostile --------------------------------------------------------------------------------------


def bomb() -> bytes:
    """A page whose few bytes of content become more than a small child may hold."""
    squeezer = zlib.compressobj(9)
    chunk = b" " * 10_000_000
    squeezed = b"".join(squeezer.compress(chunk) for _ in range(2 * FEW_BYTES // len(chunk)))
    squeezed = zlib.compress(squeezed + squeezer.flush(), 9)
    page = make_pdf([squeezed])
    return page.replace(
        b"<< /Length %d >>" % len(squeezed),
        b"<< /Filter [/FlateDecode /FlateDecode] /Length %d >>" % len(squeezed),
    )


@pytest.mark.usefixtures("small_pools")
def test_a_bomb_costs_its_child_and_nobody_else(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    content = bomb()
    assert len(content) < 10_000

    with pytest.raises(ReaderRefusal) as refused:
        count_pages(kept(content, "bomb.pdf"))

    assert refused.value.code == "FILE_UNREADABLE"
    assert "A reader's child was lost in count_pages" in caplog.text
    assert count_pages(kept(PDF)) == 1


@pytest.mark.usefixtures("small_pools")
def test_an_engine_that_needs_more_memory_than_it_may_have_is_a_note(kept: Kept) -> None:
    reading = read(kept(make_scan_pdf([scanned()])), engine="rapidocr")

    assert reading.status is ReadingStatus.FAILED
    (note,) = reading.notes
    assert note.code in {NoteCode.OCR_FAILED, NoteCode.OCR_UNAVAILABLE}


@pytest.mark.parametrize(
    ("reason", "code", "may_retry"),
    [
        ("time", NoteCode.OCR_FAILED, True),
        ("memory", NoteCode.OCR_FAILED, False),
        ("cpu", NoteCode.PAGES_NOT_READ, True),
        ("died", NoteCode.OCR_FAILED, False),
    ],
)
def test_a_page_that_costs_the_engine_its_process_is_a_note_and_the_rest_is_read(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, reason: str, code: NoteCode, *, may_retry: bool
) -> None:
    monkeypatch.setattr(document_reading._engines, "run", loses(reason))
    text = make_invoice_pdf(INVOICE_TEXT, pages=2)

    reading = read(kept(text), engine="rapidocr")

    assert values_of(reading) == INVOICE_FIELDS
    assert [(note.code, note.retry) for note in reading.notes] == [(code, may_retry)]


@pytest.mark.parametrize(
    ("reason", "notes"),
    [
        ("cpu", [(NoteCode.PAGES_NOT_READ, True)]),
        ("time", [(NoteCode.PAGES_NOT_READ, True)]),
        ("memory", []),
        ("died", []),
    ],
)
def test_a_document_that_takes_its_parser_too_long_is_not_called_damaged(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, reason: str, notes: list[tuple[NoteCode, bool]]
) -> None:
    def run(_job: str, _arguments: Any, **_limits: Any) -> None:
        raise document_reading.ParserLost(ChildLost(reason))

    monkeypatch.setattr(document_reading._parsers, "run", run)

    reading = read(kept(PDF))

    assert (reading.status, reading.fields) == (ReadingStatus.FAILED, {})
    assert [(note.code, note.retry) for note in reading.notes] == notes


def test_an_engine_that_does_not_start_is_a_note_too(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_job: str, _arguments: Any, **_limits: Any) -> None:
        raise ReaderUnavailable("no child starts")

    monkeypatch.setattr(document_reading._engines, "run", run)

    reading = read(kept(make_scan_pdf([scanned()])), engine="rapidocr")

    assert [(note.code, note.retry) for note in reading.notes] == [(NoteCode.OCR_UNAVAILABLE, True)]


@pytest.mark.parametrize("answer", [{}, {"reading": {}}, {"reading": None}, {"wanted": ["x"]}])
def test_what_a_child_says_is_not_taken_on_trust(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(document_reading._parsers, "run", lambda *_: answer)

    assert read(kept(PDF)).status is ReadingStatus.FAILED


def test_a_page_as_large_as_a_house_is_drawn_small(kept: Kept, tmp_path: Path) -> None:
    large = PDF.replace(b"/MediaBox [0 0 595 842]", b"/MediaBox [0 0 14400 14400]")

    render_page(kept(large), 1, tmp_path / "page.jpg")

    with Image.open(tmp_path / "page.jpg") as picture:
        assert max(picture.size) == 1600
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


# --- Processes ------------------------------------------------------------------------------------


def test_no_secret_reaches_a_child(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "canary-of-the-environment")
    document_reading._parsers.close()
    count_pages(kept(PDF))

    (child,) = document_reading._parsers._started
    environment = Path(f"/proc/{child.pid}/environ").read_bytes()
    assert b"canary" not in environment
    assert {name.partition(b"=")[0] for name in environment.split(b"\0") if name} <= {
        b"PATH", b"PYTHONPATH", b"LD_LIBRARY_PATH", b"TMPDIR", b"LANG", b"MALLOC_ARENA_MAX",
        b"MALLOC_MMAP_THRESHOLD_", b"OMP_NUM_THREADS", b"OMP_THREAD_LIMIT",
        b"OPENBLAS_NUM_THREADS",
    }  # fmt: skip


def test_the_parent_loads_no_parser_and_the_children_no_django() -> None:
    script = """
import sys
def loaded():
    return {name.partition(".")[0] for name in sys.modules}
import proofs.readers.document_reading, proofs.checks.documents
parsers = {"PIL", "numpy", "pypdfium2", "cv2", "onnxruntime", "rapidocr", "lxml"}
assert not loaded() & (parsers | {"django"}), loaded() & parsers
import proofs.readers.parser_child
assert not loaded() & {"django", "celery", "psycopg", "cv2", "onnxruntime"}, "parser"
import proofs.readers.ocr_child
assert not loaded() & {"django", "celery", "psycopg"}, "engine"
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
