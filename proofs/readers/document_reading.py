"""Reads documents in child processes with limits; the public face of the readers for documents.

As with pictures (`pool`), a document that is damaged or drives its child into a limit is a
`ReaderRefusal`, and the next one is read as if nothing had been. What OCR cannot read is a note in
the reading, never an error.

A document has a budget for all of its pages. The first page that is too much ends the reading;
pages that nobody got to are for a person to look at.
"""

import atexit
import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from proofs.readers import pool
from proofs.readers.budget import Budget
from proofs.readers.documents.facts import (
    MAX_PAGES,
    Note,
    NoteCode,
    Page,
    Reading,
    ReadingStatus,
)
from proofs.readers.documents.second import combine, is_doubtful
from proofs.readers.documents.untrusted import take_number
from proofs.readers.errors import ReaderRefusal, ReaderUnavailable, document_unreadable
from proofs.readers.limits import (
    DERIVATIVE_SIDE_PX,
    OCR_BUDGET_S,
    OCR_GRACE_S,
    OCR_LEAST_S,
    OCR_LIMITS,
    OCR_LOADING_S,
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
    """A page cost the engine its process.

    `may_retry`: it took all the time that there was, and the machine may have been at fault.
    `is_page`: it took all the CPU time, so there is too much on the page, and nothing hung.
    """

    def __init__(self, lost: ChildLost) -> None:
        """Keep whether another time may be better, and what it says of the pages behind it."""
        super().__init__(str(lost))
        self.may_retry = lost.reason == "time"
        self.is_page = lost.reason == "cpu"


class ParserLost(ReaderRefusal):
    """A document cost its parser its process: a refusal at the door.

    `may_retry`: it took too long, which says less of a document that passed the door before.
    """

    def __init__(self, lost: ChildLost) -> None:
        """Refuse it as damaged."""
        refusal = document_unreadable()
        super().__init__(refusal.code, refusal.message, refusal.hint)
        self.may_retry = lost.reason in {"cpu", "time"}


_parsers = ReaderPool(
    module="proofs.readers.parser_child",
    limits=PARSER_LIMITS,
    timeout_s=PARSER_TIMEOUT_S,
    when_lost=ParserLost,
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
    ocr_budget_s: float = OCR_BUDGET_S,
) -> Reading:
    """Read a PDF, or a picture of a page: its e-invoice, its text, and by OCR what has no text.

    `engine` is `rapidocr`, `tesseract` or `none`; at most `ocr_max_pages` pages are read by it, and
    none is begun that would take the reading beyond `ocr_budget_s` seconds of CPU time.
    `with_second`: what that leaves in doubt is read by the other engine as well, if it is there,
    within the same time. `country` decides what FCFA means (see `documents.fields.extract`). A
    document that cannot be parsed gives a reading with the status `failed` and no fields.

    Raises ReaderUnavailable where reading does not work at all, and FileNotFoundError where there
    is no such file.
    """
    path = path.resolve(strict=True)
    ocr = _Ocr(engine, Budget(ocr_budget_s))
    try:
        with tempfile.TemporaryDirectory() as folder:
            if media_type == PDF:
                found = _read_pdf(path, Path(folder), ocr, ocr_max_pages, country)
            else:
                found = _read_picture(path, Path(folder), ocr, media_type)
            if isinstance(found, Reading):
                return found
            return _of_pages(found, ocr, country, with_second=with_second)
    except ParserLost as lost:
        return _unreadable(media_type, _TOOK_TOO_LONG if lost.may_retry else ())
    except ReaderRefusal:
        return _unreadable(media_type)
    except (KeyError, TypeError, ValueError):
        # A child that handled hostile bytes said something that is no reading.
        return _unreadable(media_type)


def _read_pdf(
    path: Path, folder: Path, ocr: "_Ocr", ocr_max_pages: int, country: str | None
) -> Reading | Mapping[str, Any]:
    """Give the reading of a PDF that needs no OCR, else what was read of it besides."""
    asked = {
        "path": str(path),
        "engine": ocr.engine,
        "ocr_max_pages": ocr_max_pages,
        "country": country,
    }
    with ocr.budget.counting():
        found = _parsers.run("read_pdf", asked)
    if "reading" in found:
        return Reading.from_json(found["reading"])
    for number in _by_weight([int(number) for number in found["wanted"]][:ocr_max_pages]):
        picture = folder / f"{number}.png"
        if ocr.may_begin(number) and _draw(path, number, picture, ocr):
            ocr.read(picture, number)
    parts: Mapping[str, Any] = found["parts"]
    return parts


def _by_weight(numbers: Sequence[int]) -> list[int]:
    """Give page numbers in the order in which they matter where time ends before the pages do.

    Who sells stands on the first page, totals and accounts on the last.
    """
    return [*numbers[:1], *numbers[1:][-1:], *numbers[1:-1]]


def _draw(path: Path, number: int, picture: Path, ocr: "_Ocr") -> bool:
    """Draw a page for OCR; say whether that went well."""
    try:
        with ocr.budget.counting():
            render_page(path, number, picture, None)
    except ReaderRefusal:
        ocr.note(NoteCode.PAGE_NOT_RENDERED, f"Page {number} cannot be drawn.", pages=(number,))
        return False
    return True


def _read_picture(path: Path, folder: Path, ocr: "_Ocr", media_type: str) -> Mapping[str, Any]:
    if ocr.engine != NO_ENGINE and ocr.may_begin(1):
        picture = folder / "page.jpg"
        pool.render_derivative(path, picture, OCR_SIDE_PX)
        ocr.read(picture, 1)
    return {"media_type": media_type, "text_pages": [], "xml_fields": {}, "notes": []}


def _of_pages(
    parts: Mapping[str, Any], ocr: "_Ocr", country: str | None, *, with_second: bool
) -> Reading:
    """Make the reading of the pages read so far, and let the other engine read what is in doubt."""
    reading = _put_together(parts, ocr, country)
    other = _other_engine(ocr.engine) if with_second and ocr.pictures else None
    if other is None or not is_doubtful(reading):
        return reading
    again = _Ocr(other, ocr.budget)
    for picture, number in ocr.pictures:
        if again.may_begin(number):
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
    """The pages that one document has given to an engine, within what the document may cost."""

    def __init__(self, engine: str, budget: Budget) -> None:
        self.engine = engine
        self.budget = budget
        self.version = ""
        self.pictures: list[tuple[Path, int]] = []
        self.pages: list[dict[str, Any]] = []
        self.notes: list[Note] = []
        # What earlier pages of the document say of the next one.
        self._turn = 0
        self._longest_s = 0.0

    def may_begin(self, number: int) -> bool:
        """Whether there is time for another page; it is noted where there is none."""
        if self.budget.allows(self._longest_s):
            return True
        self._note_not_read(number)
        return False

    def read(self, picture: Path, number: int) -> None:
        """Read one page; what does not work is noted."""
        self.pictures.append((picture, number))
        asked = {
            "path": str(picture),
            "number": number,
            "engine": self.engine,
            "turn": self._turn,
            "budget_s": self.budget.left_s,
        }
        try:
            answer = _engines.run(
                "read_page",
                asked,
                timeout_s=max(OCR_LEAST_S, self.budget.wall_left_s) + OCR_LOADING_S,
                cpu_s=max(1, math.ceil(self.budget.left_s + OCR_GRACE_S + OCR_LOADING_S)),
            )
        except OcrLost as lost:
            self._note_lost(lost, number)
            return
        except ReaderUnavailable:
            self.note(NoteCode.OCR_UNAVAILABLE, "The engine does not start.", retry=True)
            return
        self.version = str(answer["version"])[:100]
        self.budget.take(_seconds(answer["took_s"]))
        if answer.get("is_late"):
            self._end(number)
            return
        if "note" in answer:
            self.notes.append(Note.from_json(answer["note"]))
            return
        page = Page.from_json(answer["page"])
        self.pages.append(page.to_json())
        self._turn = page.turned
        self._longest_s = max(self._longest_s, _seconds(answer["reading_s"]))

    def note(
        self, code: NoteCode, message: str, *, retry: bool = True, pages: tuple[int, ...] = ()
    ) -> None:
        """Remark on what did not work."""
        self.notes.append(Note(code=code, message=message, retry=retry, pages=pages))

    def _note_lost(self, lost: OcrLost, number: int) -> None:
        if lost.is_page:
            self._end(number)
            return
        if lost.may_retry:
            self.budget.end()
        message = f"The engine was lost over page {number}."
        self.note(NoteCode.OCR_FAILED, message, retry=lost.may_retry, pages=(number,))

    def _end(self, number: int) -> None:
        """Begin no other page: the next one would most likely go the same way."""
        self.budget.end()
        self._note_not_read(number)

    def _note_not_read(self, number: int) -> None:
        message = f"Page {number} was not read for lack of time."
        self.note(NoteCode.PAGES_NOT_READ, message, pages=(number,))


def _seconds(data: object) -> float:
    return take_number(data, at_least=0, at_most=3600)


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


_TOOK_TOO_LONG = (
    Note(code=NoteCode.PAGES_NOT_READ, message="The document took too long.", retry=True),
)


def _unreadable(media_type: str, notes: tuple[Note, ...] = ()) -> Reading:
    return Reading(
        media_type=media_type,
        pages_total=0,
        pages_read=0,
        engine="text",
        engine_version="",
        status=ReadingStatus.FAILED,
        notes=notes,
    )
