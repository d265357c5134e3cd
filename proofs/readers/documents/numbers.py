"""The number by which its maker knows a document: `FA-2026-0117`, `RE-20171118/506`, `471102`.

It stands behind or under its label, or in the title behind the word for such a document. A credit
note names the invoice that it credits as well, and that number is not its own.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proofs.readers.documents.amounts import CURRENCY_CODES, amounts_in
from proofs.readers.documents.dates import dates_in
from proofs.readers.documents.layout import COLUMN, Line

MAX_NUMBER_CHARS = 40

# The words for a document of this kind, in plain letters.
_DOCUMENT = (
    r"note de credit|credit memo"
    r"|invoice|\binv\b|facture|\bfact\b|rechnung|faktura|\bbeleg|receipt|\brecu\b|\bbill|gutschrift"
    r"|avoir|credit note|debit note|korrektur|\bdoc(?:ument)?\b|cash ?memo|\bnote\b|quittung"
    r"|\bpiece|fattura|factura|factuur"
)
_NUMBER_WORD = (
    r"n[o0ou]?\s?[°º]|\bno\b\.?|\bnr\b\.?|-?\s?nr\.?|number|numero|nummer|#|\bid\b|\bref\b"
)
_NO_DOCUMENT = (
    r"customer|client|kunde|order|commande|bestell|account|konto|compte|steuer|\btax\s?(?:id|no)"
    r"|ust|vat\b(?! invoice)|tva|\bgst\s?(?:id|no|reg)|siret|siren|phone|tel\b|fax|liefer|deliver"
    r"|livrais|devis\b|quotation|\bquote\b|angebot|contract|contrat|vertrag|version|reklamation|ursprung|register|regist|\bhrb\b|reg\b|liee"
    r"|artikel|item|origin|purchase|\bpo\b|weitere|referenz\b|mandat|related|gemas|selon|laut"
    r"|\bour\b|table|member|machine|terminal|\bpos\b|cashier|portal|approval|\bcard|batch|trace"
    r"|\bdue\b|\bdate\b|datum|\baddress|adresse|empfanger|\bto\b|amount|total|betrag|montant"
    r"|\bcredit(?:ee?|ed)\b|concern|\bannule|\bremplace\b|\bcancels?\b|\breplaces?\b|against"
)
# What a credit note is called, and what it credits; a "facture d'avoir" is the former.
_CREDIT = r"avoir\b|note de credit|credit (?:note|memo)"
_CREDITED = r"facture(?! d.avoir)|invoice|\binv\b|\bfact\b"
_CREDIT_OR_CREDITED = re.compile(rf"(?P<credit>{_CREDIT})|(?:{_CREDITED})")
# The first of both words at the head of a line or column tells which of them the document is; of
# a credit note only if it stands alone, or before a number or what is credited: "avoir" is a verb.
_TITLE_LINES = 20
_HEAD = re.compile(
    rf"(?:^|{COLUMN})\W*(?:facture )?(?:d.)?"
    rf"(?:(?P<credit>{_CREDIT})"
    rf"(?:\W*$|\W*{COLUMN}|\W+(?:{_NUMBER_WORD}|sur\b|relati|for\b|against\b|\w{{0,5}}\W?\d))"
    rf"|(?:{_CREDITED})(?!.{{0,6}}orig))"
)
_STRONG = re.compile(
    rf"(?:{_DOCUMENT})\w*[\s.:-]{{0,3}}(?:de\s|de la\s)?(?:{_NUMBER_WORD})|"
    rf"(?:{_NUMBER_WORD})\s*(?:de |d\W|der |of )?(?:la |the )?(?:{_DOCUMENT})(?![-_/]?\d)|"
    rf"(?:rechnungs|beleg|faktura)-?(?:nummer|nr)"
)
_TITLE = re.compile(rf"(?:{_DOCUMENT})")
_WEAK = re.compile(rf"(?:{_NUMBER_WORD})")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_\-\u2013]*[A-Za-z0-9]|\d")
_FIRST = re.compile(r"[A-Za-z0-9]")
# A word for the document that is the beginning of its number: "FACT-0042", "INV-17".
_IS_PREFIX = re.compile(r"(?:fact|inv|doc)[-_/]\d")
# What may stand between a document's word and its number.
_KIND = (
    r"(?:\s+(?:pro.?forma|definitive|de (?:solde|situation|location|vente)|d.acompte"
    r"|d.honoraires)\b)?"
)
# A number may go on over a single blank or a mark between blanks, with a short prefix before it.
_PREFIX = re.compile(r"(?P<word>[A-Za-z]{1,4})(?: [-/] | )(?=\d)")
_GOES_ON = re.compile(
    r"(?P<mark> ?[-/\u2013] | [-/\u2013]| )(?P<group>\d{1,8})(?![\w.,:'%€$£°²³/-])"
)
_NO_PREFIX = re.compile(
    r"(?:a|au|avec|by|date|de|des|dt|du|et|fax|for|from|in|la|le|les|no|nr|of|on|par|pour|sur|tel"
    r"|the|to|und|vom|von|with|zu)"
)
_ENDS_NUMBER = re.compile(
    rf"\s*(?:$|{COLUMN}|[-\u2013|,;()\u2022]"
    r"|(?:du|vom|von|of|dated|en date|le|date|emis\w*|issued|page)\b)"
)
_THOUSANDS = re.compile(r"\d{1,3}(?: \d{3})+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_CENTS = re.compile(r"[.,]\d\d$")
_MAX_GROUPS = 3
# A date or an amount is no number of a document.
_NO_VALUE = re.compile(
    r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d\d-\d\d|\d+[.,]\d\d|[1-9]|\d{1,2}[:h]\d\d.*|(?:19|20)\d\d"
)
_DATED = re.compile(r"\W*(?:vom|von|of|du|dated|en date du|le|date)\b\W*\d")

_STRONG_POINTS = 5.0
_TITLE_POINTS = 3.2
_WEAK_POINTS = 2.0
_DATED_POINTS = 1.5
_BELOW_POINTS = -0.6
_OTHER_POINTS = -3.5
_PLAIN_LETTERS_POINTS = -1.5
_DEPTH_POINTS = -1.0
_REPEATED_POINTS = 0.5
_LEAST_POINTS = 1.5
_SURE_POINTS = 5.0


@dataclass(frozen=True, slots=True)
class NumberFound:
    """A number in a line, with its points."""

    line: Line
    start: int
    end: int
    points: float

    @property
    def value(self) -> str:
        """The number as printed."""
        return self.line.text[self.start : self.end]


def find_number(lines: Sequence[Line]) -> tuple[NumberFound, float] | None:
    """Give the document's number and how sure that is, from 0 to 1."""
    on_credit_note = is_credit_note(lines)
    found = [
        one
        for index in range(len(lines))
        for one in _candidates(lines, index, on_credit_note=on_credit_note)
    ]
    if not found:
        return None
    values = [one.value for one in found]
    best = max(
        found,
        key=lambda one: one.points + _REPEATED_POINTS * min(2, values.count(one.value) - 1),
    )
    if best.points < _LEAST_POINTS:
        return None
    return best, min(1.0, best.points / _SURE_POINTS)


