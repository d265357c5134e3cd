"""What adds up among a document's amounts: net + tax = gross, cash - change = total.

Everything is looked up by value, so that a page full of amounts costs little more than a bill.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from proofs.readers.documents.amount_labels import Role
from proofs.readers.documents.amounts import Amount

# What may be the net of a total.
NETS = frozenset({Role.NET, Role.NET_TOTAL, Role.TOTAL, Role.NONE})
_PAYMENTS = frozenset({Role.PAID, Role.CHANGE, Role.TAX, Role.ROUNDING})
# More are no bill.
MAX_NETS, MAX_TAXES, MAX_PAYMENTS = 200, 40, 40
MAX_RATES = 4
_CENT = Decimal("0.01")
# Sums of rounded parts may be off by so many cents.
_TOLERANCE_CENTS = 2
_LOWEST_TAX, _HIGHEST_TAX = Decimal("0.01"), Decimal("0.5")
# Cash is rounded to the coins there are.
MAX_ROUNDING = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class Labelled:
    """An amount and what stands beside it says."""

    amount: Amount
    role: Role
    label: str
    is_below_heading: bool = False
    is_below_summary: bool = False

    @property
    def value(self) -> Decimal:
        """The amount's value."""
        return self.amount.value


class Sums:
    """The sums of one document's amounts."""

    def __init__(self, labelled: Sequence[Labelled]) -> None:
        """Add up what may be added."""
        self._counts = Counter(one.value for one in labelled)
        self._pairs: dict[Decimal, list[tuple[Labelled, Labelled]]] = defaultdict(list)
        for net, tax in _pairs(labelled):
            self._pairs[(net.value + tax.value).quantize(_CENT, ROUND_HALF_EVEN)].append((net, tax))
        self._nets = set(self._nets_of_what_is_below(labelled))
        self._with_all_taxes = set(_nets_and_all_taxes(labelled))
        self._paid = set(_cash_less_change(labelled))
        self._rounded = _rounded(labelled)
        self._rows: dict[int, list[Labelled]] = defaultdict(list)
        for one in labelled:
            self._rows[one.amount.line_index].append(one)

    def _nets_of_what_is_below(self, labelled: Sequence[Labelled]) -> Iterator[Decimal]:
        for one in labelled:
            if one.role in _PAYMENTS:
                continue
            for net, tax in self._pairs.get(one.value.quantize(_CENT, ROUND_HALF_EVEN), ()):
                is_below = one.amount.line_index > tax.amount.line_index >= net.amount.line_index
                if net.amount.is_money and is_below:
                    yield net.value

    def times(self, value: Decimal) -> int:
        """Give how often a value is printed."""
        return self._counts[value]

    def net_and_tax(self, one: Labelled) -> Iterator[tuple[Labelled, Labelled]]:
        """Give the pairs of a net amount and a tax that make up this amount."""
        exact = one.value.quantize(_CENT, ROUND_HALF_EVEN)
        for cents in range(-_TOLERANCE_CENTS, _TOLERANCE_CENTS + 1):
            for net, tax in self._pairs.get(exact + cents * _CENT, ()):
                unnamed = net.role is Role.NONE and one.role is Role.NONE
                if net is not one and tax is not one and not unnamed:
                    yield net, tax

    def has_net_and_tax(self, one: Labelled) -> bool:
        """Whether a net amount and a tax, or the taxes of all rates together, make it up."""
        return any(self.net_and_tax(one)) or one.value in self._with_all_taxes

    def is_net_of_another(self, one: Labelled) -> bool:
        """Whether it and a tax make up an amount that is printed below them both."""
        return one.value in self._nets

    def ends_its_row(self, one: Labelled) -> bool:
        """Whether two amounts before it on its line make it up, as in the last row of a table."""
        before = [
            other.value
            for other in self._rows[one.amount.line_index]
            if other.amount.start < one.amount.start and other.value
        ]
        return any(one.value - value in before[i + 1 :] for i, value in enumerate(before))

    def is_cash_less_change(self, one: Labelled) -> bool:
        """Whether what was handed over less the change is this amount."""
        return (one.value, True) in self._paid or (
            one.role is not Role.PAID and (one.value, False) in self._paid
        )

    def is_rounded(self, one: Labelled) -> bool:
        """Whether it is another total plus a rounding that is not nought."""
        return any(one.value == base + rounding for base, rounding in self._rounded)


def _pairs(labelled: Sequence[Labelled]) -> Iterator[tuple[Labelled, Labelled]]:
    taxes = _distinct([one for one in labelled if one.role is Role.TAX and one.value], MAX_TAXES)
    nets = _distinct([one for one in labelled if one.role in NETS and one.value], MAX_NETS)
    for net in nets:
        for tax in taxes:
            # A tax that is levied: of the same sign, and from 1 to 50 percent.
            if _LOWEST_TAX <= tax.value / net.value <= _HIGHEST_TAX:
                yield net, tax


def _nets_and_all_taxes(labelled: Sequence[Labelled]) -> Iterator[Decimal]:
    """Give what is named net plus the taxes of several rates, each on a line of its own."""
    taxes = {one.amount.line_index: one.value for one in labelled if one.role is Role.TAX}
    if not 2 <= len(taxes) <= MAX_RATES:
        return
    tax = sum(taxes.values(), Decimal(0))
    for net in labelled:
        is_named_net = net.role in {Role.NET, Role.NET_TOTAL} and net.value != 0
        if is_named_net and _LOWEST_TAX <= tax / net.value <= _HIGHEST_TAX:
            yield net.value + tax


def _distinct(labelled: Sequence[Labelled], at_most: int) -> list[Labelled]:
    """Give one of each value, the first that is named; the named ones before the others."""
    by_value: dict[Decimal, Labelled] = {}
    for one in sorted(labelled, key=lambda one: one.role is Role.NONE):
        by_value.setdefault(one.value, one)
    return list(by_value.values())[:at_most]


def _cash_less_change(labelled: Sequence[Labelled]) -> Iterator[tuple[Decimal, bool]]:
    """Give what was paid, and whether there was change.

    Change of nought proves nothing of the cash itself.
    """
    changes = [one for one in labelled if one.role is Role.CHANGE and one.value >= 0]
    paid = [one for one in labelled if one.role in {Role.PAID, Role.NONE}]
    for change in changes[:MAX_PAYMENTS]:
        for cash in paid[-MAX_PAYMENTS:]:
            if cash.amount.line_index <= change.amount.line_index and (
                cash.role is Role.PAID or change.value > 0
            ):
                yield cash.value - change.value, change.value > 0


def _rounded(labelled: Sequence[Labelled]) -> list[tuple[Decimal, Decimal]]:
    """Give totals with the rounding that follows them."""
    roundings = {
        one.value
        for one in labelled
        if one.role is Role.ROUNDING and 0 < abs(one.value) <= MAX_ROUNDING
    }
    bases = {one.value for one in labelled if one.role is not Role.ROUNDING}
    return [(base, rounding) for rounding in list(roundings)[:3] for base in bases]
