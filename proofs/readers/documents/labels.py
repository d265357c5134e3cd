"""The words that name a value: before it on its line, over it in its column, or on the line above.

What counts as a label depends on the value, so callers say by `says_something` which words do.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from proofs.readers.documents.amounts import CURRENCY_CODES
from proofs.readers.documents.layout import COLUMN, Line

COLUMN_LINES_UP = 12
# What stands farther before a value does not name it.
MAX_LABEL_CHARS = 160


@dataclass(frozen=True, slots=True)
class Label:
    """A label in plain letters; `is_heading`: it stands over the column and not on the line."""

    text: str
    is_heading: bool = False


_LETTERS = re.compile(r"[a-z]{2}")
_CURRENCIES = re.compile(rf"\b(?:{CURRENCY_CODES.lower()}|f cfa)\b")


def has_letters(text: str) -> bool:
    """Whether a plain text has a word that is more than a currency."""
    return _LETTERS.search(_CURRENCIES.sub(" ", text)) is not None


def nearest_label(
    lines: Sequence[Line],
    index: int,
    start: int,
    end: int,
    end_of_last: int,
    says_something: Callable[[str], bool],
) -> Label:
    """Give the label of what stands from `start` to `end` of line `index`.

    `end_of_last` is where the value before it on the line ends. The text is empty where nothing
    names the value.
    """
    line = lines[index]
    first = max(0, start - MAX_LABEL_CHARS)
    before = line.plain[max(end_of_last, first) : start]
    if has_letters(before):
        return Label(next((cell for cell in _cells(before) if says_something(cell)), before))
    heading = heading_over(lines, index, start, end)
    if heading and says_something(heading):
        return Label(heading, is_heading=True)
    # A second value of a line whose label was used up: the line's own label still counts.
    return Label(line.plain[first:start])


def heading_over(lines: Sequence[Line], index: int, start: int, end: int) -> str:
    """Give the words over a value in its column, passing over what are no words; or none."""
    line = lines[index]
    box = line.box(start, end)
    for above in reversed(lines[max(0, index - COLUMN_LINES_UP) : index]):
        if above.page != line.page:
            break
        cell = cell_over(above, box.x0, box.x1)
        if has_letters(cell):
            return cell
    return ""


def _cells(text: str) -> Iterator[str]:
    """Give what stands in a text from its last column on, then from the one before, to all."""
    for start in reversed([0, *(match.end() for match in re.finditer(" {2,}", text))]):
        if has_letters(text[start:]):
            yield text[start:]


def cell_over(line: Line, x0: float, x1: float) -> str:
    """Give the words of a line that stand over a stretch of the page's width."""
    over = [i for i, word in enumerate(line.words) if word.x1 > x0 and word.x0 < x1]
    if not over:
        return ""
    # A heading of several words is centred over its column.
    start = line.plain.rfind(COLUMN, 0, line.starts[over[0]]) + 1
    end = line.plain.find(COLUMN, line.starts[over[-1]])
    return line.plain[start : end if end >= 0 else len(line.plain)].strip()
