"""The OCR engines on a page of our own making, straight and crooked, bright and in shadow."""

import importlib.util
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from proofs.readers.documents.facts import FieldName, Page, Source
from proofs.readers.documents.fields import extract
from proofs.readers.documents.ocr import EngineName, OcrError, get_engine, tesseract
from proofs.readers.documents.ocr.base import page_of
from proofs.readers.documents.ocr.prepare import flatten, prepare, tilt_degrees
from proofs.readers.documents.ocr.rapid import SAMPLE_RUNS, DetectedPage, RapidEngine
from proofs.readers.documents.ocr.tesseract import TesseractEngine
from proofs.readers.documents.ocr.tesseract_library import LibraryFailed, library
from proofs.readers.documents.ocr.upright import read_upright
from proofs.tests.readers.documents import paper

INVOICE = (
    ("Awa Batiment SARL", ""),
    ("Facture no FA-2026-0117", "Date 01/03/2026"),
    ("Ciment 50 kg", "400,00"),
    ("Total HT", "400,00"),
    ("TVA 20%", "80,00"),
    ("Total TTC", "480,00"),
)
needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="tesseract is not installed here"
)


def photo(
    rows: Sequence[tuple[str, str]], *, degrees: float = 0.0, shadow: float = 0.0
) -> Image.Image:
    """Draw a page of 1000 by 700 pixels; `degrees` lets its lines fall to the right."""
    sheet = Image.new("L", (1000, 700), 250)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=30)
    for down, (label, value) in enumerate(rows):
        draw.text((100, 100 + 70 * down), label, fill=20, font=font)
        draw.text((620, 100 + 70 * down), value, fill=20, font=font)
    turned = sheet.rotate(-degrees, resample=Image.Resampling.BICUBIC, fillcolor=250)
    dark = np.linspace(1.0, 1.0 - shadow, turned.width)[None, :]
    return Image.fromarray((np.asarray(turned) * dark).astype(np.uint8)).convert("RGB")


def values(page: Page) -> dict[str, str]:
    return {name.value: field.value for name, field in extract([page]).items()}


def expect_the_invoice(page: Page, number: int) -> None:
    assert (page.number, page.source) == (number, Source.OCR)
    read = values(page)
    assert {name: read.get(name) for name in ("total", "net", "tax", "date", "number")} == {
        "total": "480.00",
        "net": "400.00",
        "tax": "80.00",
        "date": "2026-03-01",
        "number": "FA-2026-0117",
    }
    assert page.confidence is not None
    assert page.confidence > 0.8
    box = extract([page])[FieldName.TOTAL].box
    assert box is not None
    assert box.x0 == pytest.approx(0.62, abs=0.05)
    assert box.y0 == pytest.approx(0.64, abs=0.08)


@pytest.mark.parametrize("degrees", [0.0, 3.0])
def test_rapidocr_reads_a_crooked_page(degrees: float) -> None:
    engine = get_engine("rapidocr")
    page = engine.read(photo(INVOICE, degrees=degrees), number=3)
    expect_the_invoice(page, 3)
    assert (page.width, page.height) == (1000, 700)
    assert page.tilt == pytest.approx(np.tan(np.radians(degrees)) * 1000 / 700, abs=0.02)
    assert engine.version.startswith("3.")


def test_rapidocr_read_run_by_run_gives_what_its_library_gives_in_one_call() -> None:
    picture = photo(INVOICE, degrees=1.0)
    engine = RapidEngine()
    engine.load()
    whole = engine._model(np.asarray(picture)[:, :, ::-1].copy())

    page = engine.read(picture, number=1)

    assert [word.text for word in page.words] == list(whole.txts)
    assert [word.confidence for word in page.words] == pytest.approx(list(whole.scores), abs=1e-4)
    assert [(word.x0, word.y1) for word in page.words] == [
        pytest.approx((min(box[:, 0]) / 1000, max(box[:, 1]) / 700), abs=1e-4)
        for box in whole.boxes
    ]


