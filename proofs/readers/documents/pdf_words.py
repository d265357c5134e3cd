"""Words from PDFium's characters.

PDFium puts a blank of its own wherever two letters stand a little apart, which tears up the words
of documents with wide kerning. So words are put together here, from the letters and their places.
What a page says and does not show is kept apart: a reader sees one total, and a program another.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from pypdfium2 import raw

from proofs.readers.documents.facts import MAX_WORD_CHARS, MAX_WORDS_PER_PAGE, Word

MAX_CHARS_PER_PAGE = 100_000
# Of the height of a line; a blank of the narrowest fonts measures 0.18.
WORD_GAP = 0.16
# Where PDFium saw no blank at all, only the gap of a column parts words.
COLUMN_GAP = 0.6
# A hyphen at the end of a line, as PDFium writes it.
_HYPHENS = frozenset({0x02, 0xAD, 0xFFFE})
# Device units over the whole page, so that places come out in fractions, turned as it is shown.
_GRID = 1_000_000
# Text that is neither filled nor stroked: not drawn, or a mask for other things.
_NOT_DRAWN = frozenset({3, 7})
# In points; print that people are meant to read has 5 and more.
SMALLEST_PRINT = 3.0
# Of 256 shades. The palest print that is meant to be read has 50.
LEAST_CONTRAST = 24


@dataclass(frozen=True, slots=True)
class _Char:
    text: str
    left: float
    right: float
    bottom: float
    top: float
    index: int


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a page in the order of the file: those that it shows, and those that it hides.

    Hidden are words that are not drawn at all, that are too small to be read, and that stand out
    from nothing: white on white, or under something else.
    """

    shown: tuple[Word, ...]
    hidden: tuple[Word, ...]


def words_of(page: pypdfium2.PdfPage, picture: NDArray[np.uint8] | None) -> Words:
    """Give the words of a page, at most as many as a page may have.

    `picture` is the page as it is shown, in shades of grey, of any size. Without one, what is drawn
    at a readable size is shown.
    """
    text_page = page.get_textpage()
    try:
        shown: list[Word] = []
        hidden: list[Word] = []
        height = page.get_height()
        for chars in _runs(text_page):
            word = _word(page, chars)
            if word is not None:
                is_shown = _is_drawn(text_page, chars) and _is_seen(word, height, picture)
                (shown if is_shown else hidden).append(word)
            if len(shown) + len(hidden) >= MAX_WORDS_PER_PAGE:
                break
        return Words(tuple(shown), tuple(hidden))
    finally:
        text_page.close()


def _is_drawn(text_page: pypdfium2.PdfTextPage, chars: list[_Char]) -> bool:
    text_object = raw.FPDFText_GetTextObject(text_page, chars[0].index)
    return raw.FPDFTextObj_GetTextRenderMode(text_object) not in _NOT_DRAWN


def _is_seen(word: Word, page_height: float, picture: NDArray[np.uint8] | None) -> bool:
    """Whether a word is large enough to be read, and stands out from what is around it."""
    if not any(char.isalnum() for char in word.text):
        return True
    if (word.y1 - word.y0) * page_height < SMALLEST_PRINT:
        return False
    if picture is None:
        return True
    rows, columns = picture.shape
    top, bottom = int(word.y0 * rows), int(word.y1 * rows) + 1
    left, right = int(word.x0 * columns), int(word.x1 * columns) + 1
    # Above and below the letters run the lines of tables.
    margin = (bottom - top) // 6
    shades = picture[top + margin : bottom - margin, left:right]
    return shades.size == 0 or int(shades.max()) - int(shades.min()) >= LEAST_CONTRAST


def _runs(text_page: pypdfium2.PdfTextPage) -> Iterator[list[_Char]]:
    """Give the characters of one word after the other."""
    run: list[_Char] = []
    made_up_blank = False
    count = min(raw.FPDFText_CountChars(text_page), MAX_CHARS_PER_PAGE)
    rectangle = raw.FS_RECTF()
    for index in range(count):
        code = raw.FPDFText_GetUnicode(text_page, index)
        text = "-" if code in _HYPHENS else chr(code)
        if text == " " and raw.FPDFText_IsGenerated(text_page, index):
            made_up_blank = True
            continue
        if not text.isprintable() or text.isspace() or code == 0:
            if run:
                yield run
            run = []
            continue
        raw.FPDFText_GetLooseCharBox(text_page, index, rectangle)
        char = _Char(text, rectangle.left, rectangle.right, rectangle.bottom, rectangle.top, index)
        if run and (
            len(run) >= MAX_WORD_CHARS or _parted(run[-1], char, made_up_blank=made_up_blank)
        ):
            yield run
            run = []
        run.append(char)
        made_up_blank = False
    if run:
        yield run


def _parted(last: _Char, char: _Char, *, made_up_blank: bool) -> bool:
    height = max(last.top - last.bottom, char.top - char.bottom)
    if height <= 0:
        return made_up_blank
    gap = char.left - last.right
    # Text that is turned, or written from right to left, has its gaps elsewhere.
    if made_up_blank and not -0.5 * height < gap < WORD_GAP * height:
        return True
    same_line = min(last.top, char.top) > max(last.bottom, char.bottom)
    return gap > COLUMN_GAP * height or (not same_line and made_up_blank)


def _word(page: pypdfium2.PdfPage, chars: list[_Char]) -> Word | None:
    """Give the word with its place on the page as it is shown; None for what lies outside."""
    first = _on_page(page, min(c.left for c in chars), max(c.top for c in chars))
    second = _on_page(page, max(c.right for c in chars), min(c.bottom for c in chars))
    x0, x1 = sorted((first[0], second[0]))
    y0, y1 = sorted((first[1], second[1]))
    if x1 < 0 or y1 < 0 or x0 > 1 or y0 > 1:
        return None
    x0, y0, x1, y1 = (min(1.0, max(0.0, side)) for side in (x0, y0, x1, y1))
    return Word(text="".join(c.text for c in chars), x0=x0, y0=y0, x1=x1, y1=y1)


def _on_page(page: pypdfium2.PdfPage, x: float, y: float) -> tuple[float, float]:
    across, down = ctypes.c_int(), ctypes.c_int()
    raw.FPDF_PageToDevice(page, 0, 0, _GRID, _GRID, 0, x, y, across, down)
    return across.value / _GRID, down.value / _GRID
