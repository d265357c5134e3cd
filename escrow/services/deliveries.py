"""Delivery of the whole work: the inspection begins."""

from django.db import transaction

from audit.actions import Action
from escrow import rules, selectors
from escrow.models import Escrow, EscrowStatus
from escrow.services.journal import Acting, Said, keep_note, move_escrow, record, save_escrow
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller


@transaction.atomic(savepoint=False)
def mark_delivered(*, caller: Caller, escrow_id: int, said: Said) -> Escrow:
    """FUNDED becomes RELEASABLE and the inspection clock starts.

    The clock counts from the outbox row that tells the client. A file that comes along is
    evidence; with nothing but the provider's word the client's silence will move no money.

    Raises EscrowNotFound, EscrowRoleForbidden, InvalidState, MilestonesOpen, and what an upload
    that cannot be used raises.
    """
    escrow = selectors.lock_visible_escrow(caller, escrow_id)
    standing = selectors.standing(caller, escrow)
    rules.MARK_DELIVERED.check(standing)
    told = keep_note(escrow=escrow, command=rules.MARK_DELIVERED.name, said=said, caller=caller)
    before = move_escrow(escrow, EscrowStatus.RELEASABLE)
    escrow.delivered_at = clock.now()
    escrow.inspection_started_at = escrow.delivered_at
    escrow.delivery_has_evidence = said.upload_id is not None or bool(standing.milestones)
    save_escrow(escrow)
    record(
        escrow,
        Action.ESCROW_DELIVERED,
        Acting.of(caller),
        event="escrow.delivered",
        before=before,
        has_evidence=escrow.delivery_has_evidence,
        **told,
    )
    return escrow