def is_credit_note(lines: Sequence[Line]) -> bool:
    """Whether the title says that the document gives back what an invoice asked for."""
    heads = (_HEAD.search(line.plain) for line in lines[:_TITLE_LINES])
    first = next((head for head in heads if head), None)
    return first is not None and first["credit"] is not None


def _candidates(
    lines: Sequence[Line], index: int, *, on_credit_note: bool
) -> Iterator[NumberFound]:
    """Give the numbers that some label of this line announces."""
    line = lines[index]
    depth = _DEPTH_POINTS * index / len(lines)
    for start, end, points in _labels(line):
        if on_credit_note and _is_of_the_credited(line, end):
            continue
        behind = _value_behind(line, end)
        if behind is not None:
            value_start, value_end = behind
            dated = _DATED_POINTS * bool(_DATED.match(line.plain, value_end))
            yield _number(line, value_start, value_end, points + dated + depth)
            continue
        if _is_end_of_cell(line, end):
            below = _value_below(lines, index, start, end)
            if below is not None and not (
                on_credit_note and _is_under_the_credited(lines[index + 1 :], *below[:2])
            ):
                yield _number(*below, points + _BELOW_POINTS + depth)


def _labels(line: Line) -> Iterator[tuple[int, int, float]]:
    """Give the labels of a line: where they stand, and what they are worth."""
    taken: list[tuple[int, int]] = []
    for pattern, points in (
        (_STRONG, _STRONG_POINTS),
        (_TITLE, _TITLE_POINTS),
        (_WEAK, _WEAK_POINTS),
    ):
        for match in pattern.finditer(line.plain):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            taken.append(match.span())
            start, end = match.span()
            if pattern is _TITLE and _IS_PREFIX.match(line.plain, start):
                end = start
            words = _words_before(line, start, match.end())
            worth = points + (_OTHER_POINTS if re.search(_NO_DOCUMENT, words) else 0.0)
            yield start, end, worth


def _words_before(line: Line, start: int, end: int) -> str:
    """Give a label with the words of its column that stand before it."""
    return line.plain[line.plain.rfind(COLUMN, 0, start) + 1 : end]


def _is_of_the_credited(line: Line, end: int) -> bool:
    """Whether a label on a credit note is about the invoice that it credits."""
    named = [word["credit"] for word in _CREDIT_OR_CREDITED.finditer(_words_before(line, end, end))]
    return bool(named) and named[-1] is None


def _is_under_the_credited(below: Sequence[Line], line: Line, start: int) -> bool:
    """Whether a number below a credit note's label has a label of the credited invoice nearer."""
    between = itertools.takewhile(lambda one: one is not line, below)
    return _is_of_the_credited(line, start) or any(
        _is_of_the_credited(one, len(one.plain)) for one in between
    )


