"""Batches of payments that people make: collected by support, approved by two of them."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db import transaction
from django.db.models import Q

from audit.actions import Action
from audit.services import entries
from kobatela.accounts.services.approvals import ApprovalState, require_two, withdraw
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState
from kobatela.kernel.money import total
from payments import selectors
from payments.batches import get_batch, lines_of, lock_batch
from payments.errors import NothingToCollect, OwnBatchForbidden
from payments.models import (
    Batch,
    BatchLine,
    BatchLineStatus,
    BatchStatus,
    Destination,
    DestinationKind,
    Payment,
)
from payments.psp.base import Reason
from payments.services.routes import account_for
from payments.services.rows import save

# One file is released in one transaction, which locks the escrow of every line.
LINES_AT_MOST = 200
APPROVE_COMMAND = "approve_batch"

_APPROVED = frozenset(
    {BatchStatus.APPROVED, BatchStatus.EXPORTED, BatchStatus.IMPORTED, BatchStatus.CLOSED}
)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A batch, and how many people have approved it."""

    batch: Batch
    approvals: ApprovalState


@transaction.atomic
def collect_batch(*, caller: Caller, currency: str, kind: str) -> Batch:
    """Put the payments that wait for people into a draft: the oldest, 200 at most.

    They are those of one currency whose payee has a destination of `kind` to use now. A payment
    is in one batch at a time. Raises NothingToCollect.
    """
    found = _waiting(currency, DestinationKind(kind))
    if not found:
        raise NothingToCollect
    now = clock.now()
    batch = Batch.objects.create(
        currency=currency,
        kind=kind,
        line_count=len(found),
        total_minor=total((payment.money for payment, _ in found), currency).amount_minor,
        created_by=caller.actor,
        created_at=now,
        updated_at=now,
    )
    BatchLine.objects.bulk_create(
        BatchLine(
            batch=batch,
            number=number,
            code=f"KB{batch.pk}-{number}-{secrets.token_hex(3).upper()}",
            payment=payment,
            destination=destination,
            amount_minor=payment.amount_minor,
            created_at=now,
            updated_at=now,
        )
        for number, (payment, destination) in enumerate(found, start=1)
    )
    for payment, _ in found:
        payment.reason = Reason.FOUR_EYES
        save(payment, "reason")
    tell(batch, Action.BATCH_COLLECTED, caller.actor, payments=[row.pk for row, _ in found])
    return batch


@transaction.atomic
def approve_batch(*, caller: Caller, batch_id: int) -> BatchResult:
    """Count the caller's approval; the second person's lets the file be released.

    Approving what is approved changes nothing. Raises BatchNotFound, InvalidState for a batch
    that was cancelled, OwnBatchForbidden for who has a stake in one of its payments, and
    ApprovalNeedsUser for a key that belongs to nobody.
    """
    batch = _locked(caller, batch_id)
    if batch.status in _APPROVED:
        return BatchResult(batch, ApprovalState(given=2, needed=2, granted=True))
    if batch.status != BatchStatus.DRAFT:
        raise InvalidState(f"A {batch.status} batch is not approved.")
    require_no_stake(batch, caller)
    state = require_two(
        caller=caller,
        command=APPROVE_COMMAND,
        subject=batch.reference,
        money=batch.money,
        figures={"lines": batch.line_count},
    )
    if state.granted:
        batch.transition_to(BatchStatus.APPROVED)
        batch.approved_at = clock.now()
        save_batch(batch, "status", "approved_at")
        _free_reason(batch)
        tell(batch, Action.BATCH_APPROVED, caller.actor)
    return BatchResult(batch, state)


@transaction.atomic
def cancel_batch(*, caller: Caller, batch_id: int, note: str) -> Batch:
    """Give the payments of a batch that was not released back; they wait for another one.

    Also how one person rejects what another has approved. Again: no change. Raises BatchNotFound,
    and InvalidState once the file is out.
    """
    batch = _locked(caller, batch_id)
    if batch.status == BatchStatus.CANCELLED:
        return batch
    batch.transition_to(BatchStatus.CANCELLED)
    batch.note = note
    batch.closed_at = clock.now()
    save_batch(batch, "status", "note", "closed_at")
    withdraw(actor=caller.actor, subject=batch.reference, note=note)
    _free_reason(batch)
    for line in lines_of(batch.pk):
        end_line(line, BatchLineStatus.DROPPED)
    tell(batch, Action.BATCH_CANCELLED, caller.actor)
    return batch


def require_no_stake(batch: Batch, caller: Caller) -> None:
    """Raise OwnBatchForbidden when the person behind the key is a party of one of the payments,
    manages one, is managed by one, or shares a manager with one."""
    if caller.user_id is None:
        return
    close = [
        Q(**{f"{side}{tie}": caller.user_id})
        for side in ("payer", "payee")
        for tie in ("", "__managed_by", "__managed", "__managed_by__managed")
    ]
    paid = Payment.objects.filter(batch_lines__batch=batch)
    if paid.filter(reduce(or_, close)).exists():
        raise OwnBatchForbidden


def end_line(line: BatchLine, status: BatchLineStatus, **reported: Any) -> None:
    """Move a line of a locked batch on, with what was reported of it."""
    line.transition_to(status)
    for name, value in reported.items():
        setattr(line, name, value)
    line.updated_at = clock.now()
    line.save(update_fields=["status", "updated_at", *reported])


def save_batch(batch: Batch, *fields: str) -> None:
    """Save the named fields, and when."""
    batch.updated_at = clock.now()
    batch.save(update_fields=[*fields, "updated_at"])


def tell(batch: Batch, action: Action, actor: str, **told: Any) -> None:
    """Write the audit entry of what just happened to a locked batch."""
    body: Mapping[str, Any] = {
        "status": str(batch.status),
        "kind": batch.kind,
        "currency": batch.currency,
        "lines": batch.line_count,
        "total_minor": batch.total_minor,
        **told,
    }
    entries.record(actor=actor, action=action, subject=batch.reference, body=body)


def _locked(caller: Caller, batch_id: int) -> Batch:
    get_batch(caller, batch_id)
    return lock_batch(batch_id)


def _waiting(currency: str, kind: DestinationKind) -> list[tuple[Payment, Destination]]:
    """The payments that go into a batch, locked, each with where it is paid."""
    waiting = selectors.payments_to_collect(currency, kind, clock.now())
    # Whoever collects at the same moment has what is locked.
    locked = waiting.select_for_update(of=("self",), no_key=True, skip_locked=True)
    found: list[tuple[Payment, Destination]] = []
    for payment in locked[:LINES_AT_MOST]:
        destination = account_for(payment)
        # Who has accounts of both kinds is paid to the preferred one.
        if destination is not None and destination.kind == kind:
            found.append((payment, destination))
    return found


def _free_reason(batch: Batch) -> None:
    """Nothing keeps the payments of this batch from being sent any more."""
    Payment.objects.filter(
        batch_lines__batch=batch,
        batch_lines__status=BatchLineStatus.OPEN,
        reason=Reason.FOUR_EYES,
    ).update(reason=Reason.NONE, updated_at=clock.now())
