"""The escrows judged: each is what its client was told, and each agrees with its own rows."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.chaos.snapshot import Row, Snapshot

if TYPE_CHECKING:
    from tests.chaos.journeys import Deal

_OVER = frozenset({"RELEASED", "REFUNDED", "CANCELLED"})
_REST_KEY = re.compile(r"payment:\d+(?::rest(?:_again)?)+")


def deals(found: Snapshot, agreed: Iterable["Deal"]) -> list[str]:
    """Every escrow is exactly as its client, who was told of each step, keeps book of it; one that
    nobody was told of is as it was made; and all agree with their deposits and payments."""
    known = {deal.escrow_id: deal for deal in agreed}
    escrows = {row["id"]: row for row in found.escrows}
    books = _Books(found)
    return [
        *_differing(escrows, known, books),
        *_orphans(found, escrows, known),
        *(problem for row in found.escrows for problem in books.problems_of(row)),
    ]


class _Books:
    """What deposits and payments come to, by escrow."""

    def __init__(self, found: Snapshot) -> None:
        self.deposits, self.payments = _by(found.deposits), _by(found.payments)
        transfers = {row["business_key"]: row["code"] for row in found.transfers}
        self._came_back = {
            row["id"]
            for row in found.payments
            if row["status"] == "SETTLED" and transfers.get(f"{row['origin']}:back")
        }
        self._beyond = {
            row["id"]
            for row in found.payments
            if transfers.get(row["business_key"].removesuffix(":refund")) == "surplus"
            or _REST_KEY.fullmatch(row["business_key"])
        }

    def confirmed(self, escrow_id: int) -> list[int]:
        """The amounts of the deposits that count."""
        rows = self.deposits[escrow_id]
        return sorted(row["amount_minor"] for row in rows if row["status"] == "CONFIRMED")

    def totals(self, escrow_id: int) -> tuple[int, int, int]:
        """What came in and stayed, what was given to others and what was given back."""
        out: Counter[bool] = Counter()
        for row in self.payments[escrow_id]:
            is_live = row["status"] not in {"REFUNDED", "CANCELLED"}
            if is_live and row["id"] not in self._came_back | self._beyond:
                out[row["kind"] == "refund"] += row["amount_minor"]
        taken = sum(row["charged_back_minor"] for row in self.deposits[escrow_id])
        return sum(self.confirmed(escrow_id)) - taken, out[False], out[True]

    def problems_of(self, escrow: Row) -> Iterator[str]:
        """Where an escrow does not agree with its own rows."""
        names = ("funded_minor", "released_minor", "refunded_minor")
        says, wanted = tuple(escrow[name] for name in names), self.totals(escrow["id"])
        if says != wanted:
            yield f"escrow {escrow['id']} says {says}, its deposits and payments say {wanted}"
        held = says[0] - says[1] - says[2]
        if escrow["status"] in _OVER and held:
            yield f"escrow {escrow['id']} is {escrow['status']} and holds {held}"


def _differing(
    escrows: Mapping[int, Row], known: Mapping[int, "Deal"], books: _Books
) -> Iterator[str]:
    for escrow_id, deal in known.items():
        row = escrows.get(escrow_id)
        if row is None:
            yield f"escrow {escrow_id} was acknowledged and is gone"
            continue
        if not deal.is_sure:
            continue
        _, given, back = books.totals(escrow_id)
        seen = (
            row["status"],
            row["funded_minor"],
            row["released_minor"],
            row["refunded_minor"],
            books.confirmed(escrow_id),
            given,
            back,
        )
        told = (
            deal.status,
            sum(deal.deposits_minor) - deal.charged_back_minor,
            deal.released_minor,
            deal.refunded_minor,
            sorted(deal.deposits_minor),
            deal.released_minor,
            deal.refunded_minor,
        )
        if seen != told:
            yield f"escrow {escrow_id} is {seen}, its client was told {told}"


def _orphans(
    found: Snapshot, escrows: Mapping[int, Row], known: Mapping[int, "Deal"]
) -> Iterator[str]:
    """Made, and its maker was never told: then nobody can have done anything with it."""
    for escrow_id in escrows.keys() - known.keys():
        used = [
            name
            for name in ("deposits", "payments", "fundings", "proofs", "chargebacks")
            if any(row["escrow_id"] == escrow_id for row in getattr(found, name))
        ]
        if used or escrows[escrow_id]["status"] != "DRAFT":
            state = escrows[escrow_id]["status"]
            yield f"escrow {escrow_id}, of which nobody was told, is {state} and has {used}"


def _by(rows: Sequence[Row]) -> Mapping[Any, list[Row]]:
    grouped: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["escrow_id"]].append(row)
    return grouped
