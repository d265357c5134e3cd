"""What an OCR engine is: a picture of a page in, the words on it with their places out."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from PIL import Image

from proofs.readers.documents.facts import MAX_TILT, MAX_WORDS_PER_PAGE, Page, Source, Word

# What an engine reads with less is more often noise than text.
MIN_CONFIDENCE = 0.6
# Fewer letters do not tell how a page lies.
LEAST_LETTERS = 60


class EngineName(StrEnum):
    """The engines that can be set."""

    RAPIDOCR = "rapidocr"
    TESSERACT = "tesseract"
    NONE = "none"


class OcrError(Exception):
    """The engine gave no words for a page.

    `is_available` is false where it cannot work here at all. `retry`: whether the same page may be
    read another time. `hint` is for who runs the installation.
    """

    def __init__(self, message: str, *, hint: str, retry: bool, is_available: bool = True) -> None:
        """Keep the parts for whoever makes a note of it."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry = retry
        self.is_available = is_available


class NamedEngine(Protocol):
    """Which engine read, as a reading tells."""

    @property
    def name(self) -> EngineName:
        """Its name in the settings."""

    @property
    def version(self) -> str:
        """The version of the program or library, empty where it is not installed."""


class Engine(NamedEngine, Protocol):
    """An OCR engine. Loading its models may take seconds and is done once, at the first page."""

    def load(self) -> None:
        """Get ready, so that the first page takes no longer than the next. Raises OcrError."""

    def read(self, picture: Image.Image, *, number: int) -> Page:
        """Read the words of page `number`. Raises OcrError."""

    def open(self, picture: Image.Image, *, number: int) -> "OpenPage":
        """Begin with page `number`, which may turn out to lie wrong. Raises OcrError."""


class OpenPage(Protocol):
    """A page that an engine has begun with."""

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to read on it, whichever way it lies."""

    def sample(self) -> Page:
        """Read enough of it to tell whether it lies as it should. Raises OcrError."""

    def read(self) -> Page:
        """Read all of it; what was read before is not read again. Raises OcrError."""


class WholePages:
    """An engine for which a part of a page costs no less than the whole, and that loads nothing."""

    def load(self) -> None:
        """Be ready as it is."""

    def open(self: Engine, picture: Image.Image, *, number: int) -> OpenPage:
        """Begin with a page, of which even a sample is all."""
        return _Whole(self, picture, number)


class _Whole:
    # What stands on its side such an engine takes for nothing.
    is_blank = False

    def __init__(self, engine: Engine, picture: Image.Image, number: int) -> None:
        self._engine = engine
        self._picture = picture
        self._number = number

    def sample(self) -> Page:
        return self._page

    def read(self) -> Page:
        return self._page

    @cached_property
    def _page(self) -> Page:
        return self._engine.read(self._picture, number=self._number)


def page_of(picture: Image.Image, words: Iterable[Word], *, number: int, tilt: float = 0.0) -> Page:
    """Give the page of an engine's words, without those of which it is too unsure."""
    kept = [word for word in words if (word.confidence or 0.0) >= MIN_CONFIDENCE]
    del kept[MAX_WORDS_PER_PAGE:]
    return Page(
        number=number,
        width=float(picture.width),
        height=float(picture.height),
        words=tuple(kept),
        source=Source.OCR,
        confidence=_mean_confidence(kept),
        tilt=min(MAX_TILT, max(-MAX_TILT, tilt)),
    )


def _mean_confidence(words: Sequence[Word]) -> float | None:
    """Give the mean of the words' confidences, each counted by its letters."""
    letters = sum(len(word.text) for word in words)
    if not letters:
        return None
    return round(sum((word.confidence or 0.0) * len(word.text) for word in words) / letters, 4)
