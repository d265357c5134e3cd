"""Reading the payments that wait until their PSP can pay out the money that it holds for us."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from payments.models import Attempt, Hold, Payment, PaymentStatus
from payments.psp.base import Reason


def payments_to_try_again(now: datetime, limit: int) -> list[int]:
    """Those whose time for another try has come, longest overdue first."""
    is_due = Q(lease_until__lte=now) | Q(lease_until=None)
    due = _waiting().filter(is_due)
    return list(due.order_by("lease_until").values_list("pk", flat=True)[:limit])


def payments_without_funds_since(before: datetime, limit: int) -> list[Payment]:
    """Those whose first try failed for want of money `before`, oldest first."""
    tries = Attempt.objects.filter(payment=OuterRef("pk"), reason=Reason.FUNDS_PENDING)
    late = _waiting().filter(Exists(tries.filter(started_at__lte=before)))
    return list(late.order_by("pk")[:limit])


def _waiting() -> QuerySet[Payment]:
    return Payment.objects.filter(
        status=PaymentStatus.PENDING, hold_reason=Hold.NONE, reason=Reason.FUNDS_PENDING
    )
