"""Four eyes on commands that staff give, or an admin gives in a party's name."""

from collections.abc import Mapping
from typing import Any

from escrow.models import Escrow
from kobatela.accounts.services.approvals import ApprovalState, count_large_sum, require_approval
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import Money


def missing_approval(
    *,
    caller: Caller,
    command: str,
    escrow: Escrow,
    amount_minor: int,
    figures: Mapping[str, Any],
    subject: str | None = None,
    note: str = "",
) -> ApprovalState | None:
    """Count this caller's approval; None when the command may go ahead.

    Parties commanding their own money need nobody, and nobody is needed where no money moves; but
    a party's key that somebody else has just seen raises ApprovalTooEarly in a large escrow, or
    above the figure in many.
    subject: what is approved, the escrow unless given. figures: what the second person must ask
    for likewise. note: why the caller says yes.
    """
    if not amount_minor:
        return None
    if not (caller.is_staff or caller.on_behalf_of is not None):
        count_large_sum(
            caller=caller,
            money=Money(amount_minor, escrow.currency),
            whole=Money(escrow.amount_total_minor, escrow.currency),
        )
        return None
    state = require_approval(
        caller=caller,
        command=command,
        subject=subject or escrow.reference,
        escrow_id=escrow.pk,
        money=Money(amount_minor, escrow.currency),
        figures=figures,
        note=note,
    )
    return None if state.granted else state
