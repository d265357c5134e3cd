"""Money back to the client on request, all of it or what no milestone needs."""

from django.db import transaction

from audit.actions import Action
from escrow import rules, selectors
from escrow.errors import InsufficientEscrowBalance
from escrow.models import EscrowStatus
from escrow.rules import Standing
from escrow.services import outcomes
from escrow.services.acceptance import turn_down
from escrow.services.amounts import AmountIn
from escrow.services.approvals import missing_approval
from escrow.services.journal import Acting, Said, keep_note, record, save_escrow
from escrow.services.results import EscrowResult
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import ValidationFailed
from kobatela.kernel.money import format_minor


@transaction.atomic(savepoint=False)
def refund_escrow(
    *, caller: Caller, escrow_id: int, amount_in: AmountIn | None, note: str = ""
) -> EscrowResult:
    """Give money back. Without an amount, or with all that is held, the escrow ends.

    The provider and support end it at once (DRAFT becomes CANCELLED, else REFUNDED); the client
    does what reject_escrow does. A smaller amount is taken from what no open milestone needs and
    leaves the escrow as it is. Staff must say why.

    Raises EscrowNotFound, EscrowRoleForbidden, OwnEscrowForbidden, InvalidState,
    InsufficientEscrowBalance (`details.free`) and ValidationFailed.
    """
    escrow = selectors.lock_visible_escrow(caller, escrow_id)
    held_minor = rules.held_minor(escrow)
    amount_minor = amount_in(escrow.currency) if amount_in else held_minor
    if caller.is_staff and not note:
        raise ValidationFailed.of("note", "required", "Staff must say why.")
    standing = selectors.standing(caller, escrow)
    rules.REFUND.check(standing)
    if amount_minor != held_minor:
        return _refund_part(standing, amount_minor, note)
    if caller.is_staff or standing.refunds_as_provider:
        return _refund_all(standing, note)
    rules.require_may_turn_down(standing)
    return turn_down(standing, rules.REFUND, Said(note))


def _refund_all(standing: Standing, note: str) -> EscrowResult:
    escrow, caller = standing.escrow, standing.caller
    rules.require_unfrozen(escrow)
    held_minor = rules.held_minor(escrow)
    missing = missing_approval(
        caller=caller,
        command=rules.REFUND.name,
        escrow=escrow,
        amount_minor=held_minor,
        figures={"refund_minor": held_minor},
        note=note,
    )
    if missing is None:
        is_draft = escrow.status == EscrowStatus.DRAFT
        told = keep_note(escrow=escrow, command=rules.REFUND.name, said=Said(note), caller=caller)
        outcomes.settle(
            escrow=escrow,
            status=EscrowStatus.CANCELLED if is_draft else EscrowStatus.REFUNDED,
            release_minor=0,
            by=Acting.of(caller),
            command=rules.REFUND.name,
            **told,
        )
    return EscrowResult(escrow, missing)


def _refund_part(standing: Standing, amount_minor: int, note: str) -> EscrowResult:
    escrow, caller = standing.escrow, standing.caller
    if amount_minor > standing.free_minor:
        free = format_minor(standing.free_minor, escrow.currency)
        raise InsufficientEscrowBalance(free=free)
    missing = missing_approval(
        caller=caller,
        command=rules.REFUND.name,
        escrow=escrow,
        amount_minor=amount_minor,
        figures={"refund_minor": amount_minor},
        note=note,
    )
    if missing is not None:
        return EscrowResult(escrow, missing)
    told = keep_note(escrow=escrow, command=rules.REFUND.name, said=Said(note), caller=caller)
    by = Acting.of(caller)
    # What has been refunded in all only grows, so this names each refund once and for ever.
    refunded_minor = escrow.refunded_minor + amount_minor
    business_key = f"{escrow.reference}:refund:{refunded_minor}"
    outcomes.refund(escrow, amount_minor, by, business_key=business_key)
    save_escrow(escrow)
    record(
        escrow,
        Action.ESCROW_PARTLY_REFUNDED,
        by,
        event="escrow.partly_refunded",
        refunded_minor=amount_minor,
        currency=escrow.currency,
        **told,
    )
    return EscrowResult(escrow)
