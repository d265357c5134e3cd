"""The signs and codes of currencies that stand at an amount: beside it, in its label, over it.

The nearest comes first. A sign may mean several currencies; `code_of` of `currencies` tells which.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proofs.readers.documents.amounts import ISO_CODES, Amount, amounts_in
from proofs.readers.documents.labels import MAX_LABEL_CHARS, cell_over, has_letters
from proofs.readers.documents.layout import COLUMN, Line

# Codes in capitals only: in small letters some are parts of sentences.
MARK = re.compile(
    rf"\b(?:{ISO_CODES})\b|(?:\b(?:US|CA|AU|NZ|HK|[ACS])\s?)?\$(?:\s?(?:US|CA|AU|NZ|HK)\b)?|€|£|¥|₹|₦"
    r"|(?i:\beuros?\b|\bF\s?\.?\s?CFA\b|\bCFA\b|\bRM\b)"
)
_BEHIND = re.compile(rf"\s?\(?(?P<mark>{ISO_CODES}|(?:US|CA|AU|NZ|HK)\b)\b")
# "Soit en euros", "Equivalent in EUR at 0.9213", "Total (XOF @ 605.2)": the same in other money.
CONVERSION = re.compile(
    r"equivalen|\bsoit\b|contre.?valeur|\bapprox|(?:exchange|conversion) rate|\bat (?:a |the )?rate"
    r"|\b(?:taux|cours) de change|\bau cours d|converti|\benviron\b|@ ?\d+[.,]\d{2,}"
    r"|\b1 ?(?:[€$£]|[a-z]{3,5}) ?="
)
# "Montant en EUR", said beside a total in other money.
_IN_OTHER_MONEY = re.compile(rf"\b(?:en|in) \W*(?:{ISO_CODES.lower()}|euros?|f ?cfa|francs?)\b\W*$")
_SAYS_AGAIN = re.compile(r"\s*(?:\(|[/=\u2248~]).*")
_FRANCS = frozenset({"FCFA", "CFA", "XOF", "XAF"})
_SAME_AS = {"€": "EUR", "EURO": "EUR", "EUROS": "EUR", "£": "GBP", "RM": "MYR", "US$": "USD"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A sign or code as printed, and its place."""

    sign: str
    line: Line
    start: int
    end: int


def marks_at(lines: Sequence[Line], amount: Amount) -> Iterator[Mark]:
    """Give the marks of an amount: its own, the one behind, the label's, the heading's."""
    line = amount.line
    if amount.currency:
        yield Mark(amount.currency, line, amount.start, amount.end)
    behind = _BEHIND.match(line.text, amount.end)
    if behind is not None:
        sign = behind["mark"] if len(behind["mark"]) > 2 else f"{behind['mark']}$"
        yield Mark(sign, line, *behind.span("mark"))
    others = [one for one in amounts_in(line, amount.line_index) if one.is_money]
    first = max((one.end for one in others if one.end <= amount.start), default=0)
    first = max(first, amount.start - MAX_LABEL_CHARS)
    in_label = list(MARK.finditer(line.text, first, amount.start))
    if in_label:
        yield Mark(in_label[-1][0], line, *in_label[-1].span())
    heading = _in_heading(lines, amount)
    if heading is not None:
        yield heading
    # "Total en FCFA (1 € = 655,957)  787 148": the label goes on over another number.
    before = MARK.search(line.text, max(0, amount.start - MAX_LABEL_CHARS), first)
    if before is not None:
        yield Mark(before[0], line, *before.span())


def _in_heading(lines: Sequence[Line], amount: Amount) -> Mark | None:
    """Give the mark in the words over an amount, passing over what are no words."""
    box = amount.line.box(amount.start, amount.end)
    for above in reversed(lines[: amount.line_index]):
        if above.page != amount.line.page:
            break
        cell = cell_over(above, box.x0, box.x1)
        if not cell:
            continue
        start = above.plain.find(cell)
        found = MARK.search(above.text, start, start + len(cell))
        is_heading = found is not None and not any(char.isdigit() for char in cell)
        if found is not None and is_heading:
            return Mark(found[0], above, *found.span())
        if has_letters(cell):
            break
    return None


def money_kind(sign: str) -> str | None:
    """Give what is the same for all marks of a currency; None for `$` and for no sign.

    Both francs CFA are one, since a page means one of them.
    """
    written = re.sub(r"[\s.]", "", sign).upper()
    if written in _FRANCS:
        return "FCFA"
    return None if written in {"", "$"} else _SAME_AS.get(written, written)


def follows_in_other_money(before: Amount, amount: Amount) -> bool:
    """Whether an amount says that before it again: "GBP 100.00 (EUR 118.00)", "9 000 F / 14 €"."""
    between = before.line.text[before.end : amount.start]
    kinds = {money_kind(before.currency), money_kind(amount.currency)}
    is_beside = before.line is amount.line and COLUMN not in between
    return (
        is_beside
        and _SAYS_AGAIN.fullmatch(between + amount.raw[:1]) is not None
        and len(kinds - {None}) > 1
    )


def is_conversion(label: str) -> bool:
    """Whether a label, in plain letters, says that an amount is the same in other money."""
    return any(pattern.search(label) for pattern in (CONVERSION, _IN_OTHER_MONEY))
