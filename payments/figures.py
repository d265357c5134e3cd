"""Sums and counts over payments, for reports and for those who watch."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Min, QuerySet, Sum

from payments.models import Payment, PaymentKind, PaymentMethod, PaymentStatus
from payments.psp.registry import ONLINE


def settled_minor_by_escrow(escrow_ids: Collection[int]) -> dict[int, int]:
    """What has arrived at providers, payees and merchants, in the currency of each escrow."""
    return dict(_arrived(escrow_ids).values_list("escrow").annotate(Sum("amount_minor")))


def settled_minor_by_currency(escrow_ids: "Collection[int] | QuerySet[Any, Any]") -> dict[str, int]:
    """As settled_minor_by_escrow, summed by currency; the ids may be a query."""
    summed = _arrived(escrow_ids).values_list("currency").annotate(Sum("amount_minor"))
    return {currency: int(amount_minor) for currency, amount_minor in summed}


def open_payments() -> dict[str, int]:
    """How many payments have not come to an end, by status; 0 where there are none."""
    statuses = (PaymentStatus.PENDING, PaymentStatus.SENT, PaymentStatus.ERROR)
    found = Payment.objects.filter(status__in=statuses).order_by()
    counted = dict(found.values_list("status").annotate(Count("pk")))
    return {status: counted.get(status, 0) for status in statuses}


def oldest_unknown_since() -> datetime | None:
    """Since when the outcome of a payment at a PSP has been open for the longest time."""
    waiting = Payment.objects.filter(
        status=PaymentStatus.SENT, method=PaymentMethod.PSP, psp__in=ONLINE
    )
    oldest: datetime | None = waiting.aggregate(oldest=Min("sent_at"))["oldest"]
    return oldest


def _arrived(escrow_ids: "Collection[int] | QuerySet[Any, Any]") -> QuerySet[Payment]:
    settled = Payment.objects.filter(
        escrow__in=escrow_ids, status=PaymentStatus.SETTLED, currency=F("escrow__currency")
    )
    return settled.exclude(kind=PaymentKind.REFUND).order_by()
