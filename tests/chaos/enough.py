"""Whether there was anything that could have gone wrong: a run in which nobody did anything proves
nothing, however silent its judges are."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from tests.chaos.snapshot import Row, Snapshot

# What a run shows at the least: answers since everybody had settled in, and snapshots of the books.
_ANSWERS, _ANSWERS_PER_FAULT = 20, 2
_SNAPSHOTS, _SNAPSHOTS_PER_FAULT = 300, 5
# After so many faults every kind of journey must have been made.
_LONG = 100

_Leaves = Callable[[Snapshot], bool]


@dataclass(frozen=True)
class Done:
    """What people did in a run of so many faults.

    answers: what they were told after they had settled in. begun, ended: their journeys by name.
    """

    faults: int
    answers: int
    snapshots: int
    begun: "Counter[str]"
    ended: "Counter[str]"


def too_little(done: Done, journeys: Collection[str], found: Snapshot) -> list[str]:
    """Where less happened than must have. journeys: the kinds that people choose from."""
    return [*_few(done), *_unmade(done, journeys), *_without_trace(done, found)]


def _few(done: Done) -> Iterator[str]:
    for what, count, least in (
        ("answers", done.answers, max(_ANSWERS, _ANSWERS_PER_FAULT * done.faults)),
        ("snapshots", done.snapshots, max(_SNAPSHOTS, _SNAPSHOTS_PER_FAULT * done.faults)),
    ):
        if count < least:
            yield f"only {count} {what}, at least {least} were to be"


def _unmade(done: Done, journeys: Collection[str]) -> Iterator[str]:
    """Journeys that nobody came home from, and kinds that nobody set out on."""
    for journey, count in done.begun.items():
        if done.ended[journey] != count:
            yield f"of {count} times {journey} only {done.ended[journey]} came to an end"
    if not done.begun:
        yield "nobody set out on any journey"
    # Every kind is dealt before any deck is dealt again.
    if sum(done.begun.values()) >= len(journeys) or done.faults >= _LONG:
        unmade = sorted({*journeys} - {*done.ended})
        yield from (f"nobody made the journey {journey}" for journey in unmade)


def _without_trace(done: Done, found: Snapshot) -> Iterator[str]:
    """Journeys that came to their end and left nothing of their kind behind."""
    for journey in done.ended:
        if journey not in LEAVES:
            yield f"nobody knows what the journey {journey} leaves behind"
        elif not LEAVES[journey](found):
            yield f"the journey {journey} was made and left nothing behind"


def _row(table: str, **values: object) -> _Leaves:
    """Whether a table has a row with these values."""

    def fits(row: Row) -> bool:
        return all(row[name] == value for name, value in values.items())

    return lambda found: any(fits(row) for row in getattr(found, table))


_PAID_OUT = _row("payments", kind="payout", status="SETTLED")
_PAID_BACK = _row("payments", kind="refund", status="SETTLED")

# By the name of a journey: the row that is there once one of its kind was made.
LEAVES: Mapping[str, _Leaves] = {
    "prove_the_work": _row("proofs", status="APPROVED"),
    "accept_it_all": _PAID_OUT,
    "take_some_back": _PAID_BACK,
    "pay_others": _row("payments", kind="spend", status="SETTLED"),
    "call_it_off": _PAID_BACK,
    "give_it_back": _PAID_BACK,
    "quarrel": _PAID_OUT,
    "win_at_the_bank": _row("chargebacks", status="WON"),
    "lose_a_part_at_the_bank": _row("chargebacks", status="LOST"),
    "lose_after_all_was_paid": _row("chargebacks", status="LOST"),
    "pay_by_phone": _row("lines", status="SETTLED"),
    "show_an_invoice": lambda found: bool(found.readings),
    # Its only purchase may have been brought back before it was paid.
    "buy_under_a_mandate": lambda found: bool(found.purchases),
    "deliver_and_accept": _PAID_OUT,
}
