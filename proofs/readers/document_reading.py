"""Reads documents in child processes with limits; the public face of the readers for documents.

As with pictures (`pool`), a document that is damaged or drives its child into a limit is a
`ReaderRefusal`, and the next one is read as if nothing had been. What OCR cannot read is a note in
the reading, never an error.
"""

import atexit
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from proofs.readers import pool
from proofs.readers.documents.facts import (
    MAX_PAGES,
    Note,
    NoteCode,
    Page,
    Reading,
    ReadingStatus,
)
from proofs.readers.documents.second import combine, is_doubtful
from proofs.readers.errors import ReaderRefusal, ReaderUnavailable, document_unreadable
from proofs.readers.limits import (
    DERIVATIVE_SIDE_PX,
    OCR_BUDGET_S,
    OCR_LIMITS,
    OCR_SIDE_PX,
    OCR_TIMEOUT_S,
    PARSER_LIMITS,
    PARSER_TIMEOUT_S,
    part_path,
)
from proofs.readers.pool import ReaderPool
from proofs.readers.process import ChildLost

PDF = "application/pdf"
NO_ENGINE = "none"


class OcrLost(Exception):
    """A page cost the engine its process. `may_retry`: the machine may have been at fault."""

    def __init__(self, lost: ChildLost) -> None:
        """Keep whether another time may be better."""
        super().__init__(str(lost))
        self.may_retry = lost.reason == "time"


def _refusal(_lost: ChildLost) -> ReaderRefusal:
    return document_unreadable()


_parsers = ReaderPool(
    module="proofs.readers.parser_child",
    limits=PARSER_LIMITS,
    timeout_s=PARSER_TIMEOUT_S,
    when_lost=_refusal,
)
# One page at a time: an engine takes much memory, and a core for itself.
_engines = ReaderPool(
    module="proofs.readers.ocr_child",
    limits=OCR_LIMITS,
    timeout_s=OCR_TIMEOUT_S,
    children=1,
    jobs_per_child=100,
    when_lost=OcrLost,
)
atexit.register(_parsers.close)
atexit.register(_engines.close)


def count_pages(path: Path) -> int:
    """Parse a PDF, all of it, and give the number of its pages.

    Raises ReaderRefusal (PDF_ENCRYPTED, FILE_TOO_LARGE above 30 pages, FILE_UNREADABLE),
    ReaderUnavailable where reading does not work at all, and FileNotFoundError where there is no
    such file.
    """
    result = _parsers.run("count_pages", {"path": str(path.resolve(strict=True))})
    pages = result.get("pages") if isinstance(result, dict) else None
    if type(pages) is not int or not 1 <= pages <= MAX_PAGES:
        raise document_unreadable()
    return pages


def render_page(
    path: Path, number: int, out_path: Path, max_side_px: int | None = DERIVATIVE_SIDE_PX
) -> None:
    """Draw page `number` (from 1) of a PDF into a JPEG, no side longer than `max_side_px`.

    Without a limit it is drawn as for OCR, and in PNG. `out_path` appears whole or not at all; a
    file there is replaced. Raises as `count_pages` does, and ReaderUnavailable where `out_path`
    cannot be written.
    """
    out_path = out_path.absolute()
    try:
        _parsers.run(
            "render_page",
            {
                "path": str(path.resolve(strict=True)),
                "number": number,
                "out_path": str(out_path),
                "max_side_px": max_side_px,
            },
        )
    finally:
        # A child that is killed while it writes leaves the part that it has written.
        part_path(out_path).unlink(missing_ok=True)


def read_document(
    path: Path,
    *,
    media_type: str,
    engine: str,
    ocr_max_pages: int,
    country: str | None = None,
    with_second: bool = False,
) -> Reading:
    """Read a PDF, or a picture of a page: its e-invoice, its text, and by OCR what has no text.

    `engine` is `rapidocr`, `tesseract` or `none`; at most `ocr_max_pages` pages are read by it.
    `with_second`: what that leaves in doubt is read by the other engine as well, if it is there,
    within the same time. `country` decides what FCFA means (see `documents.fields.extract`). A
    document that cannot be parsed gives a reading with the status `failed` and no fields.

    Raises ReaderUnavailable where reading does not work at all, and FileNotFoundError where there
    is no such file.
    """
    path = path.resolve(strict=True)
    try:
        if media_type == PDF:
            return _read_pdf(path, engine, ocr_max_pages, country, with_second=with_second)
        return _read_picture(path, media_type, engine, country, with_second=with_second)
    except ReaderRefusal:
        return _unreadable(media_type)
    except (KeyError, TypeError, ValueError):
        # A child that handled hostile bytes said something that is no reading.
        return _unreadable(media_type)


