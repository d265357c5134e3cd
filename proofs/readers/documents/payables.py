"""What a page says is left to pay of its total, after what was paid before.

A till receipt says as well that it was paid, by cash or card, and that is what receipts are for.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from proofs.readers.documents.amount_labels import Role
from proofs.readers.documents.sums import MAX_ROUNDING, Labelled

# What says of itself that it is left, whatever else its label may be taken for.
_LEFT = re.compile(
    r"\bba[l1]ance\b|montant du\W*$|\bnet du\W*$|remaining|left to pay|still due|amount outstanding"
    r"|offene[rn]? betrag|restzahlung"
)
_ADVANCE = re.compile(
    r"acompte|avance|arrhes|advance|deposit|anzahlung|abschlag|prepa|vorauszahlung|deja|versement"
    r"|already|less paid|payments? received|part payment|instal"
)
_TILL = re.compile(
    r"\bcash\b|\bcard\b|\bcarte\b|especes|\bcb\b|\bvisa\b|master|\bamex\b|tunai|tender|gegeben|\bbar\b"
)


def find_payable(labelled: Sequence[Labelled], total: Labelled) -> Labelled | None:
    """Give what is left to pay where that is less than the total; None where all of it is owed, or
    was paid at a till.
    """
    left = [
        one
        for one in labelled
        if _is_left(one) and 0 <= one.value < total.value - MAX_ROUNDING and one is not total
    ]
    if not left:
        return None
    last = left[-1]
    paid = total.value - last.value
    advances = [one.value for one in labelled if _ADVANCE.search(one.label)]
    if any(abs(value) == paid for value in _and_sums(advances)):
        return last
    if last.role not in {Role.DUE, Role.PAYABLE} or any(_is_of_a_till(one) for one in labelled):
        return None
    return last if last.value == 0 or _is_reduced_by(labelled, paid) else None


def _is_left(one: Labelled) -> bool:
    return one.role in {Role.DUE, Role.PAYABLE} or _LEFT.search(one.label) is not None


def _is_of_a_till(one: Labelled) -> bool:
    if one.role is Role.CHANGE and not _LEFT.search(one.label):
        return True
    return _TILL.search(one.label) is not None and not _ADVANCE.search(one.label)


def _is_reduced_by(labelled: Sequence[Labelled], paid: Decimal) -> bool:
    """Whether the page names what makes the difference, such as money that is held back."""
    return any(abs(one.value) == paid for one in labelled)


def _and_sums(values: Sequence[Decimal]) -> Iterator[Decimal]:
    """Give each value, and what they and those before make together."""
    together = Decimal(0)
    for value in values:
        together += abs(value)
        yield value
        yield together
