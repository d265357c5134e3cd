"""Lines as an eye sees them, put together from the boxes of words.

A PDF keeps its words in the order in which they were drawn, and OCR gives runs of words; neither is
the order of reading. So words are joined into lines by their places alone. In a line's text a wide
gap, as between two columns, is written as `COLUMN`, and a single blank is a blank.
"""

import math
import re
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from proofs.readers.documents.facts import Box, Page, Source, Word

COLUMN = "  "
# A page of the smallest print has 2,000; what is beyond was made to keep somebody busy.
MAX_WORDS = 4_000
# Strips of a page by which the row of a word is looked up.
STRIPS = 200
# In heights of a line: a wider gap parts columns.
COLUMN_GAP = 1.3
# What is nearer, in a file's own text, is one word that is drawn in pieces: a ligature, a hyphen.
NO_GAP = 0.02
_TORN = re.compile(r"(?:[^\W\d_]{2}|\w-\w)$")
# Words stand on one line if the lower one's height is overlapped by this much.
LINE_OVERLAP = 0.5
# A word more than this times higher than another is no neighbour of it, but a logo beside it.
MAX_HEIGHT_RATIO = 2.6
# The box of a run on a tilted page is higher than its letters, but not more than this.
LEAST_SHARE_OF_HEIGHT = 0.4
# One letter each, so that places in the plain text are places in the text.
_ONE_LETTER_FOR = {"ß": "s", "ẞ": "s", "œ": "o", "Œ": "o", "æ": "a", "Æ": "a", "ø": "o", "Ø": "o"}
_AMOUNT_WITH_LETTERS = re.compile(
    r"(\W*(?:RM|R|\$|€|EUR|USD)?)((?=\D*\d)[\dOoBlI]+[.,][\dOoBlI]{2}\W?)"
)
_DOLLAR_AS_S = re.compile(r"^S(?=\d+[.,]\d\d$)")
_DIGIT_BY_LETTER = str.maketrans({"O": "0", "o": "0", "B": "8", "l": "1", "I": "1"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page, left to right. `starts` are the places of its words in `text`.

    `plain` is the text in small letters without accents, character for character as long as it.
    """

    page: int
    source: Source
    words: tuple[Word, ...]
    text: str
    plain: str
    starts: tuple[int, ...]
    turned: int = 0

    @property
    def y0(self) -> float:
        """The upper edge."""
        return min(word.y0 for word in self.words)

    @property
    def y1(self) -> float:
        """The lower edge."""
        return max(word.y1 for word in self.words)

    @property
    def height(self) -> float:
        """The height of its words, in the middle."""
        return median(word.y1 - word.y0 for word in self.words)

    def words_in(self, start: int, end: int) -> tuple[Word, ...]:
        """Give the words that a stretch of the text touches."""
        first = max(0, bisect_right(self.starts, start) - 1)
        return tuple(
            word
            for word, begins in zip(self.words[first:], self.starts[first:], strict=True)
            if begins < end
        )

    def box(self, start: int, end: int) -> Box:
        """Give the place of a stretch of the text; it is not empty."""
        words = self.words_in(start, end)
        return Box(
            x0=min(word.x0 for word in words),
            y0=min(word.y0 for word in words),
            x1=max(word.x1 for word in words),
            y1=max(word.y1 for word in words),
        )

    def confidence(self, start: int, end: int) -> float:
        """Give how sure OCR was of a stretch of the text; 1 where the text is the file's own."""
        sure = [word.confidence for word in self.words_in(start, end)]
        return min((value for value in sure if value is not None), default=1.0)


def lines_of(page: Page) -> tuple[Line, ...]:
    """Give the lines of a page from top to bottom."""
    words = [piece for word in page.words for piece in _pieces(word, page.tilt)]
    if page.source is Source.OCR:
        words = [replace(word, text=_with_digits(word.text)) for word in words]
    words = [word for word in words if word.x1 > word.x0 and word.y1 > word.y0][:MAX_WORDS]
    rows = _rows(words, page.tilt)
    rows.sort(key=lambda row: median(_middle(word, page.tilt) for word in row))
    aspect = page.width / page.height if page.width and page.height else 1.0
    return tuple(_line(page, row, aspect) for row in rows)


def _with_digits(text: str) -> str:
    """Give a word with digits for the letters that OCR put among those of an amount."""
    text = _DOLLAR_AS_S.sub("$", text)
    match = _AMOUNT_WITH_LETTERS.fullmatch(text)
    return text if match is None else match[1] + match[2].translate(_DIGIT_BY_LETTER)


def plain(text: str) -> str:
    """Give a text in small letters without accents, character for character."""
    return "".join(_plain_char(char) for char in text)


def _plain_char(char: str) -> str:
    if char.isascii():
        return char.lower()
    if char in {"\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}", "\N{THIN SPACE}"}:
        return " "
    if char in _ONE_LETTER_FOR:
        return _ONE_LETTER_FOR[char]
    base = unicodedata.normalize("NFKD", char)[:1].lower()
    return base if len(base) == 1 else char


def _pieces(word: Word, tilt: float) -> Iterator[Word]:
    """Give the words of a run, each with its share of the run's width, along the page's tilt."""
    parts = word.text.split()
    if len(parts) <= 1 and not tilt:
        if parts:
            yield word
        return
    width_per_char = (word.x1 - word.x0) / len(word.text)
    box_height = word.y1 - word.y0
    height = box_height - abs(tilt) * (word.x1 - word.x0)
    height = max(height, LEAST_SHARE_OF_HEIGHT * box_height)
    at = 0
    for part in parts:
        at = word.text.index(part, at)
        x0 = word.x0 + at * width_per_char
        x1 = x0 + len(part) * width_per_char
        middle = (word.y0 + word.y1) / 2 + tilt * ((x0 + x1) / 2 - (word.x0 + word.x1) / 2)
        yield Word(
            text=part,
            x0=x0,
            y0=max(0.0, middle - height / 2),
            x1=min(1.0, x1),
            y1=min(1.0, middle + height / 2),
            confidence=word.confidence,
        )
        at += len(part)


def _middle(word: Word, tilt: float) -> float:
    return (word.y0 + word.y1) / 2 - tilt * (word.x0 + word.x1) / 2


def _rows(words: Sequence[Word], tilt: float) -> list[list[Word]]:
    """Join words into rows: each to the row whose last word it overlaps most."""
    rows: list[list[Word]] = []
    rows_by_strip: dict[int, set[int]] = defaultdict(set)
    for word in sorted(words, key=lambda word: (word.x0, word.y0)):
        strips = _strips(word, tilt)
        near = set().union(*(rows_by_strip[strip] for strip in strips))
        best, best_overlap = None, LINE_OVERLAP
        for index in sorted(near):
            overlap = _overlap(rows[index][-1], word, tilt)
            if overlap > best_overlap:
                best, best_overlap = index, overlap
        if best is None:
            best = len(rows)
            rows.append([])
        else:
            for strip in _strips(rows[best][-1], tilt):
                rows_by_strip[strip].discard(best)
        rows[best].append(word)
        for strip in strips:
            rows_by_strip[strip].add(best)
    return rows


def _strips(word: Word, tilt: float) -> range:
    """Give the strips that a word touches, carried back along the tilt to the left edge."""
    back = tilt * (word.x0 + word.x1) / 2
    return range(math.floor((word.y0 - back) * STRIPS), math.floor((word.y1 - back) * STRIPS) + 1)


def _overlap(left: Word, right: Word, tilt: float) -> float:
    left_height, right_height = left.y1 - left.y0, right.y1 - right.y0
    lower, higher = sorted((left_height, right_height))
    if higher > MAX_HEIGHT_RATIO * lower:
        return 0.0
    # The left word's sides, carried along the tilt to the right one.
    shift = tilt * ((right.x0 + right.x1) - (left.x0 + left.x1)) / 2
    common = min(left.y1 + shift, right.y1) - max(left.y0 + shift, right.y0)
    return common / lower


def _is_torn(page: Page, left: Word, right: Word) -> bool:
    """Whether two words that touch are one; two numbers that touch stand in two columns."""
    return page.source is Source.TEXT and _TORN.search(left.text + right.text[:1]) is not None


def _line(page: Page, row: list[Word], aspect: float) -> Line:
    height = median(word.y1 - word.y0 for word in row)
    # Heights and widths are fractions of different sides of the page.
    gap_height = height / aspect
    parts: list[str] = []
    starts: list[int] = []
    length = 0
    last: Word | None = None
    for word in row:
        if last is not None:
            gap = (word.x0 - last.x1) / gap_height
            blank = COLUMN if gap > COLUMN_GAP else " "
            if abs(gap) < NO_GAP and _is_torn(page, last, word):
                blank = ""
            parts.append(blank)
            length += len(blank)
        starts.append(length)
        parts.append(word.text)
        length += len(word.text)
        last = word
    text = "".join(parts)
    return Line(page.number, page.source, tuple(row), text, plain(text), tuple(starts), page.turned)
