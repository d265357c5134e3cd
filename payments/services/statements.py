"""Taking a statement: each line of a batch settles, fails or comes back as the bank tells it."""

from collections import Counter
from dataclasses import asdict, dataclass

from django.db import transaction

from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.canonical import sha256_hex
from kobatela.kernel.crashpoints import crashpoint
from kobatela.kernel.errors import InvalidState
from payments.batches import find_line, get_batch, lines_of, lock_batch
from payments.models import Batch, BatchLine, BatchLineStatus, BatchStatement, BatchStatus
from payments.psp.base import OrderState, Outcome, Reason
from payments.psp.manual import Problem, StatementRow, read_statement
from payments.services.batches import end_line, require_no_stake, save_batch, tell
from payments.services.outcomes import record_outcome

_TAKES_STATEMENTS = frozenset({BatchStatus.EXPORTED, BatchStatus.IMPORTED, BatchStatus.CLOSED})
_STATUS = {
    OrderState.SETTLED: BatchLineStatus.SETTLED,
    OrderState.FAILED: BatchLineStatus.FAILED,
    OrderState.RETURNED: BatchLineStatus.RETURNED,
}
_REASONS = {
    OrderState.SETTLED: Reason.NONE,
    OrderState.FAILED: Reason.PSP_REFUSED,
    OrderState.RETURNED: Reason.RETURNED_BY_BANK,
}
# What a line must be to make each move; anything else contradicts what is known.
_FROM = {
    BatchLineStatus.SETTLED: frozenset({BatchLineStatus.OPEN}),
    BatchLineStatus.FAILED: frozenset({BatchLineStatus.OPEN}),
    BatchLineStatus.RETURNED: frozenset({BatchLineStatus.OPEN, BatchLineStatus.SETTLED}),
}
_UNCHANGED = "unchanged"
_COUNTED = ("settled", "failed", "returned", "unchanged")


@dataclass(frozen=True, slots=True)
class StatementResult:
    """What a statement did: how many lines moved to each end, and the rows that changed nothing."""

    batch: Batch
    settled: int
    failed: int
    returned: int
    unchanged: int
    problems: list[Problem]

    @property
    def counts(self) -> dict[str, int]:
        """How many lines went where."""
        return {name: getattr(self, name) for name in _COUNTED}


def import_statement(*, caller: Caller, batch_id: int, content: bytes) -> StatementResult:
    """Take the rows of a statement one by one, each in a transaction of its own.

    Called outside any transaction: so a long statement holds one escrow at a time, and one that
    is broken off is simply sent again. A row that was taken before changes nothing. A row about
    no line of this batch, of another amount, or against what is known changes nothing either; it
    is listed, and staff is alerted.

    Raises BatchNotFound, InvalidState before the file was released, OwnBatchForbidden for who has
    a stake in one of its payments, StatementInvalid and StatementTooLarge.
    """
    batch = get_batch(caller, batch_id)
    if batch.status not in _TAKES_STATEMENTS:
        raise InvalidState(f"The file of a {batch.status} batch is not out.")
    require_no_stake(batch, caller)
    rows, problems = read_statement(content, batch.currency)
    sha256 = sha256_hex(content)
    is_new = not BatchStatement.objects.filter(batch=batch, sha256=sha256).exists()
    moved: Counter[str] = Counter()
    for row in rows:
        said = _take(batch_id, row, actor=caller.actor, may_contradict=is_new)
        crashpoint("statement.row_taken")
        if isinstance(said, Problem):
            problems.append(said)
        else:
            moved[said or _UNCHANGED] += 1
    problems.sort(key=lambda problem: problem.row)
    result = _finish(batch_id, caller, sha256, moved, problems)
    crashpoint("statement.taken")
    return result