class Model:
    """Finds `count` runs, each wider than the one before, and reads so many letters from each."""

    def __init__(self, count: int, letters: int) -> None:
        self.crops = [np.zeros((10, 20 + width, 3)) for width in range(count)]
        self.letters = letters
        self.read: list[int] = []

    def preprocess_img(self, pixels: Any) -> tuple[Any, dict[str, Any]]:
        return pixels, {}

    def detect_and_crop(self, _pixels: Any, _record: Any) -> tuple[list[Any], Any]:
        return self.crops, SimpleNamespace(boxes=np.zeros((len(self.crops), 4, 2)))

    def recognize_txt(self, runs: Sequence[Any]) -> Any:
        (run,) = runs
        self.read.append(run.shape[1] - 20)
        return SimpleNamespace(txts=["x" * self.letters], scores=[0.9])


@pytest.mark.parametrize(("letters", "sampled"), [(20, 8), (3, 20)])
def test_a_sample_is_the_longest_runs_until_they_have_letters_enough(
    letters: int, sampled: int
) -> None:
    model = Model(30, letters)
    page = DetectedPage(model, Image.new("RGB", (90, 90)), 1)

    sample = page.sample()

    assert model.read == list(range(29, 29 - sampled, -1))
    assert len(sample.words) == sampled
    assert len(page.read().words) == 30
    assert sorted(model.read) == list(range(30)), "none is read twice"


@pytest.mark.parametrize("degrees", [90, 180])
def test_rapidocr_reads_only_a_sample_of_a_page_that_lies_wrong_before_it_is_turned(
    monkeypatch: pytest.MonkeyPatch, degrees: int
) -> None:
    engine = RapidEngine()
    engine.load()
    model = engine._model
    recognize, reads = model.recognize_txt, []

    def recognize_one(runs: Sequence[Any]) -> Any:
        reads.append(len(runs))
        return recognize(runs)

    monkeypatch.setattr(model, "recognize_txt", recognize_one)

    page = read_upright(engine, photo(INVOICE).rotate(degrees, expand=True), number=1).page

    expect_the_invoice(replace(page, turned=0), 1)
    assert page.turned == 360 - degrees
    assert set(reads) == {1}
    assert len(page.words) <= len(reads) <= len(page.words) + 2 * SAMPLE_RUNS


def test_rapidocr_finds_nothing_on_a_blank_page() -> None:
    page = get_engine("rapidocr").read(Image.new("RGB", (600, 400), "white"), number=1)
    assert (page.words, page.confidence) == ((), None)


@needs_tesseract
@pytest.mark.parametrize(("degrees", "shadow"), [(0.0, 0.0), (-3.0, 0.0), (2.0, 0.7)])
def test_tesseract_reads_a_crooked_page_in_shadow(degrees: float, shadow: float) -> None:
    engine = get_engine("tesseract")
    page = engine.read(photo(INVOICE, degrees=degrees, shadow=shadow), number=2)
    expect_the_invoice(page, 2)
    assert engine.version


def test_a_page_is_made_even_and_straight_before_tesseract_sees_it() -> None:
    crooked = photo(INVOICE, degrees=2.5, shadow=0.8)
    pixels = np.asarray(crooked.convert("L"))
    assert np.percentile(pixels[:, -50:], 90) < 80, "the right edge is dark"
    assert np.percentile(flatten(pixels)[:, -50:], 50) > 240, "and white afterwards"
    assert tilt_degrees(flatten(pixels)) == pytest.approx(2.5, abs=0.3)
    prepared, degrees = prepare(crooked)
    assert degrees == pytest.approx(2.5, abs=0.3)
    assert tilt_degrees(np.asarray(prepared)) == pytest.approx(0.0, abs=0.3)
    assert prepare(photo(INVOICE))[1] == 0.0, "what is straight is left alone"


def test_engines_are_known_by_name() -> None:
    assert get_engine("rapidocr") is get_engine("rapidocr")
    assert [get_engine(name).name for name in EngineName] == list(EngineName)
    with pytest.raises(ValueError, match="abbyy"):
        get_engine("abbyy")


