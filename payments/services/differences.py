"""Keeping the differences that a reconciliation found: opened, known again, closed, accepted."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from audit.actions import Action
from audit.services import entries
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from payments import records
from payments.comparison import Comparison, DifferenceKind, Found, Span
from payments.models import Difference, DifferenceStatus, ReconciliationRun
from payments.psp.base import MovementKind

# Who does not look today is told again tomorrow, in the same alert as long as it is open.
ALERT_EVERY = timedelta(days=1)
# Beyond these, one alert tells of all: a thousand alerts are read by nobody.
ALERTS_AT_MOST = 1_000
_ACTOR = "system:reconciliation"
_FIGURES = (
    "psp_ref",
    "ours_minor",
    "ours_currency",
    "ours_state",
    "theirs_minor",
    "theirs_currency",
    "theirs_state",
)


@transaction.atomic
def keep_run(
    run: ReconciliationRun, comparison: Comparison, span: Span, *, grace: timedelta
) -> None:
    """Store a run with what it found, and close what it looked at and did not find again.

    What is not sure is watched, and opened when it is still there after the grace.
    """
    known = {(row.kind, row.identity): row for row in records.lock_live_differences(run.psp)}
    run.found = dict(Counter(found.kind.value for found in comparison.found))
    run.finished_at = clock.now()
    run.save(force_insert=True)
    alerted = 0
    for found in comparison.found:
        row = known.pop((found.kind.value, found.identity), None)
        row = _see_again(row, found, run, grace) if row else _add(found, run)
        if _wants_alert(row, run.started_at):
            alerted += 1
            _alert(row, run, is_summary=alerted > ALERTS_AT_MOST)
    for row in known.values():
        is_judged = span.holds(MovementKind(row.movement), row.occurred_at)
        if is_judged and row.key not in comparison.in_flight:
            _close(row, run)
    run.save(update_fields=["opened", "closed"])
    _tell_run(run)


@transaction.atomic
def keep_unread(run: ReconciliationRun) -> None:
    """Store a run whose list could not be read. No difference is opened or closed by it."""
    run.finished_at = clock.now()
    run.save(force_insert=True)
    _tell_run(run)


@transaction.atomic
def accept_difference(*, difference_id: int, caller: Caller, note: str) -> Difference:
    """Let a difference be, with a reason. Books and payments stay as they are.

    It is alerted no more, until the PSP's record or ours says something else again. Raises
    DifferenceNotFound and InvalidState.
    """
    row = records.lock_difference(caller, difference_id)
    row.transition_to(DifferenceStatus.ACCEPTED)
    row.note = note
    _save(row, "status", "note")
    _tell(row, Action.DIFFERENCE_ACCEPTED, caller.actor)
    return row


def _add(found: Found, run: ReconciliationRun) -> Difference:
    is_open = found.is_sure
    row = Difference(
        psp=run.psp,
        kind=found.kind,
        identity=found.identity,
        status=DifferenceStatus.OPEN if is_open else DifferenceStatus.WATCHED,
        subject=found.subject,
        movement=(found.record or found.movement).kind,  # type: ignore[union-attr]  # one is there
        key=_key(found),
        occurred_at=found.occurred_at,
        first_run=run,
        last_run=run,
        created_at=run.started_at,
        updated_at=run.started_at,
        **_figures(found),
    )
    row.save(force_insert=True)
    if is_open:
        _opened(row, run)
    return row


def _see_again(
    row: Difference, found: Found, run: ReconciliationRun, grace: timedelta
) -> Difference:
    before = {name: getattr(row, name) for name in _FIGURES}
    figures = _figures(found)
    for name, value in figures.items():
        setattr(row, name, value)
    row.last_run = run
    is_certain = found.is_sure or run.started_at - row.created_at >= grace
    is_new = row.status == DifferenceStatus.WATCHED and is_certain
    is_other = row.status == DifferenceStatus.ACCEPTED and before != figures
    if is_new or is_other:
        row.transition_to(DifferenceStatus.OPEN)
        row.alerted_at = None
    _save(row, "last_run", "status", "alerted_at", *_FIGURES)
    if is_new or is_other:
        _opened(row, run)
    return row


def _opened(row: Difference, run: ReconciliationRun) -> None:
    run.opened += 1
    _tell(row, Action.DIFFERENCE_OPENED, _ACTOR)


def _close(row: Difference, run: ReconciliationRun) -> None:
    row.transition_to(DifferenceStatus.CLOSED)
    row.closed_run = run
    _save(row, "status", "closed_run")
    run.closed += 1
    _tell(row, Action.DIFFERENCE_CLOSED, _ACTOR)


def _wants_alert(row: Difference, now: datetime) -> bool:
    is_due = row.alerted_at is None or now - row.alerted_at >= ALERT_EVERY
    return row.status == DifferenceStatus.OPEN and is_due


def _alert(row: Difference, run: ReconciliationRun, *, is_summary: bool) -> None:
    severity = Severity.WARNING if row.kind == DifferenceKind.LATE else Severity.CRITICAL
    if is_summary:
        raise_alert(
            type=AlertType.RECONCILIATION_MISMATCH,
            severity=Severity.CRITICAL,
            subject=f"psp:{run.psp}",
            message="A PSP's record differs from ours in more movements than alerts can tell.",
            payload={"run": run.pk, "found": run.found},
        )
    else:
        raise_alert(
            type=AlertType.RECONCILIATION_MISMATCH,
            severity=severity,
            subject=row.subject,
            message=_message(row),
            payload={"difference": row.pk, "psp": row.psp, "kind": row.kind, **_shown(row)},
        )
    row.alerted_at = run.started_at
    _save(row, "alerted_at")


def _message(row: Difference) -> str:
    is_case = row.movement == MovementKind.CHARGEBACK
    if is_case and row.kind == DifferenceKind.MISSING_HERE:
        return _CASE_UNHEARD
    return _MESSAGES[DifferenceKind(row.kind)]


_CASE_UNHEARD = (
    "A payer's bank took a charge back and no report of it came: nothing is frozen. Have the PSP "
    "send its report again."
)
_MESSAGES: Mapping[DifferenceKind, str] = {
    DifferenceKind.MISSING_THERE: "The PSP does not list a movement that we have booked or given.",
    DifferenceKind.MISSING_HERE: "The PSP lists a movement of our money that we never ordered.",
    DifferenceKind.DUPLICATE: "The PSP lists one of our movements more than once.",
    DifferenceKind.AMOUNT: "The PSP lists another amount for a movement than we do.",
    DifferenceKind.CURRENCY: "The PSP lists another currency for a movement than we do.",
    DifferenceKind.STATUS: "The PSP lists another outcome of a movement than we know.",
    DifferenceKind.LATE: "A movement has been open at the PSP for longer than it may take.",
}


def _key(found: Found) -> str:
    if found.record is not None:
        return found.record.key
    return found.movement.key if found.movement is not None else ""


def _figures(found: Found) -> dict[str, Any]:
    ours, theirs = found.record, found.movement
    told = ours.psp_ref if theirs is None and ours is not None else ""
    return {
        "psp_ref": theirs.psp_ref if theirs is not None else told,
        "ours_minor": ours.money.amount_minor if ours is not None else None,
        "ours_currency": ours.money.currency if ours is not None else "",
        "ours_state": ours.state.value if ours is not None else "",
        "theirs_minor": theirs.money.amount_minor if theirs is not None else None,
        "theirs_currency": theirs.money.currency if theirs is not None else "",
        "theirs_state": theirs.state.value if theirs is not None else "",
    }


def _shown(row: Difference) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _FIGURES}


def _save(row: Difference, *fields: str) -> None:
    row.updated_at = clock.now()
    row.save(update_fields=[*fields, "updated_at"])


def _tell(row: Difference, action: Action, actor: str) -> None:
    entries.record(
        actor=actor,
        action=action,
        subject=row.reference,
        body={
            "status": str(row.status),
            "psp": row.psp,
            "kind": row.kind,
            "about": row.subject,
            **_shown(row),
        },
    )


def _tell_run(run: ReconciliationRun) -> None:
    names = ("psp", "reach", "status", "listed", "ours", "agreed", "in_flight", "opened", "closed")
    entries.record(
        actor=_ACTOR,
        action=Action.RECONCILIATION_RUN,
        subject=run.reference,
        body={
            **{name: getattr(run, name) for name in names},
            "found": run.found,
            "moved": run.moved,
        },
    )
