"""A page that lies on its side or stands on its head is turned until an engine reads it well.

Engines read what they take for lines; letters that lie wrong give few words, or words of which the
engine is unsure, or runs that are higher than wide. Only then the page is turned and read again, so
that a page which is as it should be costs nothing more.
"""

from dataclasses import replace

from PIL import Image

from proofs.readers.documents.facts import Page
from proofs.readers.documents.ocr.base import Engine

# RapidOCR reads real receipts with 0.95 and more, and with 0.76 and less on their head; Tesseract
# with about 0.9, and figures on their head with 0.86.
LEAST_CONFIDENCE = 0.88
LEAST_LETTERS = 60
# Turned, a page must read so much better: two readings of the same noise differ a little.
GAIN = 1.3
# Shorter runs may be as high as wide.
_CHARS_OF_A_RUN = 4
_STANDING = 0.5
_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


def read_upright(engine: Engine, picture: Image.Image, *, number: int) -> Page:
    """Read a page as it lies, and if that does not go well, turned. Raises OcrError.

    `turned` of the page says by how many degrees, against the clock, the picture had to be turned.
    """
    best = engine.read(picture, number=number)
    if _reads_well(best):
        return best
    best_score = _score(best)
    # A page whose runs stand lies on one of its sides.
    turns = (270, 90) if _share_standing(best) > _STANDING else (180, 270, 90)
    for turn in turns:
        read = engine.read(picture.transpose(_TURNS[turn]), number=number)
        if (score := _score(read)) > GAIN * best_score:
            best, best_score = replace(read, turned=turn), score
        if _reads_well(read):
            break
    return best


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
