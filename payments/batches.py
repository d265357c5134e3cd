"""Reading batches with their lines and statements; and batches under their lock."""

from datetime import datetime

from django.db.models import QuerySet

from kobatela.kernel.caller import Caller
from payments.errors import BatchNotFound
from payments.models import Batch, BatchLine, BatchStatement, BatchStatus


def visible_batches(caller: Caller) -> QuerySet[Batch]:
    """All batches for staff, none for anybody else."""
    return Batch.objects.all() if caller.is_staff else Batch.objects.none()


def get_batch(caller: Caller, batch_id: int) -> Batch:
    """One batch. Raises BatchNotFound."""
    batch = visible_batches(caller).filter(pk=batch_id).first()
    if batch is None:
        raise BatchNotFound
    return batch


def lock_batch(batch_id: int) -> Batch:
    """One batch, locked before everything that its lines belong to. Raises BatchNotFound."""
    locked = Batch.objects.select_for_update(of=("self",), no_key=True)
    batch = locked.filter(pk=batch_id).order_by().first()
    if batch is None:
        raise BatchNotFound
    return batch


def lines_of(batch_id: int) -> QuerySet[BatchLine]:
    """The lines of a batch in the order of its file, with their payments and destinations."""
    lines = BatchLine.objects.filter(batch=batch_id).select_related("payment", "destination")
    return lines.defer("destination__account").order_by("number")


def statements_of(batch_id: int) -> QuerySet[BatchStatement]:
    """The statements that were taken for a batch, the oldest first."""
    return BatchStatement.objects.filter(batch=batch_id).order_by("id")


def batches_for_staff() -> QuerySet[Batch]:
    """Batches that people must approve, or whose file they must release."""
    return Batch.objects.filter(status__in=[BatchStatus.DRAFT, BatchStatus.APPROVED])


def find_line(code: str) -> BatchLine | None:
    """The line that a statement means, of whatever batch."""
    return BatchLine.objects.select_related("attempt").filter(code=code).first()


def overdue_batches(before: datetime) -> list[Batch]:
    """Batches whose file went out `before` and of which no end of every line was reported."""
    open_ones = [BatchStatus.EXPORTED, BatchStatus.IMPORTED]
    return list(Batch.objects.filter(status__in=open_ones, exported_at__lte=before))
