"""Releasing the file of a batch: from then on its payments are on their way."""

from dataclasses import dataclass

from django.db import transaction

from audit.actions import Action
from audit.services import switches
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.canonical import canonical_json, sha256_hex
from kobatela.kernel.crashpoints import crashpoint
from kobatela.kernel.errors import InvalidState
from kobatela.kernel.money import Money
from payments import selectors
from payments.batches import get_batch, lines_of, lock_batch
from payments.errors import BatchFileChanged, NothingToExport, PayoutsPaused
from payments.models import (
    Attempt,
    Batch,
    BatchLine,
    BatchLineStatus,
    BatchStatus,
    Hold,
    Payment,
    PaymentKind,
    PaymentStatus,
)
from payments.psp.manual import FileLine, batch_file
from payments.psp.registry import MANUAL
from payments.services.batches import end_line, save_batch, tell
from payments.services.cover import take_cover
from payments.services.routes import why_payee_waits
from payments.services.rows import lock_owner, mark_sent, save

_RELEASED = frozenset({BatchStatus.EXPORTED, BatchStatus.IMPORTED, BatchStatus.CLOSED})


@dataclass(frozen=True, slots=True, repr=False)
class BatchFile:
    """The file as it is handed out. It has no text of its own: it names accounts."""

    name: str
    content: bytes
    sha256: str


def release_file(*, caller: Caller, batch_id: int) -> BatchFile:
    """The file of an approved batch. The first time its payments become SENT; each time audited.

    A payment that may not be sent any more (held, its destination taken back, its payee
    deactivated, or its money not there) is left out and waits on. Every later copy is the same,
    byte for byte.

    Raises BatchNotFound, InvalidState before two people have approved and for a cancelled batch,
    PayoutsPaused, NothingToExport, and BatchFileChanged, which alerts staff.
    """
    get_batch(caller, batch_id)
    batch, released = _release(batch_id, caller)
    crashpoint("batch.released")
    if released.sha256 != batch.file_sha256:
        raise_alert(
            type=AlertType.BATCH_FILE_CHANGED,
            severity=Severity.CRITICAL,
            subject=batch.reference,
            message="The file of a batch would not be the one that was released first.",
            payload={"released_sha256": batch.file_sha256, "sha256": released.sha256},
        )
        raise BatchFileChanged
    return released


@transaction.atomic
def _release(batch_id: int, caller: Caller) -> tuple[Batch, BatchFile]:
    batch = lock_batch(batch_id)
    is_first = batch.status not in _RELEASED
    if is_first:
        _export(batch, caller)
    content = _content(batch)
    sha256 = sha256_hex(content)
    if is_first:
        batch.file_sha256 = sha256
        save_batch(batch, "status", "file_sha256", "exported_at", "line_count", "total_minor")
        tell(batch, Action.BATCH_EXPORTED, caller.actor, sha256=sha256)
    elif sha256 == batch.file_sha256:
        tell(batch, Action.BATCH_FILE_READ, caller.actor, sha256=sha256)
    crashpoint("batch.release_written")
    return batch, BatchFile(f"kobatela-batch-{batch.pk}.csv", content, sha256)


def _export(batch: Batch, caller: Caller) -> None:
    if batch.status != BatchStatus.APPROVED:
        raise InvalidState(f"The file of a {batch.status} batch is not released.")
    if switches.is_on(switches.SwitchName.PAYOUTS_PAUSED):
        raise PayoutsPaused
    lines = _locked_lines(batch)
    now = clock.now()
    in_force = selectors.destinations_in_force(now).filter(
        pk__in=[line.destination_id for line in lines]
    )
    payable = set(in_force.values_list("pk", flat=True))
    ready = [
        line for line in lines if line.destination_id in payable and _may_be_sent(line.payment)
    ]
    covered = take_cover([line.payment for line in ready], actor=caller.actor)
    sent = [line for line in ready if line.payment_id in covered]
    if not sent:
        raise NothingToExport
    for line in lines:
        if line in sent:
            _send(line, caller)
        else:
            end_line(line, BatchLineStatus.DROPPED)
    batch.transition_to(BatchStatus.EXPORTED)
    batch.exported_at = now
    batch.line_count = len(sent)
    batch.total_minor = sum(line.amount_minor for line in sent)


def _locked_lines(batch: Batch) -> list[BatchLine]:
    """The lines with their payments, all locks taken, in the order in which they are booked.

    Every owner first, then every payment: a transaction about one of them holds its owner when it
    asks for a balance, so this one must not hold a balance when it asks for an owner. Balances
    are taken in the order of the payees, those of senders last, as escrows that end take them.
    """
    lines = list(lines_of(batch.pk))
    by_owner = sorted(
        (line.payment for line in lines), key=lambda row: (row.escrow_id, row.milestone_id or 0)
    )
    for payment in by_owner:
        lock_owner(payment)
    for line in sorted(lines, key=lambda line: line.payment_id):
        line.payment = selectors.lock_payment(line.payment_id)
    return sorted(lines, key=lambda line: _books_in_order(line.payment))


def _books_in_order(payment: Payment) -> tuple[bool, int, int]:
    return payment.kind == PaymentKind.REFUND, payment.payee_id or 0, payment.pk


def _may_be_sent(payment: Payment) -> bool:
    is_waiting = payment.status == PaymentStatus.PENDING and payment.hold_reason == Hold.NONE
    return is_waiting and payment.psp == MANUAL and not why_payee_waits(payment)


def _send(line: BatchLine, caller: Caller) -> None:
    payment, now = line.payment, clock.now()
    payment.psp_key = payment.psp_ref = line.code
    payment.destination = line.destination.reference
    save(payment, "psp_ref", "destination")
    line.attempt = Attempt.objects.create(
        payment=payment,
        number=payment.attempt,
        psp=MANUAL,
        psp_key=line.code,
        psp_ref=line.code,
        request_body=_order(line),
        started_at=now,
        # Handed over with the file; what becomes of it is for the statement to tell.
        accepted_at=now,
    )
    line.updated_at = now
    line.save(update_fields=["attempt", "updated_at"])
    mark_sent(payment, actor=caller.actor)


def _order(line: BatchLine) -> str:
    return canonical_json(
        {
            "line": line.code,
            "destination": line.destination.reference,
            "masked": line.destination.masked,
            "amount_minor": line.amount_minor,
            "currency": line.payment.currency,
        }
    )


def _content(batch: Batch) -> bytes:
    lines = [line for line in lines_of(batch.pk) if line.status != BatchLineStatus.DROPPED]
    accounts = selectors.accounts_of([line.destination_id for line in lines])
    return batch_file(
        [
            FileLine(
                code=line.code,
                kind=line.destination.kind,
                operator=line.destination.operator,
                account=accounts[line.destination_id],
                bank_code=line.destination.bank_code,
                name=line.destination.holder,
                money=Money(line.amount_minor, batch.currency),
            )
            for line in lines
        ]
    )
