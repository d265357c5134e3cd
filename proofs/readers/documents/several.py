"""What a document has more than one of: accounts to pay to, and whole invoices.

One value is read of each field, so a second account or a second invoice on other pages would go by
unseen. Which of them counts is for a person.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from proofs.readers.documents.facts import Note, NoteCode
from proofs.readers.documents.ids import payees_ibans
from proofs.readers.documents.layout import Line
from proofs.readers.documents.numbers import find_number
from proofs.readers.documents.totals import find_totals

# As sure as a number behind a title, or a total that is called so.
_SURE_NUMBER, _SURE_TOTAL = 0.6, 0.5
# What OCR reads for one another: a number that was misread on one page is no other invoice.
_LOOKS_LIKE = str.maketrans("OILSBZG", "0115826")


def several_notes(lines: Sequence[Line]) -> Iterator[Note]:
    """Give a note if the lines of a document name several accounts, and one if several invoices."""
    by_iban = {one.value: one.line.page for one in reversed(payees_ibans(lines))}
    if len(by_iban) > 1:
        yield _note(NoteCode.SEVERAL_IBANS, "Several accounts", set(by_iban.values()))
    by_number = _lines_by_number(lines)
    if len(by_number) > 1:
        begins_on = {mine[0].page for mine in by_number.values() if _has_total(mine)}
        if len(begins_on) > 1:
            yield _note(NoteCode.SEVERAL_INVOICES, "Several invoices", begins_on)


def _lines_by_number(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """Give the lines of each invoice number that a page announces; a page without one goes on with
    the invoice of the page before it.
    """
    pages = [list(of_page) for _, of_page in groupby(lines, key=lambda line: line.page)]
    found: dict[str, list[Line]] = {}
    mine: list[Line] = []
    for page in pages if len(pages) > 1 else ():
        number = find_number(page)
        if number is not None and number[1] >= _SURE_NUMBER:
            key = "".join(filter(str.isalnum, number[0].value.upper())).translate(_LOOKS_LIKE)
            mine = found.setdefault(key, [])
        mine += page
    return found


def _has_total(lines: Sequence[Line]) -> bool:
    total = find_totals(lines).total
    return total is not None and total[1] >= _SURE_TOTAL


def _note(code: NoteCode, what: str, pages: set[int]) -> Note:
    on = sorted(pages)
    return Note(
        code=code,
        message=f"{what} on pages {', '.join(map(str, on))}.",
        hint="Look which of them is meant.",
        pages=tuple(on),
    )
