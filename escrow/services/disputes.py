"""Disputes, and how support ends them."""

from django.db import transaction

from escrow import rules, selectors
from escrow.errors import ResolutionNotBalanced
from escrow.models import Escrow, EscrowStatus
from escrow.services.amounts import AmountIn
from escrow.services.approvals import missing_approval
from escrow.services.journal import Acting, Said, keep_note
from escrow.services.outcomes import freeze, settle
from escrow.services.results import EscrowResult
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import format_minor


@transaction.atomic(savepoint=False)
def open_dispute(*, caller: Caller, escrow_id: int, said: Said) -> Escrow:
    """Freeze what is held until support decides. Money already released goes on.

    Raises EscrowNotFound, EscrowRoleForbidden and InvalidState.
    """
    escrow = selectors.lock_visible_escrow(caller, escrow_id)
    rules.DISPUTE.check(selectors.standing(caller, escrow))
    told = keep_note(escrow=escrow, command=rules.DISPUTE.name, said=said, caller=caller)
    freeze(
        escrow=escrow,
        by=Acting.of(caller),
        message="A party opened a dispute.",
        command=rules.DISPUTE.name,
        **told,
    )
    return escrow


@transaction.atomic(savepoint=False)
def resolve_dispute(
    *, caller: Caller, escrow_id: int, release_in: AmountIn, refund_in: AmountIn, note: str
) -> EscrowResult:
    """End a dispute: so much to the provider, so much back; together all that is held.

    RELEASED if anything was released, else REFUNDED. Above a figure two people must ask for the
    same split. Raises EscrowNotFound, EscrowRoleForbidden, OwnEscrowForbidden, InvalidState,
    ResolutionNotBalanced and ValidationFailed.
    """
    escrow = selectors.lock_visible_escrow(caller, escrow_id)
    release_minor, refund_minor = release_in(escrow.currency), refund_in(escrow.currency)
    rules.RESOLVE.check(selectors.standing(caller, escrow))
    held_minor = rules.held_minor(escrow)
    if release_minor + refund_minor != held_minor:
        raise ResolutionNotBalanced(held=format_minor(held_minor, escrow.currency))
    missing = missing_approval(
        caller=caller,
        command=rules.RESOLVE.name,
        escrow=escrow,
        amount_minor=held_minor,
        figures={"release_minor": release_minor, "refund_minor": refund_minor},
        note=note,
    )
    if missing is None:
        told = keep_note(escrow=escrow, command=rules.RESOLVE.name, said=Said(note), caller=caller)
        settle(
            escrow=escrow,
            status=EscrowStatus.RELEASED if release_minor else EscrowStatus.REFUNDED,
            release_minor=release_minor,
            by=Acting.of(caller),
            command=rules.RESOLVE.name,
            **told,
        )
    return EscrowResult(escrow, missing)
