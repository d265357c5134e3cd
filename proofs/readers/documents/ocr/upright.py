"""A page that lies on its side or stands on its head is turned until an engine reads it well.

Engines read what they take for lines; letters that lie wrong give few words, or words of which the
engine is unsure, or runs that are higher than wide. A sample of the page tells; only the direction
whose sample reads best is read whole. What turning shows of one page is used for the next: pages of
one scan lie alike.
"""

import math
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from PIL import Image

from proofs.readers.documents.facts import Page
from proofs.readers.documents.ocr.base import LEAST_LETTERS, Engine, OpenPage

# RapidOCR reads real receipts with 0.95 and more, and with 0.76 and less on their head; Tesseract
# with about 0.9, and figures on their head with 0.86.
LEAST_CONFIDENCE = 0.88
# Turned, a page must read so much better: two readings of the same noise differ a little.
GAIN = 1.3
# What is read already is given even after the time is over.
LEAST_TIMER_S = 0.1
# Shorter runs may be as high as wide.
_CHARS_OF_A_RUN = 4
_STANDING = 0.5
_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


class OutOfTime(BaseException):
    """The CPU time for a page is used up. No Exception: libraries catch those for other things."""


@dataclass(frozen=True, slots=True)
class Upright:
    """A page as it was read best; `reading_s` is the CPU time of that direction alone."""

    page: Page
    reading_s: float


@dataclass(slots=True)
class _Direction:
    """A page turned by `turn`, with a sample of what can be read of it so."""

    turn: int
    open_page: OpenPage
    sample: Page
    took_s: float


def read_upright(
    engine: Engine,
    picture: Image.Image,
    *,
    number: int,
    turn: int = 0,
    budget_s: float = math.inf,
) -> Upright:
    """Read a page, turned by `turn`, or, if a sample of that does not read well, otherwise.

    `turned` of the page says by how many degrees, against the clock, the picture had to be turned.
    No direction but the first is begun that would, if it took as long as the longest before, not
    end within `budget_s` seconds of CPU time.

    Raises OcrError, and OutOfTime where the page could not be read in that time.
    """
    ends_at = cpu_time_s() + budget_s
    best = _sampled(engine, picture, number, turn, ends_at)
    if not best.open_page.is_blank and not _reads_well(best.sample):
        best = _best_direction(engine, picture, number, best, ends_at)
    started_s = cpu_time_s()
    with _interrupted_after(ends_at - started_s):
        page = replace(best.open_page.read(), turned=best.turn)
    return Upright(page, best.took_s + cpu_time_s() - started_s)


def _best_direction(
    engine: Engine, picture: Image.Image, number: int, first: _Direction, ends_at: float
) -> _Direction:
    """Give the direction in which a page reads best, of those that there is time for."""
    best, longest_s = first, first.took_s
    for more in _turns(first.sample):
        if cpu_time_s() + longest_s > ends_at:
            break
        try:
            other = _sampled(engine, picture, number, (first.turn + more) % 360, ends_at)
        except OutOfTime:
            break
        longest_s = max(longest_s, other.took_s)
        if _score(other.sample) > GAIN * _score(best.sample):
            best = other
        if _reads_well(other.sample):
            break
    return best


def _sampled(
    engine: Engine, picture: Image.Image, number: int, turn: int, ends_at: float
) -> _Direction:
    started_s = cpu_time_s()
    lying = picture.transpose(_TURNS[turn]) if turn else picture
    with _interrupted_after(ends_at - started_s):
        open_page = engine.open(lying, number=number)
        sample = open_page.sample()
    return _Direction(turn, open_page, sample, cpu_time_s() - started_s)


def cpu_time_s() -> float:
    """The CPU time of this process and of the programs that it has waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _turns(page: Page) -> tuple[int, ...]:
    """Give the turns to be tried with a page that does not read well, the likeliest first.

    One whose runs stand lies on one of its sides. RapidOCR turns such runs by a quarter against the
    clock before it reads them: where it is sure of what it read, that is how the page must turn.
    """
    if _share_standing(page) <= _STANDING:
        return 180, 270, 90
    return (90, 270) if (page.confidence or 0.0) >= LEAST_CONFIDENCE else (270, 90)


@contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    """Raise OutOfTime after so much CPU time, as soon as the engine is between two of its steps.

    So its process lives on, with its models. What is stuck in one step is killed by its limits.
    """
    if math.isinf(seconds):
        yield
        return

    def interrupt(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGPROF, interrupt)
    try:
        signal.setitimer(signal.ITIMER_PROF, max(seconds, LEAST_TIMER_S))
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _reads_well(page: Page) -> bool:
    return (
        _letters(page) >= LEAST_LETTERS
        and (page.confidence or 0.0) >= LEAST_CONFIDENCE
        and _share_standing(page) <= _STANDING
    )


def _score(page: Page) -> float:
    """How much was read, and how surely; runs that stand are read right only by chance."""
    share_lying = 1.0 - _share_standing(page)
    return _letters(page) * ((page.confidence or 0.0) ** 2) * max(0.25, share_lying)


def _letters(page: Page) -> int:
    return sum(char.isalnum() for word in page.words for char in word.text)


def _share_standing(page: Page) -> float:
    runs = [word for word in page.words if len(word.text) >= _CHARS_OF_A_RUN]
    standing = sum(
        (word.y1 - word.y0) * page.height > (word.x1 - word.x0) * page.width for word in runs
    )
    return standing / len(runs) if runs else 0.0
