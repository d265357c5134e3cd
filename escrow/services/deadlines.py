"""Applying deadlines: by the job, by check-deadline, and before every command."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction

from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from audit.services.jobs import Heartbeat, count_changed
from escrow import deadlines, selectors
from escrow.deadlines import EVIDENCE_DEFERS_FOR, Act, Deadline, Step
from escrow.models import Escrow, EscrowStatus, Milestone
from escrow.rules import held_minor
from escrow.services.journal import Acting, record, save_escrow
from escrow.services.outcomes import freeze, refundable_minor, settle
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.crashpoints import crashpoint

BY_DEADLINE = Acting("system:deadline")
_AT_ONCE = 500


def apply_due(*, escrow_id: int) -> bool:
    """Apply what is due on an escrow in a transaction of its own; whether anything was.

    Called before the transaction of a command, so that a refusal of the command undoes nothing of
    it, and only for who may see the escrow: see apply_due_for. Costs one indexed look when nothing
    is due, as for an id that does not exist.
    """
    if not selectors.is_due(escrow_id, clock.now()):
        return False
    with transaction.atomic():
        applied = apply_locked(selectors.lock_escrow(escrow_id))
        crashpoint("deadline.written")
    crashpoint("deadline.applied")
    return applied


def apply_due_for(*, caller: Caller, escrow_id: int) -> bool:
    """As apply_due, for a caller who may see the escrow; for anybody else nothing happens, so that
    a stranger's 404 leaves no trace. Who may see it is asked only once something is due."""
    if not selectors.is_due(escrow_id, clock.now()):
        return False
    if not selectors.visible_escrows(caller).filter(pk=escrow_id).exists():
        return False
    return apply_due(escrow_id=escrow_id)


def apply_locked(escrow: Escrow) -> bool:
    """Apply what is due on a locked escrow, in the order of the moments; whether anything was."""
    applied = False
    now = clock.now()
    # Every act ends the escrow, freezes it or leaves its mark, so this comes to an end.
    while (step := deadlines.next_step(escrow)) is not None and step.at <= now:
        _ACTS[step.act](escrow, step)
        applied = True
    return applied


@transaction.atomic(savepoint=False)
def check_deadline(*, caller: Caller, escrow_id: int) -> Escrow:
    """Apply what is due now and give the escrow as it then stands. Raises EscrowNotFound."""
    escrow = selectors.lock_visible_escrow(caller, escrow_id)
    apply_locked(escrow)
    return escrow


def preview(escrow: Escrow) -> list[Deadline]:
    """Every running deadline of an escrow and what it does if nobody acts, soonest first."""
    has_milestones = Milestone.objects.filter(escrow=escrow).exists()
    return selectors.running_deadlines(escrow, has_milestones=has_milestones)


def apply_all_due(heartbeat: Heartbeat) -> dict[str, Any]:
    """The job: apply every due deadline, each in a transaction of its own."""
    due = selectors.due_escrow_ids(clock.now(), _AT_ONCE)
    return {"applied": count_changed(lambda each: apply_due(escrow_id=each), due, heartbeat)}


def _cancel(escrow: Escrow, step: Step) -> None:
    _end(escrow, EscrowStatus.CANCELLED, 0, step)


def _refund(escrow: Escrow, step: Step) -> None:
    _end(escrow, EscrowStatus.REFUNDED, 0, step)


def _release(escrow: Escrow, step: Step) -> None:
    _end(escrow, EscrowStatus.RELEASED, held_minor(escrow), step)


def _end(escrow: Escrow, status: EscrowStatus, release_minor: int, step: Step) -> None:
    refund_minor = held_minor(escrow) - release_minor
    if refund_minor and refundable_minor(escrow) < refund_minor:
        # It would be refused every time, and nobody would hear of it: people decide.
        freeze(
            escrow=escrow,
            by=BY_DEADLINE,
            message=f"The deadline {step.deadline!r} has passed, and what is held cannot go back: "
            "the client's bank took the deposits back. It needs a decision.",
            deadline=step.deadline,
        )
        return
    settle(
        escrow=escrow,
        status=status,
        release_minor=release_minor,
        by=BY_DEADLINE,
        accepts_proofs=True,
        deadline=step.deadline,
    )


def _review(escrow: Escrow, step: Step) -> None:
    freeze(
        escrow=escrow,
        by=BY_DEADLINE,
        message=f"The deadline {step.deadline!r} of the escrow has passed; it needs a decision.",
        deadline=step.deadline,
    )


def _pause(escrow: Escrow, _step: Step) -> None:
    escrow.deadline_paused_at = clock.now()
    save_escrow(escrow)
    until = (escrow.deadline_at + EVIDENCE_DEFERS_FOR).isoformat()
    record(escrow, Action.ESCROW_DEADLINE_PAUSED, BY_DEADLINE, until=until)
    raise_alert(
        type=AlertType.DEADLINE_PAUSED,
        severity=Severity.WARNING,
        subject=escrow.reference,
        message="A passed deadline waits for the decision on evidence that came in time.",
        payload={"until": until, "days": EVIDENCE_DEFERS_FOR // timedelta(days=1)},
    )


def _warn(escrow: Escrow, _step: Step) -> None:
    assert escrow.psp_hold_ends_at is not None, "only a running hold can end"
    escrow.psp_hold_warned_at = clock.now()
    save_escrow(escrow)
    ends_at = escrow.psp_hold_ends_at.isoformat()
    record(escrow, Action.ESCROW_HOLD_ENDING, BY_DEADLINE, ends_at=ends_at)
    raise_alert(
        type=AlertType.PSP_HOLD_ENDING,
        severity=Severity.WARNING,
        subject=escrow.reference,
        message="The time for which the PSP may hold this money is nearly over.",
        payload={"ends_at": ends_at},
    )


_ACTS: Mapping[Act, Callable[[Escrow, Step], None]] = {
    Act.CANCEL: _cancel,
    Act.REFUND: _refund,
    Act.RELEASE: _release,
    Act.REVIEW: _review,
    Act.PAUSE: _pause,
    Act.WARN: _warn,
}
