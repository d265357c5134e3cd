"""Dates as people print them: `25/12/2018`, `2018-12-25`, `25 décembre 2018`, `Dec 25, 2018`.

In figures the day comes before the month unless the year leads, or nothing else is possible.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from proofs.readers.documents.layout import Line, plain

# What is dated earlier or later is no document that anybody is paid for.
MIN_YEAR, MAX_YEAR = 1995, 2079

_MONTHS = {
    1: "january|janvier|januar|janner|jan|janv",
    2: "february|fevrier|februar|feb|fevr|fev",
    3: "march|mars|marz|maerz|mar|mrz",
    4: "april|avril|apr|avr",
    5: "may|mai|mei",
    6: "june|juin|juni|jun",
    7: "july|juillet|juli|jul|juil",
    8: "august|aout|aug|ogos|ago",
    9: "september|septembre|sept|sep",
    10: "october|octobre|oktober|oct|okt|0ct",
    11: "november|novembre|nov",
    12: "december|decembre|dezember|dec|dez|dis",
}
_MONTH_BY_NAME = {name: month for month, names in _MONTHS.items() for name in names.split("|")}
_MONTH = "|".join(sorted(_MONTH_BY_NAME, key=len, reverse=True))

_START = r"(?<![\d/.,-])"
_SEPARATOR = r"\s?[-/.~]\s?"
# OCR joins a date and the time behind it.
_TWO_DIGIT_YEAR = r"\d\d(?:(?![\d/]|[.,-]\d)|(?=\d\d:))"
_YEAR = r"(?P<y>(?:19|20)\d\d|\d\d(?![\d:]))"

_YEAR_FIRST = re.compile(
    rf"{_START}(?P<y>\d{{4}})\s?([-/.])\s?(?P<m>\d{{1,2}})\s?\2\s?"
    r"(?P<d>\d{1,2}(?!\d)|\d\d(?=\d\d:))"
)
_FIGURES = re.compile(
    rf"{_START}(?P<d>\d{{1,2}}){_SEPARATOR}(?P<m>\d{{1,2}}){_SEPARATOR}"
    rf"(?P<y>(?:19|20)\d\d|{_TWO_DIGIT_YEAR})"
)
_DAY_AND_NAME = re.compile(
    r"(?<![\d/.,])(?P<d>\d{1,2})(?:st|nd|rd|th|er|\.)?[\s\-/.,]{0,2}(?:of |de )?"
    rf"(?P<name>{_MONTH})\.?[\s\-/.,']{{0,3}}{_YEAR}"
)
_NAME_AND_DAY = re.compile(
    rf"(?<![a-z])(?P<name>{_MONTH})\.?[\s\-]{{0,2}}(?P<d>\d{{1,2}})(?:st|nd|rd|th)?"
    rf"[\s,.\-]{{1,3}}{_YEAR}"
)
_RUN_YEAR_FIRST = re.compile(r"(?<!\d)(?P<y>20\d\d)(?P<m>[01]\d)(?P<d>[0-3]\d)(?!\d)")
_RUN_DAY_FIRST = re.compile(r"(?<!\d)(?P<d>[0-3]\d)(?P<m>[01]\d)(?P<y>20\d\d)(?!\d)")
_RUNS = (_RUN_YEAR_FIRST, _RUN_DAY_FIRST)
_PATTERNS = (_YEAR_FIRST, _FIGURES, _DAY_AND_NAME, _NAME_AND_DAY, *_RUNS)


@dataclass(frozen=True, slots=True)
class DateFound:
    """A date in a line. `is_run` means eight digits without marks, which may be anything.

    `is_swapped` means that the month had to come before the day.
    """

    line: Line
    line_index: int
    start: int
    end: int
    value: date
    is_run: bool = False
    is_swapped: bool = False

    @property
    def raw(self) -> str:
        """The date as printed."""
        return self.line.text[self.start : self.end].strip()


def dates_in(line: Line, line_index: int, *, month_first: bool = False) -> Iterator[DateFound]:
    """Give the dates of a line, in the order of the patterns; none of two that overlap."""
    taken: list[tuple[int, int]] = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(line.plain):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            value, is_swapped = _value(match, month_first=month_first and pattern is _FIGURES)
            if value is None:
                continue
            taken.append(match.span())
            yield DateFound(line, line_index, *match.span(), value, pattern in _RUNS, is_swapped)


def parse_date(text: str) -> date | None:
    """Give the day that a text names and says nothing besides; None where it names none.

    The day comes before the month unless nothing else is possible.
    """
    written = plain(text.strip()).removeprefix("le ")
    for pattern in _PATTERNS:
        match = pattern.fullmatch(written)
        value = _value(match, month_first=False)[0] if match is not None else None
        if value is not None:
            return value
    return None


def is_month_first(lines: Sequence[Line]) -> bool:
    """Whether some date of a document can only be read with the month first, and none otherwise."""
    could_be = {True: True, False: True}
    found = False
    for line in lines:
        for match in _FIGURES.finditer(line.plain):
            first, second = int(match["d"]), int(match["m"])
            if max(first, second) <= 31 and min(first, second) <= 12:
                found = True
                could_be[False] &= second <= 12
                could_be[True] &= first <= 12
    return found and could_be[True] and not could_be[False]


def _value(match: re.Match[str], *, month_first: bool) -> tuple[date | None, bool]:
    parts = match.groupdict()
    year = int(parts["y"])
    if year < 100:
        year += 2000
    day = int(parts["d"])
    month = _MONTH_BY_NAME[parts["name"]] if "name" in parts else int(parts["m"])
    if not MIN_YEAR <= year <= MAX_YEAR:
        return None, False
    if month_first:
        day, month = month, day
    is_swapped = "m" in parts and month > 12 >= day
    if is_swapped:
        day, month = month, day
    try:
        return date(year, month, day), is_swapped
    except ValueError:
        return None, False
