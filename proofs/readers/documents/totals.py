"""Which amount is the total, which the net and which the tax.

Every amount gets a label: the words before it on its line, else the heading of its column, else
the words on the line above. Labels alone do not decide: receipts have five totals. So candidates
are weighed by label, by arithmetic (net + tax = gross, cash - change = total) and by how often the
same value is said.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, pairwise

from proofs.readers.documents.amount_labels import (
    ADVANCE_TITLE,
    BALANCE_TITLE,
    Role,
    is_adjustment,
    is_balance,
    of_advance,
    role_of,
)
from proofs.readers.documents.amounts import Amount, amounts_in
from proofs.readers.documents.currency_marks import (
    follows_in_other_money,
    is_conversion,
    marks_at,
    money_kind,
)
from proofs.readers.documents.ids import holds_vat_id
from proofs.readers.documents.labels import Label, nearest_label
from proofs.readers.documents.layout import Line
from proofs.readers.documents.payables import find_payable
from proofs.readers.documents.sums import Labelled, Sums

# Points for what a label says; a candidate needs some to be taken at all.
_POINTS = {
    Role.GROSS: 4.0,
    Role.TOTAL: 3.0,
    Role.ROUNDED: 4.0,
    Role.NET_TOTAL: 3.5,
    Role.PAYABLE: 3.7,
    Role.DUE: 3.0,
    Role.NET: 0.5,
    Role.PAID: 0.5,
    Role.NONE: 0.0,
}
# Of these the largest is not preferred.
_NO_TOTALS = frozenset({Role.NET, Role.PAID, Role.NONE})
_NET_AND_TAX_POINTS = 3.0
_ONE_ROW_POINTS = 2.0
_CASH_POINTS = 2.5
_ROUNDED_POINTS = 1.5
_REPEATED_POINTS = 0.4
_LARGEST_POINTS = 0.5
_BELOW_SUMMARY_POINTS = -2.0
# The heading "Total" stands over the items as well.
_BELOW_HEADING_POINTS = -2.0
_WHOLE_NUMBER_POINTS = -1.5
# What is called a total, and with a tax makes up another amount, is the net of it.
_IS_NET_POINTS = -2.5
# What a final invoice asks for, where nothing proves another total.
_BALANCE_POINTS = 2.5
_TITLE_LINES = 12
# What follows the one of a rate of exchange, as in 1 € = 655,957.
_RATE = re.compile(r"\s?(?:[€$£]|[A-Z]{3,4})?\s?=")
# Dinars have three decimals, which only other marks before them tell from thousands.
_MILLS = re.compile(r"(?<![\d.,])\d{1,3}(?:[ .\u00a0\u202f]\d{3})+,\d{3}(?![\d.,])")
# What makes the confidence full.
_SURE_POINTS = 7.0
# More on one line are a table of numbers, and more on a document are none of a bill.
MAX_AMOUNTS_PER_LINE, MAX_AMOUNTS = 30, 1_500
# Of more totals, the currency of the first tells.
MAX_IN_MONEY = 60
# What is called a rounding and is more than this is what was rounded.
_MAX_ROUNDING_PRINTED = Decimal("0.5")

_SUMMARY = re.compile(
    r"(?:gst|tax|sst|vat|tva|mwst|ust)\W{0,3}(?:summary|analysis|code|details?|breakdown|aufschl)"
    r"|\bsummary"
)


@dataclass(frozen=True, slots=True)
class Totals:
    """What was chosen, each with its confidence from 0 to 1."""

    total: tuple[Labelled, float] | None = None
    net: tuple[Labelled, float] | None = None
    tax: tuple[Labelled, float] | None = None
    payable: tuple[Labelled, float] | None = None


def find_totals(lines: Sequence[Line]) -> Totals:
    """Weigh all amounts of a document and give the total, the net and the tax."""
    labelled = _without_other_money(lines, label_amounts(lines))
    candidates = [one for one in labelled if one.role in _POINTS and one.value != 0]
    if not candidates:
        return Totals()
    sums = Sums(labelled)
    points = {id(one): _points(one, sums) for one in candidates}
    if _has_title(lines, BALANCE_TITLE):
        for one in candidates:
            is_asked_for = one.role is Role.DUE and is_balance(one.label)
            points[id(one)] += _BALANCE_POINTS * is_asked_for
    totals = [one for one in candidates if one.role not in _NO_TOTALS] or candidates
    money = {id(one): _money_of(lines, one) for one in totals[:MAX_IN_MONEY]}
    largest: dict[str | None, Decimal] = {}
    for one in totals:
        of_kind = money.get(id(one))
        largest[of_kind] = max(abs(one.value), largest.get(of_kind, Decimal(0)))
    for one in totals:
        # Of the same sum in two currencies neither is the larger.
        is_largest = abs(one.value) == largest[money.get(id(one))]
        points[id(one)] += _LARGEST_POINTS * is_largest
    # Of equals the later: the last word on a page is the last word.
    best = max(
        candidates, key=lambda one: (points[id(one)], one.amount.line_index, one.amount.start)
    )
    sure = min(1.0, max(0.1, points[id(best)] / _SURE_POINTS))
    left = find_payable(labelled, best)
    payable = None if left is None else (left, sure)
    return Totals((best, sure), *_parts(best, labelled, sums), payable)


def label_amounts(lines: Sequence[Line]) -> list[Labelled]:
    """Give all amounts with their labels; bare whole numbers only where a total is announced."""
    found: list[Labelled] = []
    is_advance = _has_title(lines, ADVANCE_TITLE)
    has_mills = any(_MILLS.search(line.text) for line in lines)
    below_summary = False
    page = 0
    for index, line in enumerate(lines):
        if line.page != page:
            page, below_summary = line.page, False
        below_summary = below_summary or _SUMMARY.search(line.plain) is not None
        has_vat_id = holds_vat_id(line)
        end_of_last = 0
        amounts = list(islice(amounts_in(line, index, mills=has_mills), MAX_AMOUNTS_PER_LINE))
        for amount in amounts:
            label = _label(lines, index, amount, end_of_last)
            role = role_of(of_advance(label.text) if is_advance else label.text)
            if not amount.is_money and not _is_whole_total(amount, amounts, role):
                continue
            if role is Role.ROUNDING and abs(amount.value) > _MAX_ROUNDING_PRINTED:
                # An insurance adjusts by more than a coin.
                role = Role.OTHER if is_adjustment(label.text) else Role.ROUNDED
            if role is Role.TAX and has_vat_id:
                # "TVA FR 40 303 265 045" is no tax of 40 thousand millions.
                role = Role.OTHER
            if amount.value == 1 and _RATE.match(line.text, amount.end):
                role = Role.OTHER
            end_of_last = amount.end
            is_below_heading = label.is_heading and not _is_row_of_totals(line, amounts)
            found.append(Labelled(amount, role, label.text, is_below_heading, below_summary))
    return found[:MAX_AMOUNTS]


def _has_title(lines: Sequence[Line], title: re.Pattern[str]) -> bool:
    return any(title.search(line.plain) for line in lines[:_TITLE_LINES])


def _is_whole_total(amount: Amount, in_line: Sequence[Amount], role: Role) -> bool:
    """Whether a bare whole number may be a total: announced as one, and the end of its line."""
    return (
        role in {Role.GROSS, Role.TOTAL, Role.PAYABLE, Role.DUE}
        and not any(other.is_money for other in in_line)
        and amount is in_line[-1]
        and amount.line.text[amount.end :].strip(" .*") == ""
    )


def _is_row_of_totals(line: Line, amounts: Sequence[Amount]) -> bool:
    """Whether a line says of itself that it is a total, as the last of a table with columns."""
    return role_of(line.plain[: amounts[0].start]) in {Role.GROSS, Role.TOTAL, Role.PAYABLE}


def _label(lines: Sequence[Line], index: int, amount: Amount, end_of_last: int) -> Label:
    return nearest_label(
        lines,
        index,
        amount.start,
        amount.end,
        end_of_last,
        lambda label: role_of(label) is not Role.NONE,
    )


def _without_other_money(lines: Sequence[Line], labelled: Sequence[Labelled]) -> list[Labelled]:
    """Leave out totals in another currency than the document's own, which most amounts are in.

    Where no more amounts are in one than in the other, only what is called a conversion is left
    out.
    """
    totals = [one for one in labelled if one.role in _POINTS and one.role not in _NO_TOTALS]
    money = {id(one): _money_of(lines, one) for one in totals[:MAX_IN_MONEY]}
    if len({of_kind for of_kind in money.values() if of_kind}) < 2:
        return list(labelled)
    counts = Counter(of_kind for of_kind in money.values() if of_kind)
    counts.update(
        of_kind
        for one in labelled
        if id(one) not in money and (of_kind := money_kind(one.amount.currency))
    )
    converted = {id(one) for one in totals if is_conversion(one.label)}
    converted |= {
        id(one)
        for before, one in pairwise(labelled)
        if follows_in_other_money(before.amount, one.amount)
    }
    own = {money.get(id(one)) for one in totals if id(one) not in converted} - {None}
    if own and converted:
        counts = Counter({of_kind: counts[of_kind] for of_kind in own if of_kind})
    most = max(counts.values())
    kept = {of_kind for of_kind, count in counts.items() if count == most}
    return [one for one in labelled if money.get(id(one)) is None or money[id(one)] in kept]


def _money_of(lines: Sequence[Line], one: Labelled) -> str | None:
    kinds = (money_kind(mark.sign) for mark in marks_at(lines, one.amount))
    return next((kind for kind in kinds if kind), None)


def _points(one: Labelled, sums: Sums) -> float:
    points = _POINTS[one.role]
    points += _REPEATED_POINTS * min(3, sums.times(one.value) - 1)
    if one.is_below_summary and one.role is Role.TOTAL:
        points += _BELOW_SUMMARY_POINTS
    if one.is_below_heading and one.role is not Role.NONE:
        points += _BELOW_HEADING_POINTS
    if not one.amount.is_money:
        points += _WHOLE_NUMBER_POINTS
    return points + _arithmetic(one, sums)


def _arithmetic(one: Labelled, sums: Sums) -> float:
    """Give points for what adds up to this amount."""
    points = 0.0
    if one.role is not Role.NET and sums.has_net_and_tax(one):
        points += _NET_AND_TAX_POINTS
    if one.role is Role.TOTAL and sums.is_net_of_another(one):
        points += _IS_NET_POINTS
    if sums.ends_its_row(one):
        points += _ONE_ROW_POINTS
    if sums.is_cash_less_change(one):
        points += _CASH_POINTS
    if one.role is not Role.NONE and sums.is_rounded(one):
        points += _ROUNDED_POINTS
    return points


def _parts(
    total: Labelled, labelled: Sequence[Labelled], sums: Sums
) -> tuple[tuple[Labelled, float] | None, tuple[Labelled, float] | None]:
    """Give net and tax: the pair that makes up the total, else what is labelled so once."""
    for net, tax in sums.net_and_tax(total):
        is_named_total = net.role is Role.TOTAL and sums.is_net_of_another(net)
        if net.role in {Role.NET, Role.NET_TOTAL} or is_named_total:
            return (net, 0.95), (tax, 0.95)
    nets = [one for one in labelled if one.role is Role.NET and one.value != total.value]
    taxes = [one for one in labelled if one.role is Role.TAX]
    return _only(nets), _only(taxes)


def _only(labelled: Sequence[Labelled]) -> tuple[Labelled, float] | None:
    values = Counter(one.value for one in labelled)
    if len(values) != 1:
        return None
    return labelled[0], 0.6
