"""RapidOCR: PP-OCR models on ONNX Runtime. Comes as wheels, models included; downloads nothing.

The settings are those with which it read best and in least memory: without the classifier that
turns some long lines upside down, with pictures of at most 1280 pixels (1.0 GB instead of 1.5), and
one run at a time: runs read together are padded to the longest, which took a quarter more time, and
1.0 GB instead of 0.6.
"""

import importlib.metadata
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from proofs.readers.documents.facts import MAX_WORD_CHARS, Page, Word
from proofs.readers.documents.ocr.base import LEAST_LETTERS, EngineName, OcrError, page_of

MAX_SIDE_PX = 1280
# One thread each: as many children run as there are cores.
THREADS = 1
# Runs of fewer letters have boxes too short to tell how the page is tilted.
MIN_CHARS_FOR_TILT = 7
# So many runs tell how a page lies, if they have letters enough.
SAMPLE_RUNS = 8

_PARAMETERS = {
    "Global.use_cls": False,
    "Global.max_side_len": MAX_SIDE_PX,
    "Global.log_level": "critical",
    "Rec.rec_batch_num": 1,
    "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
    "EngineConfig.onnxruntime.inter_op_num_threads": THREADS,
}
_NOT_INSTALLED_HINT = "Install the packages of requirements.txt, or choose another engine."

Corners = Sequence[tuple[float, float]]


class RapidEngine:
    """The default engine."""

    name = EngineName.RAPIDOCR

    def __init__(self) -> None:
        """Load nothing yet."""
        self._model: Any = None

    @property
    def version(self) -> str:
        """The version of the library."""
        try:
            return importlib.metadata.version("rapidocr")
        except importlib.metadata.PackageNotFoundError:
            return ""

    def read(self, picture: Image.Image, *, number: int) -> Page:
        """Read the words of a page, each a run as the detector saw it. Raises OcrError."""
        return self.open(picture, number=number).read()

    def open(self, picture: Image.Image, *, number: int) -> "DetectedPage":
        """Find the runs of a page, and read none of them yet. Raises OcrError."""
        self.load()
        return DetectedPage(self._model, picture, number)

    def load(self) -> None:
        """Load the models, once. Raises OcrError."""
        if self._model is None:
            # OpenCV and OpenMP start a thread for each core otherwise.
            os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
            try:
                import cv2  # noqa: PLC0415 -- takes a second, and only OCR needs it
                from rapidocr import RapidOCR  # noqa: PLC0415 -- likewise
            except ImportError as error:
                raise OcrError(
                    "RapidOCR is not installed here.",
                    hint=_NOT_INSTALLED_HINT,
                    retry=True,
                    is_available=False,
                ) from error
            cv2.setNumThreads(THREADS)
            try:
                model = RapidOCR(params=_PARAMETERS)
                # The library loads each of its models when that is first used.
                blank = np.full((64, 320, 3), 255, np.uint8)
                _detect(model, blank)
                model.recognize_txt([blank])
            except (OSError, RuntimeError, ValueError) as error:
                raise OcrError(
                    "RapidOCR does not start.",
                    hint=_NOT_INSTALLED_HINT,
                    retry=True,
                    is_available=False,
                ) from error
            self._model = model


class DetectedPage:
    """A page whose runs are found, and read one by one, none of them twice.

    The steps are the library's own, which it offers each by itself; its one call reads every run of
    a page before it can be seen that the page stands on its head.
    """

    def __init__(self, model: Any, picture: Image.Image, number: int) -> None:
        """Find the runs. Raises OcrError."""
        self._model = model
        self._picture = picture
        self._number = number
        self._texts: dict[int, tuple[str, float]] = {}
        # The library takes pixels as OpenCV orders them, blue first.
        pixels = np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])
        with _giving_up_as_error(number):
            self._crops, self._corners = _detect(model, pixels)

    @property
    def is_blank(self) -> bool:
        """Whether no run was found; those that stand are found too."""
        return not self._crops

    def sample(self) -> Page:
        """Read the longest runs, until they are enough to tell how the page lies."""
        letters = 0
        by_length = sorted(range(len(self._crops)), key=self._length_of, reverse=True)
        for count, index in enumerate(by_length):
            if count >= SAMPLE_RUNS and letters >= LEAST_LETTERS:
                break
            self._read_run(index)
            letters += sum(char.isalnum() for char in self._texts[index][0])
        return self._page()

    def read(self) -> Page:
        """Read what is not read yet."""
        for index in range(len(self._crops)):
            self._read_run(index)
        return self._page()

    def _length_of(self, index: int) -> float:
        height, width = map(int, self._crops[index].shape[:2])
        return width / height

    def _read_run(self, index: int) -> None:
        if index in self._texts:
            return
        with _giving_up_as_error(self._number):
            answer = self._model.recognize_txt([self._crops[index]])
            self._texts[index] = str(answer.txts[0]), float(answer.scores[0])

    def _page(self) -> Page:
        runs = [(self._corners[index], *self._texts[index]) for index in sorted(self._texts)]
        words = (_word(corners, text, score) for corners, text, score in runs if text.strip())
        tilts = list(_tilts(runs))
        return page_of(
            self._picture, words, number=self._number, tilt=median(tilts) if tilts else 0.0
        )


@contextmanager
def _giving_up_as_error(number: int) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        raise OcrError(
            f"RapidOCR gave up on page {number}: {type(error).__name__}.",
            hint="Look at the page yourself; a sharper scan may help.",
            retry=False,
        ) from error


def _detect(model: Any, pixels: Any) -> tuple[list[Any], list[Corners]]:
    """Give the picture of each run, and its corners; both empty where there is none."""
    from rapidocr.main import RapidOCRError  # noqa: PLC0415 -- see RapidEngine.load
    from rapidocr.utils.process_img import map_boxes_to_original  # noqa: PLC0415 -- see RapidEngine.load

    height, width = pixels.shape[:2]
    smaller, record = model.preprocess_img(pixels)
    try:
        crops, found = model.detect_and_crop(smaller, record)
    except RapidOCRError:
        return [], []
    boxes = map_boxes_to_original(found.boxes, record, height, width)
    return crops, [_corners(box, width, height) for box in boxes]


def _corners(box: Any, width: int, height: int) -> Corners:
    """Give the four corners of a run, clockwise from its top left, in fractions of the page."""
    return [
        (min(1.0, max(0.0, float(x) / width)), min(1.0, max(0.0, float(y) / height)))
        for x, y in box
    ]


def _word(corners: Corners, text: str, score: float) -> Word:
    return Word(
        text=text[:MAX_WORD_CHARS],
        x0=min(x for x, _ in corners),
        y0=min(y for _, y in corners),
        x1=max(x for x, _ in corners),
        y1=max(y for _, y in corners),
        confidence=min(1.0, max(0.0, score)) if math.isfinite(score) else 0.0,
    )


def _tilts(runs: Sequence[tuple[Corners, str, float]]) -> Iterator[float]:
    for corners, text, _ in runs:
        (left, left_y), (right, right_y) = corners[0], corners[1]
        if len(text) >= MIN_CHARS_FOR_TILT and right > left:
            yield (right_y - left_y) / (right - left)