def _value_behind(line: Line, at: int) -> tuple[int, int] | None:
    """Give the value behind a label; what kind of a document it is may come between."""
    rest = line.plain[at:]
    # The label's own remainder: "Rechnungs-nr.", "(384) Nr.", "No. :"; but not the F of "n°F-77".
    remainder = "[a-z]*" if line.plain[at - 1 : at].isalpha() else ""
    skip = re.match(
        rf"{remainder}{_KIND}[\s.:#°º\-\u2013*=]*(?:\(\d+\))?[\s.:#]*"
        rf"(?:(?:{_NUMBER_WORD})[\s.:#°º]*)?",
        rest,
    )
    start = at + (skip.end() if skip else 0)
    match = _FIRST.search(line.text, start, start + MAX_NUMBER_CHARS + 20)
    if match is None or line.text[start : match.start()].strip(" .:#-"):
        return None
    end = _end_of_number(line, match.start())
    return (match.start(), end) if _is_number(line.text[match.start() : end]) else None


def _end_of_number(line: Line, start: int) -> int:
    """Give where a number ends that may go on over blanks: "FA 2026 0117", "N-2026 / 118".

    It goes on into no date, no amount and no other words.
    """
    alone = _VALUE.match(line.text, start)
    end_alone = alone.end() if alone else start + 1
    prefix = _PREFIX.match(line.text, start)
    if prefix is None and _GOES_ON.match(line.text, end_alone) is None:
        return end_alone
    stops = _others(line)
    first = start
    if prefix is not None and _is_prefix(line, prefix) and prefix.end() not in stops:
        first = prefix.end()
    elif not any(char.isdigit() for char in line.text[start:end_alone]):
        return end_alone
    behind = _VALUE.match(line.text, first)
    last = behind.end() if behind else first + 1
    for _ in range(_MAX_GROUPS):
        more = _GOES_ON.match(line.text, last)
        if more is None or any(last <= stop < more.end() for stop in stops):
            break
        if not _belongs(line.text[first:last], more, has_prefix=first != start):
            break
        last = more.end()
    return last if _is_end(line, last, stops) else end_alone


def _others(line: Line) -> list[int]:
    """Give where the dates and amounts of a line begin, which are no part of a number."""
    amounts = [one.start for one in amounts_in(line, 0) if one.currency or _CENTS.search(one.raw)]
    return [*amounts, *(one.start for one in dates_in(line, 0))]


def _is_prefix(line: Line, prefix: re.Match[str]) -> bool:
    """Whether a few letters before a number are a part of it, as in "FA 2026 0117"."""
    word = prefix["word"]
    announced = _WEAK.search(line.plain, max(0, prefix.start() - 12), prefix.start()) is not None
    return (
        _NO_PREFIX.fullmatch(word.lower()) is None
        and word.upper() not in CURRENCY_CODES.split("|")
        and (announced or word.isupper())
    )


def _belongs(before: str, more: re.Match[str], *, has_prefix: bool) -> bool:
    """Whether a group of digits may go on what stands before it."""
    group = more["group"]
    if more["mark"].strip():
        return True
    if len(group) < 2:
        return False
    if has_prefix or any(char.isalpha() for char in before):
        return True
    # Two numbers side by side may be two numbers.
    is_year = _YEAR.fullmatch(before) is not None
    return is_year or group.startswith("0") or bool(_THOUSANDS.fullmatch(before + more[0]))


def _is_end(line: Line, at: int, stops: Sequence[int]) -> bool:
    """Whether what follows tells that a number ends here: nothing, a mark, a date or its word."""
    next_word = len(line.text) - len(line.text[at:].lstrip())
    return next_word in stops or _ENDS_NUMBER.match(line.plain, at) is not None


def _is_number(value: str) -> bool:
    return (
        any(char.isdigit() for char in value)
        and len(value) <= MAX_NUMBER_CHARS
        and _NO_VALUE.fullmatch(value) is None
    )


def _is_end_of_cell(line: Line, at: int) -> bool:
    rest = line.plain[at:]
    cell = rest.split(COLUMN, 1)[0]
    return not any(char.isalnum() for char in re.sub(r"^[a-z]*\.?", "", cell))


def _value_below(
    lines: Sequence[Line], index: int, start: int, end: int
) -> tuple[Line, int, int] | None:
    """Give the value under a label, on one of the next two lines."""
    line = lines[index]
    box = line.box(start, end)
    for below in lines[index + 1 : index + 3]:
        if below.page != line.page or below.y0 - line.y1 > 3 * line.height:
            break
        for match in _VALUE.finditer(below.text):
            place = below.box(*match.span())
            if place.x0 >= box.x1 or place.x1 <= box.x0:
                continue
            end_of_value = _end_of_number(below, match.start())
            if _is_number(below.text[match.start() : end_of_value]):
                return below, match.start(), end_of_value
    return None


def _number(line: Line, start: int, end: int, points: float) -> NumberFound:
    value = line.text[start:end]
    if sum(char.isdigit() for char in value) < 3:
        points += _PLAIN_LETTERS_POINTS
    return NumberFound(line, start, end, points)
