"""What the keepers of the evidence do to an escrow: review begins, is refused, or pays.

The judgement on a proof is theirs; here it only moves milestones and money. Save the proof's own
new state before calling `reject_evidence` or `release_milestone`: both may end the escrow, and
its end rejects every proof that is still pending.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from audit.actions import Action
from escrow import rules, selectors
from escrow.errors import DeadlinePassed, MilestoneNotFound
from escrow.models import Escrow, EscrowStatus, Milestone, MilestoneStatus
from escrow.rules import OPEN_MILESTONE, Standing
from escrow.services import deadlines
from escrow.services.journal import Acting, move_milestone, save_escrow
from escrow.services.outcomes import pay, settle
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState

if TYPE_CHECKING:
    from payments.models import Payment


def open_milestone(*, caller: Caller, escrow_id: int, milestone_idx: int) -> Milestone:
    """The milestone that can take a proof now, without a lock: asked before a file is read.

    Its `escrow` is loaded. Raises EscrowNotFound, MilestoneNotFound, EscrowRoleForbidden,
    DeadlinePassed, InvalidState (disputed), NoOpenMilestone, MilestoneSequenceError,
    MilestoneNotWaiting and InsufficientEscrowBalance.
    """
    escrow = selectors.get_escrow(caller, escrow_id, field="escrow_id")
    milestone = _provable(escrow, milestone_idx, caller)
    rules.require_party(Standing(escrow, caller, clock.now()))
    return milestone


def lock_open_milestone(
    *, escrow_id: int, milestone_idx: int, caller: Caller | None = None
) -> tuple[Escrow, Milestone]:
    """The same milestone again, under the locks of the escrow and the milestone.

    Whether the caller is a party was asked by open_milestone; everything else is asked again.
    caller: who may send what more was asked for while a proof is under review (`set_aside` that
    then); nobody unless given.
    """
    escrow = selectors.lock_escrow(escrow_id)
    milestone = selectors.lock_milestone(_provable(escrow, milestone_idx, caller).pk)
    milestone.escrow = escrow
    return escrow, milestone


def lock_for_decision(*, escrow_id: int, milestone_id: int) -> tuple[Escrow, Milestone]:
    """The escrow and its milestone, locked in order, whatever their states.

    Raises EscrowNotFound and MilestoneNotFound.
    """
    escrow = selectors.lock_escrow(escrow_id)
    milestone = selectors.lock_milestone(milestone_id)
    if milestone.escrow_id != escrow.pk:
        raise MilestoneNotFound
    milestone.escrow = escrow
    return escrow, milestone


@transaction.atomic(savepoint=False)
def begin_review(
    *, escrow: Escrow, milestone: Milestone, has_file: bool, submitted_at: datetime, actor: str
) -> None:
    """A proof came for the locked milestone: PENDING_REVIEW.

    has_file: a file that the server read; such evidence, when it arrived in time, holds a passed
    deadline back until it is decided. Raises InvalidState.
    """
    move_milestone(
        escrow,
        milestone,
        MilestoneStatus.PENDING_REVIEW,
        Action.MILESTONE_SUBMITTED,
        Acting(actor),
    )
    if has_file:
        escrow.evidence_at = submitted_at
        save_escrow(escrow)


@transaction.atomic(savepoint=False)
def ask_for_more(*, escrow: Escrow, milestone: Milestone, of_client: bool) -> None:
    """More is asked for than the proof under review shows: the locked milestone takes it, too.

    of_client: the client sent that proof, and may send the rest. Raises InvalidState, also while
    the escrow is disputed, and DeadlinePassed: nothing more can come then.
    """
    require_decidable(escrow, milestone)
    if clock.now() >= escrow.deadline_at:
        raise DeadlinePassed(
            "The deadline has passed, so nothing more can be sent: decide on what there is.",
            deadline_at=escrow.deadline_at.isoformat(),
        )
    milestone.more_asked_at = milestone.updated_at = clock.now()
    milestone.more_asked_of_client = of_client
    milestone.save(update_fields=["more_asked_at", "more_asked_of_client", "updated_at"])


@transaction.atomic(savepoint=False)
def set_aside(*, escrow: Escrow, milestone: Milestone, actor: str) -> None:
    """What more was asked for has come: the proof under review gives way to it.

    The locked milestone is as after a rejection, until `begin_review` in the same transaction; so
    no deadline acts in between, and the old proof holds none back any more. Raises InvalidState.
    """
    require_decidable(escrow, milestone)
    move_milestone(
        escrow,
        milestone,
        MilestoneStatus.REJECTED,
        Action.MILESTONE_REOPENED,
        Acting(actor),
    )
    _evidence_decided(escrow)
    save_escrow(escrow)


@transaction.atomic(savepoint=False)
def reject_evidence(*, escrow: Escrow, milestone: Milestone, actor: str) -> None:
    """The proof was refused: the locked milestone waits for a new one, or a passed deadline acts.

    Raises InvalidState, also while the escrow is disputed.
    """
    require_decidable(escrow, milestone)
    move_milestone(
        escrow,
        milestone,
        MilestoneStatus.REJECTED,
        Action.MILESTONE_REJECTED,
        Acting(actor),
    )
    _evidence_decided(escrow)
    save_escrow(escrow)
    deadlines.apply_locked(escrow)


@transaction.atomic(savepoint=False)
def release_milestone(
    *, escrow: Escrow, milestone: Milestone, proof_id: int, actor: str
) -> "Payment":
    """The proof was accepted: the locked milestone is APPROVED and its payout requested.

    The last milestone ends the escrow as RELEASED and what is left over goes back to the client,
    once no chargeback keeps any of it frozen; before that, a passed deadline acts on what is open.

    Raises InvalidState, also while the escrow is disputed, and InsufficientEscrowBalance.
    """
    require_decidable(escrow, milestone)
    rules.require_held(escrow, milestone.amount_minor)
    by = Acting(actor)
    move_milestone(
        escrow,
        milestone,
        MilestoneStatus.APPROVED,
        Action.MILESTONE_APPROVED,
        by,
        event="milestone.released",
        proof_id=proof_id,
    )
    payment = pay(
        escrow, milestone, milestone.amount_minor, by, business_key=f"proof:{proof_id}:release"
    )
    _evidence_decided(escrow)
    still_open = Milestone.objects.filter(escrow=escrow, status__in=OPEN_MILESTONE).exists()
    if still_open or escrow.frozen_minor:
        save_escrow(escrow)
        deadlines.apply_locked(escrow)
    else:
        settle(escrow=escrow, status=EscrowStatus.RELEASED, release_minor=0, by=by)
    return payment


def require_decidable(escrow: Escrow, milestone: Milestone) -> None:
    """Raise InvalidState unless the milestone's proof can be decided now."""
    if escrow.status == EscrowStatus.DISPUTED:
        raise InvalidState(
            "No proof is decided while the escrow is disputed.", current=str(escrow.status)
        )
    if milestone.status != MilestoneStatus.PENDING_REVIEW:
        raise InvalidState(
            f"The milestone is {milestone.status}; no proof of it is under review.",
            current=str(milestone.status),
        )


def _provable(escrow: Escrow, milestone_idx: int, caller: Caller | None) -> Milestone:
    milestones = selectors.milestones_of(escrow)
    wanted = next((item for item in milestones if item.sequence_index == milestone_idx), None)
    if wanted is None:
        raise MilestoneNotFound
    at = clock.now()
    may_answer = None if caller is None else Standing(escrow, caller, at).may_answer
    milestone = rules.require_provable(escrow, milestones, at, wanted=wanted, may_answer=may_answer)
    milestone.escrow = escrow
    return milestone


def _evidence_decided(escrow: Escrow) -> None:
    escrow.evidence_at = None
    escrow.deadline_paused_at = None
