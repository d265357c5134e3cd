"""Holding the record of every PSP against ours, by the clock. Nothing here repairs a book.

Only what both sides have had the time to hear of is judged; `payments.comparison` does the
judging, `differences` keeps what comes of it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from payments import funds, records
from payments.comparison import Span, compare
from payments.models import Reach, ReconciliationRun, RunStatus
from payments.psp import registry
from payments.psp.base import Movement, PspDown
from payments.services.differences import keep_run, keep_unread
from payments.services.spans import BACK, CASE_SLACK, GRACE, SLACK, cases_since
from payments.services.unheard_cases import look_up_cases

# A farther look is a nearer one too.
_EVERY = (
    ([Reach.WEEKLY], timedelta(days=7)),
    ([Reach.NIGHTLY, Reach.WEEKLY], timedelta(days=1)),
)
UNREAD_TOO_LONG = timedelta(hours=3)
_REASON_LENGTH = 200


def reconcile_all(beat: Callable[[], None] = lambda: None) -> dict[str, int]:
    """Compare with every PSP that has books, as far back as is due; how many differences are new.

    Before that, chargebacks of which no report came are taken in. `beat` is called before each PSP.
    One that cannot be read does not keep the others waiting.
    """
    done = {"runs": 0, "unread": 0, "cases": 0, "opened": 0, "closed": 0}
    for name in registry.with_books():
        beat()
        done["cases"] += look_up_cases(psp=name)
        beat()
        run = reconcile(psp=name, reach=due_reach(name))
        done["runs"] += 1
        done["unread"] += run.status == RunStatus.UNREAD
        done["opened"] += run.opened
        done["closed"] += run.closed
    return done


def due_reach(psp: str) -> Reach:
    """The farthest look back that this PSP has not had for its time."""
    now = clock.now()
    for reaches, every in _EVERY:
        last = records.latest_reconciliation(psp, reaches)
        if last is None or now - last.started_at >= every:
            return reaches[0]
    return Reach.RECENT


def reconcile(*, psp: str, reach: Reach) -> ReconciliationRun:
    """Compare with one PSP once. Called outside any transaction: the PSP is asked.

    Open differences are looked at again however old they are, up to the farthest reach, and
    chargebacks for as long as they are not decided.
    """
    read_at = clock.now()
    since = _since(psp, reach, read_at)
    span = Span(
        since=since,
        until=read_at - GRACE,
        read_at=read_at,
        cases_since=cases_since(records.oldest_case(psp), since, read_at),
    )
    run = ReconciliationRun(
        psp=psp,
        reach=reach,
        status=RunStatus.DONE,
        since=span.since,
        until=span.until,
        started_at=read_at,
    )
    try:
        movements = _listed(psp, span)
    except PspDown as error:
        run.status, run.reason = RunStatus.UNREAD, str(error)[:_REASON_LENGTH]
        keep_unread(run)
        _alert_unread(run)
        return run
    ours = records.records_for(psp, span, movements)
    comparison = compare(ours, movements, psp=psp, span=span)
    run.listed, run.ours = len(movements), len(ours)
    run.agreed, run.in_flight = comparison.agreed, len(comparison.in_flight)
    run.moved = funds.moved_at(psp, span.since, span.until)
    keep_run(run, comparison, span, grace=GRACE)
    return run


def _listed(psp: str, span: Span) -> list[Movement]:
    books, until = registry.get_books(psp), span.read_at + SLACK
    movements = books.list_movements(span.since - SLACK, until)
    return movements + books.list_chargebacks(span.cases_since - CASE_SLACK, until)


def _since(psp: str, reach: Reach, now: datetime) -> datetime:
    oldest = records.oldest_live_difference(psp)
    since = now - BACK[reach]
    return since if oldest is None else max(min(since, oldest), now - BACK[Reach.WEEKLY])


def _alert_unread(run: ReconciliationRun) -> None:
    since = records.unread_since(run.psp)
    if since is not None and run.started_at - since >= UNREAD_TOO_LONG:
        raise_alert(
            type=AlertType.RECONCILIATION_MISMATCH,
            severity=Severity.WARNING,
            subject=f"psp:{run.psp}",
            message="A PSP's record could not be read for hours, so nothing is compared.",
            payload={"run": run.pk, "since": since.isoformat()},
        )
