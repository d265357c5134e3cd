"""What OCR of one document may cost, and what is told of the pages that nobody got to."""

import functools
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from pytest_django.fixtures import Settings

from kobatela.embedded.sample_documents import make_scan_pdf
from proofs.readers import budget, document_reading
from proofs.readers.document_reading import OcrLost, read_document
from proofs.readers.documents.facts import NoteCode, Page, Reading, ReadingStatus, Source
from proofs.readers.documents.ocr import EngineName
from proofs.readers.documents.ocr import upright as upright_module
from proofs.readers.documents.ocr.base import WholePages
from proofs.readers.documents.ocr.rapid import RapidEngine
from proofs.readers.documents.ocr.upright import OutOfTime, read_upright
from proofs.readers.limits import OCR_BUDGET_S, OCR_LOADING_S, OCR_WALL_PER_CPU
from proofs.readers.process import ChildLost
from proofs.tests.readers.documents.paper import page as paper_page
from proofs.tests.readers.documents.test_ocr import Model

WHITE = Image.new("L", (200, 280), 255)
ROWS = (
    "Awa Bâtiment SARL, 12 rue du Marché, Abidjan",
    "Facture n° FA-2026-0117 du 01/03/2026",
    "Ciment, sacs de cinquante kilogrammes",
    "Total TTC       480,00 €",
)
Answer = dict[str, Any] | Exception


