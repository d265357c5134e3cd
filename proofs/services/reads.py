"""Who looked at evidence: reads of what shows people and places are kept too."""

from django.db import transaction

from audit.actions import Action
from audit.services import entries
from kobatela.kernel.caller import Caller
from proofs.models import Proof


@transaction.atomic
def record_read(*, caller: Caller, proof: Proof, action: Action) -> None:
    """Keep in the audit trail that the caller read a proof or its file."""
    entries.record(
        actor=caller.actor,
        action=action,
        subject=f"proof:{proof.pk}",
        stream=f"escrow:{proof.escrow_id}",
        body={"file_sha256": proof.file_sha256},
        on_behalf_of=caller.on_behalf_of,
    )
