"""Words from PDFium's characters.

PDFium puts a blank of its own wherever two letters stand a little apart, which tears up the words
of documents with wide kerning. So words are put together here, from the letters and their places.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2
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


@dataclass(frozen=True, slots=True)
class _Char:
    text: str
    left: float
    right: float
    bottom: float
    top: float


def words_of(page: pypdfium2.PdfPage) -> tuple[Word, ...]:
    """Give the words of a page in the order of the file, at most as many as a page may have."""
    text_page = page.get_textpage()
    try:
        words: list[Word] = []
        for chars in _runs(text_page):
            word = _word(page, chars)
            if word is not None:
                words.append(word)
            if len(words) >= MAX_WORDS_PER_PAGE:
                break
        return tuple(words)
    finally:
        text_page.close()


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
        char = _Char(text, rectangle.left, rectangle.right, rectangle.bottom, rectangle.top)
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
