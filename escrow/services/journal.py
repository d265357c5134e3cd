"""How a change of an escrow is saved and told: one row update, one audit entry, one event."""

from dataclasses import dataclass
from typing import Any

from audit.actions import Action
from audit.services import entries
from escrow import deadlines
from escrow.models import Deposit, Escrow, EscrowStatus, Milestone, MilestoneStatus, Note
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.uploads.services.files import claim_upload

# Everything about an escrow that changes after its creation.
_CHANGING = (
    "status",
    "funded_minor",
    "released_minor",
    "refunded_minor",
    "frozen_minor",
    "delivered_at",
    "delivery_has_evidence",
    "inspection_started_at",
    "evidence_at",
    "deadline_paused_at",
    "psp_hold_ends_at",
    "psp_hold_warned_at",
    "closed_at",
)


@dataclass(frozen=True, slots=True)
class Acting:
    """Who does something, for the audit trail."""

    actor: str
    on_behalf_of: int | None = None
    user_id: int | None = None

    @classmethod
    def of(cls, caller: Caller) -> "Acting":
        """The caller of a command."""
        return cls(caller.actor, caller.on_behalf_of, caller.user_id)


@dataclass(frozen=True, slots=True)
class Said:
    """What came with a command: words, an address where something is claimed to be, a file."""

    note: str = ""
    proof_url: str = ""
    upload_id: int | None = None


def save_escrow(escrow: Escrow, *fields: str) -> None:
    """Write what may have changed (only `fields`, when they are named), and the moment at which a
    deadline acts next."""
    escrow.next_deadline_at = deadlines.next_at(escrow)
    escrow.updated_at = clock.now()
    escrow.save(update_fields=(*(fields or _CHANGING), "next_deadline_at", "updated_at"))


def record(
    escrow: Escrow, action: Action, by: Acting, *, event: str | None = None, **body: Any
) -> None:
    """Write an entry about the escrow; both parties may hear of `event`."""
    entries.record(
        actor=by.actor,
        on_behalf_of=by.on_behalf_of,
        action=action,
        subject=escrow.reference,
        body={"status": escrow.status, **body},
        event=event,
        audience=(escrow.client_id, escrow.provider_id) if event else (),
    )


def record_deposit(
    escrow: Escrow, deposit: Deposit, action: Action, by: Acting, **body: Any
) -> None:
    """Write an entry about a deposit into the escrow's stream."""
    entries.record(
        actor=by.actor,
        on_behalf_of=by.on_behalf_of,
        action=action,
        subject=deposit.reference,
        stream=escrow.reference,
        body={
            "deposit_id": deposit.pk,
            "amount_minor": deposit.amount_minor,
            "currency": deposit.currency,
            "source": deposit.source,
            "status": deposit.status,
            **body,
        },
    )


def move_escrow(escrow: Escrow, target: EscrowStatus) -> str:
    """Move the escrow on its table; the status before. Raises InvalidState."""
    before = str(escrow.status)
    escrow.transition_to(target)
    return before


def move_milestone(
    escrow: Escrow,
    milestone: Milestone,
    target: MilestoneStatus,
    action: Action,
    by: Acting,
    *,
    event: str | None = None,
    **body: Any,
) -> None:
    """Move a milestone on its table, save it and write the entry. Raises InvalidState."""
    before = str(milestone.status)
    milestone.transition_to(target)
    # Whatever more was asked for has come, or is not needed any more.
    milestone.more_asked_at, milestone.more_asked_of_client = None, False
    milestone.updated_at = clock.now()
    milestone.save(update_fields=["status", "more_asked_at", "more_asked_of_client", "updated_at"])
    entries.record(
        actor=by.actor,
        on_behalf_of=by.on_behalf_of,
        action=action,
        subject=milestone.reference,
        stream=escrow.reference,
        body={
            "milestone_id": milestone.pk,
            "milestone_idx": milestone.sequence_index,
            "amount_minor": milestone.amount_minor,
            "currency": milestone.currency,
            "before": before,
            "status": milestone.status,
            **body,
        },
        event=event,
        audience=(escrow.client_id, escrow.provider_id) if event else (),
    )


def keep_note(*, escrow: Escrow, command: str, said: Said, caller: Caller) -> dict[str, Any]:
    """Keep what was said with a command; what the audit entry tells of it: ids, no words.

    Raises what claim_upload raises for a file that is not the caller's own unused one.
    """
    if said == Said():
        return {}
    upload = None
    if said.upload_id is not None:
        upload = claim_upload(upload_id=said.upload_id, caller=caller, used_for=escrow.reference)
    note = Note.objects.create(
        escrow=escrow,
        command=command,
        actor=caller.actor,
        text=said.note,
        proof_url=said.proof_url,
        upload=upload,
        created_at=clock.now(),
    )
    told: dict[str, Any] = {"note_id": note.pk}
    if upload is not None:
        told |= {"upload_id": upload.pk, "sha256": upload.sha256}
    return told
