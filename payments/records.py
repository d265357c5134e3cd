"""Reading for reconciliation: our side of each movement at a PSP, the runs, and what they found."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Min, Q, QuerySet

from kobatela.kernel.caller import Caller
from kobatela.kernel.money import Money
from payments.comparison import Record, Span
from payments.errors import DifferenceNotFound
from payments.models import (
    Attempt,
    Chargeback,
    ChargebackStatus,
    Difference,
    DifferenceStatus,
    Funding,
    FundingStatus,
    PaymentKind,
    Reach,
    ReconciliationRun,
    RunStatus,
)
from payments.psp.base import Movement, MovementKind, OrderState

_LOOKED_UP_AT_ONCE = 1_000
_FUNDING_STATES = {
    FundingStatus.CREATED: OrderState.ACCEPTED,
    FundingStatus.SUCCEEDED: OrderState.SETTLED,
    FundingStatus.FAILED: OrderState.FAILED,
}
_CASE_STATES = {
    ChargebackStatus.OPEN: OrderState.ACCEPTED,
    ChargebackStatus.WON: OrderState.RETURNED,
    ChargebackStatus.LOST: OrderState.SETTLED,
}


def records_for(psp: str, span: Span, movements: Sequence[Movement]) -> list[Record]:
    """Our records of a span, and those of any time that one of the movements names, once each."""
    found: dict[str, Record] = {}
    for record in _all(psp, span, movements):
        found[record.key] = record
    return list(found.values())


def _all(psp: str, span: Span, movements: Sequence[Movement]) -> Iterator[Record]:
    attempts = Attempt.objects.filter(psp=psp)
    fundings = Funding.objects.filter(psp=psp)
    yield from _attempts(attempts.filter(started_at__range=(span.since, span.until)))
    yield from _fundings(fundings.filter(created_at__range=(span.since, span.until)))
    cases = Chargeback.objects.filter(psp=psp)
    yield from _cases(cases.filter(created_at__range=(span.cases_since, span.until)))
    for first in range(0, len(movements), _LOOKED_UP_AT_ONCE):
        some = movements[first : first + _LOOKED_UP_AT_ONCE]
        yield from _attempts(attempts.filter(_named(some)))
        yield from _fundings(fundings.filter(_named(some)))
        yield from _cases(cases.filter(psp_ref__in=[movement.psp_ref for movement in some]))


def _named(movements: Sequence[Movement]) -> Q:
    refs = {movement.psp_ref for movement in movements}
    keys = {movement.key for movement in movements} - {""}
    return Q(psp_ref__in=refs) | Q(psp_key__in=keys)


def _attempts(rows: "QuerySet[Attempt, Any]") -> Iterator[Record]:
    wanted = rows.values_list(
        "payment_id",
        "payment__kind",
        "psp_key",
        "psp_ref",
        "payment__amount_minor",
        "payment__currency",
        "result",
        "started_at",
        "accepted_at",
        "finished_at",
    )
    for payment_id, kind, key, ref, amount, currency, result, began, accepted, ended in wanted:
        is_refund = kind == PaymentKind.REFUND
        yield Record(
            kind=MovementKind.REFUND if is_refund else MovementKind.TRANSFER,
            subject=f"payment:{payment_id}",
            key=key,
            psp_ref=ref or "",
            money=Money(amount, currency),
            state=OrderState(result or OrderState.ACCEPTED),
            began_at=began,
            changed_at=ended or began,
            was_accepted=accepted is not None,
        )


def _fundings(rows: "QuerySet[Funding, Any]") -> Iterator[Record]:
    for funding in rows.defer("request_body", "client_secret"):
        is_open = funding.status == FundingStatus.CREATED
        changed_at: datetime = funding.created_at if is_open else funding.updated_at
        yield Record(
            kind=MovementKind.FUNDING,
            subject=funding.reference,
            key=funding.psp_key,
            psp_ref=funding.psp_ref or "",
            money=funding.money if funding.received_minor is None else funding.received,
            state=_FUNDING_STATES[FundingStatus(funding.status)],
            began_at=funding.created_at,
            changed_at=changed_at,
            was_accepted=funding.psp_ref is not None,
        )


def _cases(rows: "QuerySet[Chargeback, Any]") -> Iterator[Record]:
    for case in rows:
        yield Record(
            kind=MovementKind.CHARGEBACK,
            subject=case.reference,
            # We order no chargeback: the PSP has no key of ours for it.
            key=case.reference,
            psp_ref=case.psp_ref,
            money=case.money,
            state=_CASE_STATES[ChargebackStatus(case.status)],
            began_at=case.created_at,
            changed_at=case.closed_at or case.created_at,
            was_accepted=True,
        )


# --- Runs and differences -------------------------------------------------------------------------


def latest_reconciliation(psp: str, reaches: Collection[Reach]) -> ReconciliationRun | None:
    """The last run that compared with a PSP as far back as one of these."""
    done = ReconciliationRun.objects.filter(psp=psp, status=RunStatus.DONE, reach__in=reaches)
    return done.order_by("-started_at").first()


def unread_since(psp: str) -> datetime | None:
    """Since when every run has failed to read a PSP's record; None when the last one read it."""
    runs = ReconciliationRun.objects.filter(psp=psp)
    done = latest_reconciliation(psp, list(Reach))
    if done is not None:
        runs = runs.filter(started_at__gt=done.started_at)
    unread: datetime | None = runs.aggregate(first=Min("started_at"))["first"]
    return unread


def oldest_live_difference(psp: str) -> datetime | None:
    """When the movement of the oldest difference was made that a run is to look at again; those of
    chargebacks apart."""
    live = _live(psp).exclude(movement=MovementKind.CHARGEBACK)
    oldest: datetime | None = live.aggregate(first=Min("occurred_at"))["first"]
    return oldest


def oldest_case(psp: str) -> datetime | None:
    """When the oldest chargeback was opened that a run is to look at: one that is not decided, or
    that the PSP does not tell as we do."""
    open_cases = Chargeback.objects.filter(psp=psp, status=ChargebackStatus.OPEN)
    live = _live(psp).filter(movement=MovementKind.CHARGEBACK)
    moments = (
        open_cases.aggregate(first=Min("created_at"))["first"],
        live.aggregate(first=Min("occurred_at"))["first"],
    )
    return min((moment for moment in moments if moment is not None), default=None)


def _live(psp: str) -> QuerySet[Difference]:
    watched = [DifferenceStatus.WATCHED, DifferenceStatus.OPEN]
    return Difference.objects.filter(psp=psp, status__in=watched)


def lock_live_differences(psp: str) -> QuerySet[Difference]:
    """The differences with a PSP that no run has closed, locked until the transaction ends."""
    live = Difference.objects.select_for_update(of=("self",)).filter(psp=psp)
    return live.exclude(status=DifferenceStatus.CLOSED).order_by("pk")


def lock_difference(caller: Caller, difference_id: int) -> Difference:
    """One difference, locked. Raises DifferenceNotFound, also for who is not staff."""
    rows = Difference.objects.select_for_update(of=("self",)).filter(pk=difference_id)
    row = rows.first() if caller.is_staff else None
    if row is None:
        raise DifferenceNotFound
    return row


def open_differences() -> QuerySet[Difference]:
    """Differences that nobody has accepted."""
    return Difference.objects.filter(status=DifferenceStatus.OPEN)


def lines_of_run(run: ReconciliationRun) -> QuerySet[Difference]:
    """The differences that a run found. Those of a run are found again until they are closed."""
    found = Difference.objects.filter(psp=run.psp, first_run__lte=run.pk, last_run__gte=run.pk)
    return found.order_by("pk")
