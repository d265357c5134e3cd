"""What people at a bank or an operator did, as far as statements told of it."""

from collections.abc import Mapping
from datetime import datetime

from kobatela.kernel.money import Money
from payments.models import BatchLine, BatchLineStatus, PaymentKind
from payments.psp.base import Movement, MovementKind, OrderState

_STATES = {
    BatchLineStatus.OPEN: OrderState.ACCEPTED,
    BatchLineStatus.SETTLED: OrderState.SETTLED,
    BatchLineStatus.FAILED: OrderState.FAILED,
    BatchLineStatus.RETURNED: OrderState.RETURNED,
}


class ManualBooks:
    """The lines of the files that were released, each where the last statement has put it.

    Deposits that came in by hand are in no statement that we take, so they are not listed.
    """

    name = "manual"

    def list_movements(self, since: datetime, until: datetime) -> list[Movement]:
        """See Books."""
        lines = BatchLine.objects.filter(
            attempt__isnull=False,
            batch__exported_at__gte=since,
            batch__exported_at__lt=until,
            status__in=list(_STATES),
        )
        return [_movement(line) for line in lines.select_related("batch", "payment").order_by("pk")]

    def list_chargebacks(self, since: datetime, until: datetime) -> list[Movement]:
        """See Books: no bank takes back what was put on the account by hand."""
        return []

    def balances(self) -> Mapping[str, int] | None:
        """See Books: no statement tells what is on the account."""
        return None


def _movement(line: BatchLine) -> Movement:
    is_refund = line.payment.kind == PaymentKind.REFUND
    exported_at = line.batch.exported_at
    assert exported_at is not None, "the list holds released files only"
    return Movement(
        kind=MovementKind.REFUND if is_refund else MovementKind.TRANSFER,
        psp_ref=line.code,
        key=line.code,
        money=Money(line.amount_minor, line.batch.currency),
        state=_STATES[BatchLineStatus(line.status)],
        created_at=exported_at,
        changed_at=exported_at if line.status == BatchLineStatus.OPEN else line.updated_at,
    )