def _read_pdf(
    path: Path, engine: str, ocr_max_pages: int, country: str | None, *, with_second: bool
) -> Reading:
    asked = {
        "path": str(path),
        "engine": engine,
        "ocr_max_pages": ocr_max_pages,
        "country": country,
    }
    found = _parsers.run("read_pdf", asked)
    if "reading" in found:
        return Reading.from_json(found["reading"])
    wanted = [int(number) for number in found["wanted"]][:ocr_max_pages]
    ocr = _Ocr(engine)
    pictures: list[tuple[Path, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in wanted:
            picture = Path(folder) / f"{number}.png"
            try:
                render_page(path, number, picture, None)
            except ReaderRefusal:
                ocr.note(NoteCode.PAGE_NOT_RENDERED, f"Page {number} cannot be drawn.")
                continue
            pictures.append((picture, number))
        return _of_pictures(found["parts"], pictures, ocr, country, with_second=with_second)


def _read_picture(
    path: Path, media_type: str, engine: str, country: str | None, *, with_second: bool
) -> Reading:
    ocr = _Ocr(engine)
    pictures: list[tuple[Path, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        if engine != NO_ENGINE:
            picture = Path(folder) / "page.jpg"
            pool.render_derivative(path, picture, OCR_SIDE_PX)
            pictures.append((picture, 1))
        parts = {"media_type": media_type, "text_pages": [], "xml_fields": {}, "notes": []}
        return _of_pictures(parts, pictures, ocr, country, with_second=with_second)


def _of_pictures(
    parts: Mapping[str, Any],
    pictures: Sequence[tuple[Path, int]],
    ocr: "_Ocr",
    country: str | None,
    *,
    with_second: bool,
) -> Reading:
    """Read the pictures of pages, and what leaves doubt by the other engine as well."""
    for picture, number in pictures:
        ocr.read(picture, number)
    reading = _put_together(parts, ocr, country)
    other = _other_engine(ocr.engine) if with_second and pictures else None
    if other is None or not is_doubtful(reading):
        return reading
    again = _Ocr(other, ends_at=ocr.ends_at)
    for picture, number in pictures:
        again.read(picture, number)
    try:
        return combine(reading, _put_together(parts, again, country))
    except (ReaderRefusal, KeyError, TypeError, ValueError):
        # One good reading is not lost for the other's sake.
        return reading


def _other_engine(engine: str) -> str | None:
    """The engine that can read what `engine` leaves in doubt; None where it is not installed."""
    if engine == "rapidocr":
        return "tesseract" if shutil.which("tesseract") else None
    if engine == "tesseract":
        return "rapidocr" if find_spec("rapidocr") else None
    return None


class _Ocr:
    """The pages that one document has given to an engine, within the time that it may take."""

    def __init__(self, engine: str, ends_at: float | None = None) -> None:
        self.engine = engine
        self.version = ""
        self.pages: list[dict[str, Any]] = []
        self.notes: list[Note] = []
        self.ends_at = time.monotonic() + OCR_BUDGET_S if ends_at is None else ends_at

    def read(self, picture: Path, number: int) -> None:
        """Read one page; what does not work is noted."""
        if time.monotonic() > self.ends_at:
            self.note(NoteCode.PAGES_NOT_READ, f"Page {number} was not read for lack of time.")
            return
        asked = {"path": str(picture), "number": number, "engine": self.engine}
        try:
            answer = _engines.run("read_page", asked)
        except OcrLost as lost:
            message = f"The engine was lost over page {number}."
            self.note(NoteCode.OCR_FAILED, message, retry=lost.may_retry)
            return
        except ReaderUnavailable:
            self.note(NoteCode.OCR_UNAVAILABLE, "The engine does not start.", retry=True)
            return
        self.version = str(answer["version"])[:100]
        if "note" in answer:
            self.notes.append(Note.from_json(answer["note"]))
        else:
            self.pages.append(Page.from_json(answer["page"]).to_json())

    def note(self, code: NoteCode, message: str, *, retry: bool = True) -> None:
        """Remark on what did not work."""
        self.notes.append(Note(code=code, message=message, retry=retry))


def _put_together(parts: Mapping[str, Any], ocr: _Ocr, country: str | None) -> Reading:
    asked = {
        "parts": parts,
        "ocr_pages": ocr.pages,
        "ocr_notes": [note.to_json() for note in ocr.notes],
        "engine": ocr.engine,
        "engine_version": ocr.version,
        "country": country,
    }
    return Reading.from_json(_parsers.run("put_together", asked)["reading"])


def _unreadable(media_type: str) -> Reading:
    return Reading(
        media_type=media_type,
        pages_total=0,
        pages_read=0,
        engine="text",
        engine_version="",
        status=ReadingStatus.FAILED,
    )
