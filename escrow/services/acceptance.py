"""The client's own decision: accept all that is open, refuse it, or call the escrow off."""

from django.db import transaction

from escrow import rules, selectors
from escrow.models import EscrowStatus
from escrow.rules import Rule, Standing
from escrow.services.approvals import missing_approval
from escrow.services.journal import Acting, Said, keep_note
from escrow.services.outcomes import freeze, settle
from escrow.services.results import EscrowResult
from kobatela.kernel.caller import Caller


@transaction.atomic(savepoint=False)
def approve_escrow(*, caller: Caller, escrow_id: int, said: Said) -> EscrowResult:
    """Accept all that is open: one payout per open milestone, one for the rest; RELEASED.

    Pending proofs count as accepted by the client. Raises EscrowNotFound, EscrowRoleForbidden
    and InvalidState.
    """
    escrow = selectors.lock_visible_escrow(caller, escrow_id)
    rules.CLIENT_APPROVE.check(selectors.standing(caller, escrow))
    held_minor = rules.held_minor(escrow)
    missing = missing_approval(
        caller=caller,
        command=rules.CLIENT_APPROVE.name,
        escrow=escrow,
        amount_minor=held_minor,
        figures={"release_minor": held_minor},
        note=said.note,
    )
    if missing is None:
        told = keep_note(escrow=escrow, command=rules.CLIENT_APPROVE.name, said=said, caller=caller)
        settle(
            escrow=escrow,
            status=EscrowStatus.RELEASED,
            release_minor=held_minor,
            by=Acting.of(caller),
            accepts_proofs=True,
            **told,
        )
    return EscrowResult(escrow, missing)


@transaction.atomic(savepoint=False)
def reject_escrow(*, caller: Caller, escrow_id: int, said: Said) -> EscrowResult:
    """Refuse: all that is held goes back, or support decides once a proof is pending or accepted.

    DRAFT becomes CANCELLED, FUNDED becomes REFUNDED, everything else DISPUTED. Raises
    EscrowNotFound, EscrowRoleForbidden and InvalidState.
    """
    return _turn_down(caller, escrow_id, rules.CLIENT_REJECT, said)


@transaction.atomic(savepoint=False)
def cancel_escrow(*, caller: Caller, escrow_id: int, said: Said) -> EscrowResult:
    """Call a DRAFT escrow off, as reject_escrow does. Raises the same."""
    return _turn_down(caller, escrow_id, rules.CANCEL, said)


def _turn_down(caller: Caller, escrow_id: int, rule: Rule, said: Said) -> EscrowResult:
    escrow = selectors.lock_visible_escrow(caller, escrow_id)
    standing = selectors.standing(caller, escrow)
    rule.check(standing)
    return turn_down(standing, rule, said)


def turn_down(standing: Standing, rule: Rule, said: Said) -> EscrowResult:
    """What a client's refusal does to an escrow that is locked and whose rule was asked."""
    escrow, caller = standing.escrow, standing.caller
    outcome = rules.outcome_of_rejection(standing)
    is_frozen = outcome is EscrowStatus.DISPUTED
    returned_minor = 0 if is_frozen else rules.held_minor(escrow)
    missing = missing_approval(
        caller=caller,
        command=rule.name,
        escrow=escrow,
        amount_minor=returned_minor,
        figures={"refund_minor": returned_minor},
        note=said.note,
    )
    if missing is not None:
        return EscrowResult(escrow, missing)
    told = keep_note(escrow=escrow, command=rule.name, said=said, caller=caller)
    by = Acting.of(caller)
    if is_frozen:
        message = "The client refuses work of which a proof is pending or accepted."
        freeze(escrow=escrow, by=by, message=message, command=rule.name, **told)
    else:
        settle(escrow=escrow, status=outcome, release_minor=0, by=by, command=rule.name, **told)
    return EscrowResult(escrow)
