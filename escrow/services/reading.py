"""Reading one escrow, which is audited."""

from django.db import transaction

from audit.actions import Action
from escrow import selectors
from escrow.models import Escrow
from escrow.services.journal import Acting, record
from kobatela.kernel.caller import Caller


@transaction.atomic
def read_escrow(*, caller: Caller, escrow_id: int) -> Escrow:
    """One escrow, and one audit entry that it was read. Raises EscrowNotFound."""
    escrow = selectors.get_escrow(caller, escrow_id)
    record(escrow, Action.ESCROW_READ, Acting.of(caller))
    return escrow
