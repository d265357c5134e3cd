"""RapidOCR: PP-OCR models on ONNX Runtime. Comes as wheels, models included; downloads nothing.

The settings are those with which it read best and in least memory: without the classifier that
turns some long lines upside down, and with pictures of at most 1280 pixels (1.0 GB instead of 1.5).
"""

import importlib.metadata
import math
import os
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from proofs.readers.documents.facts import MAX_WORD_CHARS, Page, Word
from proofs.readers.documents.ocr.base import EngineName, OcrError, page_of

MAX_SIDE_PX = 1280
# One thread each: as many children run as there are cores.
THREADS = 1
# Runs of fewer letters have boxes too short to tell how the page is tilted.
MIN_CHARS_FOR_TILT = 7

_PARAMETERS = {
    "Global.use_cls": False,
    "Global.max_side_len": MAX_SIDE_PX,
    "Global.log_level": "critical",
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
        model = self._load()
        # The library takes pixels as OpenCV orders them, blue first.
        pixels = np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])
        try:
            answer = model(pixels)
        except (RuntimeError, ValueError, ArithmeticError, LookupError, TypeError) as error:
            raise OcrError(
                f"RapidOCR gave up on page {number}: {type(error).__name__}.",
                hint="Look at the page yourself; a sharper scan may help.",
                retry=False,
            ) from error
        if answer.boxes is None:
            return page_of(picture, (), number=number)
        runs = [
            (_corners(box, picture.width, picture.height), str(text), float(score))
            for box, text, score in zip(answer.boxes, answer.txts, answer.scores, strict=True)
        ]
        words = (_word(corners, text, score) for corners, text, score in runs)
        tilts = list(_tilts(runs))
        return page_of(picture, words, number=number, tilt=median(tilts) if tilts else 0.0)

    def _load(self) -> Any:
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
                self._model = RapidOCR(params=_PARAMETERS)
            except (OSError, RuntimeError, ValueError) as error:
                raise OcrError(
                    "RapidOCR does not start.",
                    hint=_NOT_INSTALLED_HINT,
                    retry=True,
                    is_available=False,
                ) from error
        return self._model


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