def an_answer(*, took_s: float, turned: int = 0) -> dict[str, Any]:
    page = replace(paper_page(*ROWS, source=Source.OCR, confidence=0.95), turned=turned)
    return {
        "page": page.to_json(),
        "version": "1",
        "took_s": took_s,
        "reading_s": took_s,
    }


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Let the engine give these answers; the requests that it gets, with the limits of each.

    What else is done takes no time.
    """
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: 0.0))

    def use(*answers: Answer) -> list[dict[str, Any]]:
        requests: list[dict[str, Any]] = []
        left = list(answers)

        def run(_job: str, arguments: dict[str, Any], **limits: Any) -> dict[str, Any]:
            requests.append({**arguments, **limits})
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            if "page" in answer:
                answer["page"]["number"] = arguments["number"]
            return answer

        monkeypatch.setattr(document_reading._engines, "run", run)
        return requests

    return use


def read(
    tmp_path: Path,
    *,
    pages: int,
    budget_s: float = 18.0,
    second: bool = False,
) -> Reading:
    path = tmp_path / "scan.pdf"
    path.write_bytes(make_scan_pdf([WHITE] * pages))
    return read_document(
        path,
        media_type="application/pdf",
        engine="rapidocr",
        ocr_max_pages=5,
        with_second=second,
        ocr_budget_s=budget_s,
    )


def codes(reading: Reading) -> list[tuple[NoteCode, bool]]:
    return [(note.code, note.retry) for note in reading.notes]


def test_no_page_is_begun_for_which_there_would_be_no_time(tmp_path: Path, asked: Any) -> None:
    requests = asked(an_answer(took_s=7.0), an_answer(took_s=7.0))

    reading = read(tmp_path, pages=4)

    assert [request["number"] for request in requests] == [1, 4], "the ends of a scan come first"
    assert codes(reading) == [(NoteCode.PAGES_NOT_READ, True)] * 2
    assert [note.pages for note in reading.notes] == [(2,), (3,)]
    assert (reading.pages_read, reading.pages_total) == (2, 4)
    assert reading.fields, "what was read is kept"
    assert [request["budget_s"] for request in requests] == [18.0, 11.0]
    assert requests[1]["cpu_s"] == 13 + OCR_LOADING_S
    assert requests[0]["timeout_s"] <= 18 * OCR_WALL_PER_CPU + OCR_LOADING_S


def test_a_scan_of_as_many_pages_as_are_read_gets_through_where_pages_are_quick(
    tmp_path: Path, asked: Any
) -> None:
    requests = asked(*[an_answer(took_s=3.0)] * 5)

    assert read(tmp_path, pages=5).notes == ()
    assert len(requests) == 5


def test_of_five_full_pages_the_first_and_the_last_are_read_by_default(
    tmp_path: Path, asked: Any
) -> None:
    requests = asked(*[an_answer(took_s=6.5)] * 2)

    reading = read(tmp_path, pages=5, budget_s=OCR_BUDGET_S)

    assert [request["number"] for request in requests] == [1, 5]
    assert [note.pages for note in reading.notes] == [(2,), (3,), (4,)]


def test_what_staff_ask_for_may_take_as_long_as_five_full_pages(
    tmp_path: Path, asked: Any, settings: Settings
) -> None:
    requests = asked(*[an_answer(took_s=11.0)] * 5)

    reading = read(tmp_path, pages=5, budget_s=settings.OCR_REREAD_SECONDS)

    assert [request["number"] for request in requests] == [1, 5, 2, 3, 4]
    assert (reading.notes, reading.pages_read) == ((), 5)


def test_what_the_parser_takes_comes_out_of_the_same_time(
    tmp_path: Path, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    parse = document_reading._parsers.run

    def slow(job: str, arguments: dict[str, Any], **limits: Any) -> Any:
        nonlocal now_s
        now_s += {"read_pdf": 5.0, "render_page": 2.0}.get(job, 0.0)
        return parse(job, arguments, **limits)

    monkeypatch.setattr(document_reading._parsers, "run", slow)
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: now_s))
    requests = asked(an_answer(took_s=3.0), an_answer(took_s=3.0))

    reading = read(tmp_path, pages=3, budget_s=17.0)

    assert [request["budget_s"] for request in requests] == [10.0, 5.0]
    assert codes(reading) == [(NoteCode.PAGES_NOT_READ, True)]


def test_both_engines_share_what_a_document_may_take(
    tmp_path: Path, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_reading, "_other_engine", lambda _: "tesseract")
    full, light = an_answer(took_s=8.0), an_answer(took_s=1.0)
    for answer in (full, light):
        answer["page"] = paper_page("Bonjour", source=Source.OCR, confidence=0.9).to_json()
    requests = asked(full, light)

    reading = read(tmp_path, pages=1, budget_s=12.0, second=True)

    assert [(request["engine"], request["number"]) for request in requests] == [
        ("rapidocr", 1),
        ("tesseract", 1),
    ]
    assert requests[1]["budget_s"] == 4.0
    assert reading.engine == "rapidocr+tesseract"


@pytest.mark.parametrize(
    "end", [OcrLost(ChildLost("cpu")), {"is_late": True, "version": "1", "took_s": 17.9}]
)
def test_a_page_that_takes_all_the_time_is_the_last_and_no_trouble_of_the_engine(
    tmp_path: Path, asked: Any, monkeypatch: pytest.MonkeyPatch, end: Answer
) -> None:
    monkeypatch.setattr(document_reading, "_other_engine", lambda _: "tesseract")
    requests = asked(end)

    reading = read(tmp_path, pages=3, second=True)

    assert [(request["number"], request["engine"]) for request in requests] == [(1, "rapidocr")]
    assert codes(reading) == [(NoteCode.PAGES_NOT_READ, True)] * 3
    assert (reading.status, reading.fields) == (ReadingStatus.EMPTY, {})


def test_an_engine_that_hangs_is_asked_for_no_other_page(tmp_path: Path, asked: Any) -> None:
    requests = asked(OcrLost(ChildLost("time")))

    reading = read(tmp_path, pages=2)

    assert len(requests) == 1
    assert codes(reading) == [(NoteCode.OCR_FAILED, True), (NoteCode.PAGES_NOT_READ, True)]


def test_a_page_that_breaks_the_engine_takes_no_other_page_with_it(
    tmp_path: Path, asked: Any
) -> None:
    requests = asked(OcrLost(ChildLost("memory")), an_answer(took_s=1.0))

    reading = read(tmp_path, pages=2)

    assert len(requests) == 2
    assert codes(reading) == [(NoteCode.OCR_FAILED, False)]


def test_how_one_page_lay_is_tried_first_with_the_next(tmp_path: Path, asked: Any) -> None:
    requests = asked(an_answer(took_s=1.0, turned=270), an_answer(took_s=1.0, turned=270))

    read(tmp_path, pages=2)

    assert [request["turn"] for request in requests] == [0, 270]


@pytest.mark.parametrize("took_s", [-1, float("nan"), "1", None])
def test_what_an_engines_child_says_of_its_time_is_not_taken_on_trust(
    tmp_path: Path, asked: Any, took_s: Any
) -> None:
    asked(an_answer(took_s=1.0) | {"took_s": took_s})

    assert read(tmp_path, pages=1).status is ReadingStatus.FAILED


# --- Turning --------------------------------------------------------------------------------------


class Slow(WholePages):
    """Takes 5 seconds for a page, and reads it where it stands as `well_at` says."""

    name = EngineName.RAPIDOCR
    version = "1"

    def __init__(self, well_at: int | None = None) -> None:
        self.well_at = well_at
        self.now_s = 0.0
        self.corners: list[int] = []

    def read(self, picture: Image.Image, *, number: int) -> Page:
        self.now_s += 5.0
        turn = corner_of(picture)
        self.corners.append(turn)
        confidence = 0.95 if turn == self.well_at else 0.6
        page = paper_page(*ROWS, number=number, source=Source.OCR, confidence=confidence)
        return replace(page, confidence=confidence)


def marked() -> Image.Image:
    """A page with a black corner at the top left, by which it tells how it was turned."""
    picture = Image.new("L", (40, 60), 255)
    picture.paste(0, (0, 0, 5, 5))
    return picture


@functools.cache
def _corners() -> dict[tuple[bool, bool], int]:
    return {(True, True): 0, (True, False): 90, (False, False): 180, (False, True): 270}


def corner_of(picture: Image.Image) -> int:
    """By how many degrees, against the clock, the marked page lies turned."""
    dark = next(
        (left, top)
        for left in (True, False)
        for top in (True, False)
        if picture.getpixel((1 if left else picture.width - 2, 1 if top else picture.height - 2))
        == 0
    )
    return _corners()[dark]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Slow:
    slow = Slow()
    monkeypatch.setattr(upright_module, "cpu_time_s", lambda: slow.now_s)
    return slow


@pytest.mark.parametrize(("budget_s", "readings"), [(9.0, 1), (14.0, 2), (15.0, 3), (99.0, 4)])
def test_a_page_is_turned_only_while_there_is_time(
    engine: Slow, budget_s: float, readings: int
) -> None:
    read = read_upright(engine, marked(), number=1, budget_s=budget_s)

    assert len(engine.corners) == readings
    assert read.page.words, "the first reading is not lost to the others"
    assert (read.page.turned, read.reading_s) == (0, 5.0)


def test_a_page_that_lies_like_the_one_before_is_read_once(engine: Slow) -> None:
    engine.well_at = 90

    read = read_upright(engine, marked(), number=2, turn=90)

    assert engine.corners == [90]
    assert read.page.turned == 90


def test_a_page_that_lies_otherwise_than_the_one_before_is_found_all_the_same(
    engine: Slow,
) -> None:
    engine.well_at = 270

    read = read_upright(engine, marked(), number=2, turn=90)

    assert engine.corners == [90, 270]
    assert read.page.turned == 270


def test_a_page_on_which_there_is_nothing_is_not_turned() -> None:
    engine = RapidEngine()
    looked_at = []

    class Blank(Model):
        def detect_and_crop(self, pixels: Any, record: Any) -> tuple[list[Any], Any]:
            looked_at.append(pixels.shape)
            return super().detect_and_crop(pixels, record)

    engine._model = Blank(0, 0)

    assert read_upright(engine, marked(), number=1).page.words == ()
    assert len(looked_at) == 1


class Endless(Slow):
    """Reads its first pages badly, and computes for ever at the next one."""

    def __init__(self, *, bad: int) -> None:
        super().__init__()
        self.bad = bad

    def read(self, picture: Image.Image, *, number: int) -> Page:
        if len(self.corners) < self.bad:
            return super().read(picture, number=number)
        while True:
            pass


def test_a_reading_that_does_not_end_is_interrupted_and_the_one_before_it_kept() -> None:
    before = signal.getsignal(signal.SIGPROF)

    read = read_upright(Endless(bad=1), marked(), number=1, budget_s=0.2)

    assert read.page.words
    with pytest.raises(OutOfTime):
        read_upright(Endless(bad=0), marked(), number=1, budget_s=0.1)
    assert signal.getsignal(signal.SIGPROF) == before
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


@pytest.mark.parametrize(("confidence", "tried"), [(0.95, [0, 90]), (0.6, [0, 270, 90])])
def test_which_way_runs_that_stand_are_turned_first_is_told_by_how_they_were_read(
    engine: Slow, monkeypatch: pytest.MonkeyPatch, confidence: float, tried: list[int]
) -> None:
    engine.well_at = 90
    lying = engine.read

    def standing(picture: Image.Image, *, number: int) -> Page:
        page = lying(picture, number=number)
        if corner_of(picture) != 0:
            return page
        words = [
            replace(word, x1=word.x0 + 0.01, y1=min(1.0, word.y0 + 0.5)) for word in page.words
        ]
        return replace(page, words=tuple(words), confidence=confidence)

    monkeypatch.setattr(engine, "read", standing)

    assert read_upright(engine, marked(), number=1).page.turned == 90
    assert engine.corners == tried
