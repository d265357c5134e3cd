"""Holding a PSP's own record against ours. Pure: lists in, differences out.

Matched is by the PSP's reference, then by our key; never by an amount that happens to agree. What
either side changed within the grace before the list was read is in flight: the other side has not
had the time to hear of it, and the next run judges it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from kobatela.kernel.money import Money
from payments.psp.base import Movement, MovementKind, OrderState


class DifferenceKind(StrEnum):
    """How two records disagree.

    MISSING_THERE: the PSP does not list what we gave or got. MISSING_HERE: it lists what we never
    ordered. DUPLICATE: it lists one order of ours again. AMOUNT, CURRENCY: of the same movement.
    STATUS: they do not agree on what became of it. LATE: both wait for its end, for too long.
    """

    MISSING_THERE = "MISSING_THERE"
    MISSING_HERE = "MISSING_HERE"
    DUPLICATE = "DUPLICATE"
    AMOUNT = "AMOUNT"
    CURRENCY = "CURRENCY"
    STATUS = "STATUS"
    LATE = "LATE"


@dataclass(frozen=True, slots=True)
class Record:
    """What we know of one movement.

    subject: `payment:7`, `funding:3` or `chargeback:4`. psp_ref: "" while the PSP has told none.
    state: ACCEPTED while its end is open. changed_at: when it came to that state. was_accepted:
    whether the PSP has said that it has it.
    """

    kind: MovementKind
    subject: str
    key: str
    psp_ref: str
    money: Money
    state: OrderState
    began_at: datetime
    changed_at: datetime
    was_accepted: bool


@dataclass(frozen=True, slots=True)
class Span:
    """What a run looks at: movements from `since` up to `until`, listed at `read_at`.

    The time between `until` and `read_at` is the grace. cases_since: from when on chargebacks are,
    because banks decide them after months.
    """

    since: datetime
    until: datetime
    read_at: datetime
    cases_since: datetime

    def holds(self, kind: MovementKind, moment: datetime) -> bool:
        """Whether a movement of this moment is judged."""
        since = self.cases_since if kind is MovementKind.CHARGEBACK else self.since
        return since <= moment <= self.until


@dataclass(frozen=True, slots=True)
class Found:
    """One difference. identity: by it the next run knows it again.

    is_sure: False when it may be in flight still, because the PSP does not tell since when it is.
    """

    kind: DifferenceKind
    identity: str
    subject: str
    occurred_at: datetime
    record: Record | None
    movement: Movement | None
    is_sure: bool = True


@dataclass(slots=True)
class Comparison:
    """What a comparison came to. in_flight: the keys of what it could not judge yet."""

    found: list[Found] = field(default_factory=list)
    in_flight: set[str] = field(default_factory=set)
    agreed: int = 0


# An order that the PSP has never confirmed may not have reached it; the sweeper is at it.
UNANSWERED_FOR = timedelta(hours=1)
LATE_AFTER: Mapping[MovementKind, timedelta] = {
    MovementKind.TRANSFER: timedelta(days=2),
    # A card's bank takes up to ten days.
    MovementKind.REFUND: timedelta(days=10),
}
_MONEY_HAS_MOVED = frozenset({OrderState.SETTLED, OrderState.RETURNED})


def compare(
    records: Sequence[Record], movements: Sequence[Movement], *, psp: str, span: Span
) -> Comparison:
    """Every difference between our records and the PSP's movements in a span.

    records: all of the span, and those of any time that one of the movements names.
    """
    groups, unknown = _match(records, movements)
    result = Comparison()
    for record in records:
        _judge(result, record, groups.get(record.key, ()), span)
    for movement in unknown:
        if _is_money(movement) and span.holds(movement.kind, movement.created_at):
            result.found.append(_unknown(movement, psp))
    return result


def _match(
    records: Sequence[Record], movements: Sequence[Movement]
) -> tuple[Mapping[str, Sequence[Movement]], Sequence[Movement]]:
    """The movements of each record, by its key, and those of none."""
    by_key = {(record.kind, record.key): record for record in records}
    by_ref = {(record.kind, record.psp_ref): record for record in records if record.psp_ref}
    groups: dict[str, list[Movement]] = defaultdict(list)
    unknown: list[Movement] = []
    for movement in movements:
        record = by_ref.get((movement.kind, movement.psp_ref))
        if record is None and movement.key:
            record = by_key.get((movement.kind, movement.key))
        if record is None:
            unknown.append(movement)
        else:
            groups[record.key].append(movement)
    return groups, unknown


def _judge(result: Comparison, record: Record, candidates: Sequence[Movement], span: Span) -> None:
    own = next((one for one in candidates if record.psp_ref in {"", one.psp_ref}), None)
    others = list(candidates)
    if own is not None:
        others.remove(own)
    for number, other in enumerate(others, start=1):
        # Numbered, because a list can hold the very same line three times.
        identity = f"{record.key}:{other.psp_ref}:{number}"
        result.found.append(_found(DifferenceKind.DUPLICATE, record, other, identity=identity))
    if _is_in_flight(record, own, span):
        result.in_flight.add(record.key)
        return
    kinds = list(_differences(record, own, span))
    for kind in kinds:
        # A PSP that does not tell since when has perhaps only just changed its mind.
        is_sure = kind is not DifferenceKind.STATUS or (
            own is not None and own.changed_at is not None
        )
        result.found.append(_found(kind, record, own, is_sure=is_sure))
    if own is not None and not kinds and not others:
        result.agreed += 1


def _is_in_flight(record: Record, own: Movement | None, span: Span) -> bool:
    moved_at = [record.changed_at]
    if own is not None:
        moved_at.append(own.changed_at or own.created_at)
    return max(moved_at) > span.until


def _differences(record: Record, own: Movement | None, span: Span) -> Iterator[DifferenceKind]:
    if own is None:
        if span.holds(record.kind, record.began_at) and _must_be_listed(record, span):
            yield DifferenceKind.MISSING_THERE
        return
    if not _agree(record, own):
        yield DifferenceKind.STATUS
    elif _is_late(record, span):
        yield DifferenceKind.LATE
    # What a payer pays into a session is known only when both say that it was paid.
    is_open_session = record.kind is MovementKind.FUNDING and record.state != own.state
    if is_open_session:
        return
    if own.money.currency != record.money.currency:
        yield DifferenceKind.CURRENCY
    elif own.money.amount_minor != record.money.amount_minor:
        yield DifferenceKind.AMOUNT


def _must_be_listed(record: Record, span: Span) -> bool:
    """Whether the PSP cannot but have what we know of."""
    if record.state is OrderState.FAILED:
        # Most were refused at once, and no PSP lists what it never took.
        return False
    is_answered = record.was_accepted or record.state in _MONEY_HAS_MOVED
    if record.kind is MovementKind.FUNDING:
        return is_answered
    return is_answered or record.began_at <= span.read_at - UNANSWERED_FOR


def _agree(record: Record, own: Movement) -> bool:
    if record.state is own.state:
        return True
    # A session that we gave up stays open at the PSP until somebody pays it, or nobody.
    is_session = record.kind is MovementKind.FUNDING
    return is_session and (record.state, own.state) == (OrderState.FAILED, OrderState.ACCEPTED)


def _is_late(record: Record, span: Span) -> bool:
    allowed = LATE_AFTER.get(record.kind)
    is_open = record.state is OrderState.ACCEPTED
    return is_open and allowed is not None and record.began_at < span.read_at - allowed


def _is_money(movement: Movement) -> bool:
    """Whether money moved, or is about to, by what a PSP lists and we do not know."""
    if movement.kind is MovementKind.FUNDING:
        return movement.state in _MONEY_HAS_MOVED
    return movement.state is not OrderState.FAILED


def _found(
    kind: DifferenceKind,
    record: Record,
    movement: Movement | None,
    *,
    identity: str = "",
    is_sure: bool = True,
) -> Found:
    return Found(
        kind=kind,
        identity=identity or record.key,
        subject=record.subject,
        occurred_at=record.began_at,
        record=record,
        movement=movement,
        is_sure=is_sure,
    )


def _unknown(movement: Movement, psp: str) -> Found:
    return Found(
        kind=DifferenceKind.MISSING_HERE,
        identity=f"{movement.kind}:{movement.psp_ref}",
        # As long as the subject of an alert may be.
        subject=f"psp:{psp}:{movement.psp_ref}"[:80],
        occurred_at=movement.created_at,
        record=None,
        movement=movement,
    )