@transaction.atomic
def _take(
    batch_id: int, row: StatementRow, *, actor: str, may_contradict: bool
) -> Problem | BatchLineStatus | None:
    """Let one row have its effect: the line's new status, None when it has none, or why not.

    may_contradict: whether a row against what is known is told to the payment, which then waits
    for a person; said once for each statement.
    """
    batch = lock_batch(batch_id)
    line = find_line(row.code)
    problem = _misfit(batch, line, row)
    if problem or line is None:
        return Problem(row.row, problem, line.code if line is not None else "")
    target = _STATUS[row.outcome]
    if _is_known(BatchLineStatus(line.status), target):
        return None
    fits = line.status in _FROM[target]
    if fits or may_contradict:
        fits &= _record(line, row, actor)
    if not fits:
        return Problem(row.row, "CONTRADICTS", line.code)
    end_line(line, target, bank_reference=row.reference, reported_on=row.reported_on)
    _move_on(batch, actor)
    crashpoint("statement.row_written")
    return target


def _misfit(batch: Batch, line: BatchLine | None, row: StatementRow) -> str:
    """Why the row is about no line of the batch; empty when it is."""
    if line is None:
        return "UNKNOWN_LINE"
    if line.batch_id != batch.pk:
        return "OTHER_BATCH"
    if line.attempt_id is None:
        return "NOT_IN_FILE"
    return "" if line.amount_minor == row.money.amount_minor else "AMOUNT_DIFFERS"


def _is_known(status: BatchLineStatus, target: BatchLineStatus) -> bool:
    # What came back had arrived before: that it arrived is no news.
    had_arrived = status == BatchLineStatus.RETURNED and target == BatchLineStatus.SETTLED
    return status == target or had_arrived


def _record(line: BatchLine, row: StatementRow, actor: str) -> bool:
    """Tell the payment what the bank says; whether that could be true."""
    assert line.attempt_id is not None, "a line in the file has an attempt"
    outcome = Outcome(row.outcome, reason=_REASONS[row.outcome], money=row.money)
    record_outcome(attempt_id=line.attempt_id, outcome=outcome, actor=actor)
    line.attempt.refresh_from_db(fields=["result"])  # type: ignore[union-attr]  # see above
    return line.attempt.result == row.outcome  # type: ignore[union-attr]


def _move_on(batch: Batch, actor: str) -> None:
    has_open = lines_of(batch.pk).filter(status=BatchLineStatus.OPEN).exists()
    if not has_open and batch.status != BatchStatus.CLOSED:
        batch.transition_to(BatchStatus.CLOSED)
        batch.closed_at = clock.now()
        save_batch(batch, "status", "closed_at")
        tell(batch, Action.BATCH_CLOSED, actor)
    elif has_open and batch.status == BatchStatus.EXPORTED:
        batch.transition_to(BatchStatus.IMPORTED)
        save_batch(batch, "status")
        tell(batch, Action.BATCH_IMPORTED, actor)


@transaction.atomic
def _finish(
    batch_id: int, caller: Caller, sha256: str, moved: "Counter[str]", problems: list[Problem]
) -> StatementResult:
    """Remember the statement, and alert staff of what it could not do; once for each file."""
    batch = lock_batch(batch_id)
    result = StatementResult(
        batch=batch,
        settled=moved[BatchLineStatus.SETTLED],
        failed=moved[BatchLineStatus.FAILED],
        returned=moved[BatchLineStatus.RETURNED],
        unchanged=moved[_UNCHANGED],
        problems=problems,
    )
    _, is_new = BatchStatement.objects.get_or_create(
        batch=batch,
        sha256=sha256,
        defaults={
            **result.counts,
            "problems": [asdict(problem) for problem in problems],
            "created_by": caller.actor,
            "created_at": clock.now(),
        },
    )
    if not is_new:
        return result
    told = {**result.counts, "sha256": sha256, "problems": len(problems)}
    tell(batch, Action.BATCH_STATEMENT_TAKEN, caller.actor, **told)
    if problems:
        raise_alert(
            type=AlertType.RECONCILIATION_MISMATCH,
            severity=Severity.WARNING,
            subject=batch.reference,
            message="A statement has rows that could not be taken; a person must look.",
            payload={"codes": dict(Counter(problem.code for problem in problems)), **told},
            actor_user_id=caller.user_id,
        )
    crashpoint("statement.written")
    return result
