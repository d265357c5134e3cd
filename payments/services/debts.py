"""What payers owe after lost chargebacks, and how it is made good."""

from audit.actions import Action
from audit.services import entries
from kobatela.kernel import clock
from payments.models import Chargeback


def recover(case: Chargeback, amount_minor: int, *, actor: str, by: str) -> None:
    """Take so much off the open debt of a locked case; who asks books it in the same transaction.

    by: what made it good (`funds_move:4`, `payment:9`).
    """
    case.recovered_minor += amount_minor
    case.updated_at = clock.now()
    case.save(update_fields=["recovered_minor", "updated_at"])
    entries.record(
        actor=actor,
        action=Action.CHARGEBACK_RECOVERED,
        subject=case.reference,
        stream=f"escrow:{case.escrow_id}",
        body={
            "by": by,
            "amount_minor": amount_minor,
            "currency": case.currency,
            "owed_minor": case.owed_minor,
            "recovered_minor": case.recovered_minor,
        },
    )