def test_no_engine_reads_nothing_and_says_what_to_do() -> None:
    with pytest.raises(OcrError) as refused:
        get_engine("none").read(Image.new("RGB", (10, 10)), number=4)
    assert (refused.value.retry, refused.value.is_available) == (False, False)
    assert "INVOICE_OCR_PROVIDER" in refused.value.hint


def test_words_of_which_the_engine_is_unsure_are_left_out() -> None:
    made = paper.page("Total", source=Source.OCR, confidence=0.59)
    sure = paper.page("Total", source=Source.OCR, confidence=0.6)
    page = page_of(Image.new("L", (10, 10)), (*made.words, *sure.words), number=1)
    assert page.words == sure.words
    assert page.confidence == 0.6


def error_of(engine: RapidEngine | TesseractEngine) -> OcrError:
    with pytest.raises(OcrError) as failed:
        engine.read(photo(INVOICE), number=1)
    assert failed.value.hint
    return failed.value


def test_rapidocr_that_is_not_installed_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rapidocr", None)
    error = error_of(RapidEngine())
    assert (error.retry, error.is_available) == (True, False)


def test_rapidocr_that_gives_up_on_a_page_is_not_asked_again() -> None:
    class GivesUp:
        def preprocess_img(self, _: object) -> Any:
            raise RuntimeError("onnx")

    engine = RapidEngine()
    engine._model = GivesUp()
    error = error_of(engine)
    assert (error.retry, error.is_available) == (False, True)
    assert "onnx" not in error.message, "the library's words are not ours"


@pytest.fixture
def fake_tesseract(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(tesseract, "_version", lambda: "5.3.0")
    monkeypatch.setattr(tesseract, "_languages", lambda: "eng")
    monkeypatch.setattr(tesseract, "library", lambda *_: None)
    return monkeypatch


def test_tesseract_that_is_not_installed_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tesseract, "_version", lambda: "")
    error = error_of(TesseractEngine())
    assert (error.retry, error.is_available) == (True, False)
    assert "Install" in error.hint


@pytest.mark.parametrize(
    ("outcome", "retry", "is_available"),
    [
        (subprocess.TimeoutExpired("tesseract", 60), True, True),
        (OSError("no program"), True, False),
        (subprocess.CompletedProcess([], 1, b"", b""), False, True),
    ],
    ids=["slow", "missing", "failed"],
)
def test_tesseracts_errors_say_whether_to_try_again(
    fake_tesseract: pytest.MonkeyPatch,
    outcome: Exception | subprocess.CompletedProcess[bytes],
    *,
    retry: bool,
    is_available: bool,
) -> None:
    def run(*_: object, **__: object) -> subprocess.CompletedProcess[bytes]:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    fake_tesseract.setattr(subprocess, "run", run)
    error = error_of(TesseractEngine())
    assert (error.retry, error.is_available) == (retry, is_available)


@needs_tesseract
def test_tesseracts_library_gives_word_for_word_what_its_program_gives() -> None:
    page, _ = prepare(photo(INVOICE))
    loaded = library("fra+eng", 4)
    assert loaded is not None, "the package of the program brings the library"

    assert loaded.read(page, dpi=200) == tesseract._run(page, 1)


def test_a_library_that_gives_up_on_a_page_is_not_asked_again(
    fake_tesseract: pytest.MonkeyPatch,
) -> None:
    class GivesUp:
        def read(self, *_: object, **__: object) -> str:
            raise LibraryFailed

    fake_tesseract.setattr(tesseract, "library", lambda *_: GivesUp())
    error = error_of(TesseractEngine())
    assert (error.retry, error.is_available) == (False, True)


def test_the_models_of_the_default_engine_are_in_its_package() -> None:
    spec = importlib.util.find_spec("rapidocr")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    from pathlib import Path

    models = Path(spec.submodule_search_locations[0]) / "models"
    assert {path.name[:8] for path in models.glob("*.onnx")} >= {"PP-OCRv6"}
