"""Deposits that were announced and that the escrow can no longer take."""

from audit.actions import Action
from escrow import selectors
from escrow.models import Deposit, DepositStatus, Escrow
from escrow.services.journal import Acting, record_deposit
from kobatela.accounts.services.approvals import withdraw
from kobatela.kernel import clock

_AT_MOST = 100


def fail_announced(escrow: Escrow, by: Acting, *, reason: str, above_minor: int = 0) -> None:
    """Make the pending deposits of a locked escrow FAILED, because it is full or has ended.

    above_minor: only those of more than this, because no more is missing. Nobody could confirm one
    any more, so support is not left to look at it. A pending deposit is only the word of a client:
    money that a PSP reports afterwards is booked all the same, to the sender's own funds. A first
    approval of one is withdrawn with it. Whoever announced more than can be told here holds up
    nobody's end with them: the rest fail after their 14 days.
    """
    if not selectors.has_announced(escrow.pk, above_minor):
        return
    pending = Deposit.objects.select_for_update(no_key=True).filter(
        escrow=escrow, status=DepositStatus.PENDING, amount_minor__gt=above_minor
    )
    for deposit in pending.order_by("pk")[:_AT_MOST]:
        deposit.transition_to(DepositStatus.FAILED)
        deposit.updated_at = clock.now()
        deposit.save(update_fields=["status", "updated_at"])
        withdraw(actor=by.actor, subject=deposit.reference, note="It no longer fits.")
        record_deposit(escrow, deposit, Action.DEPOSIT_NOT_NEEDED, by, reason=reason)
