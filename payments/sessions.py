"""Reading the sessions in which PSPs collect deposits: which of them are to be asked about."""

from collections.abc import Collection
from datetime import datetime, timedelta

from payments.models import Funding, FundingStatus


def fundings_to_look_up(now: datetime, limit: int) -> list[int]:
    """Open sessions whose record at the PSP is due to be looked at, longest overdue first."""
    due = Funding.objects.filter(status=FundingStatus.CREATED, next_look_at__lte=now)
    return list(due.order_by("next_look_at").values_list("pk", flat=True)[:limit])


def ended_fundings_to_look_up(
    now: datetime, psps: Collection[str], since: datetime, limit: int
) -> list[int]:
    """Sessions of these PSPs that ended without money after `since` and are due to be looked at
    again: somebody may have paid one all the same. Longest overdue first."""
    ended = Funding.objects.filter(status=FundingStatus.FAILED, updated_at__gt=since)
    due = ended.filter(next_look_at__lte=now, psp__in=psps)
    return list(due.order_by("next_look_at").values_list("pk", flat=True)[:limit])


def fundings_without_fee(now: datetime, psps: Collection[str], limit: int) -> list[int]:
    """Charges of these PSPs whose fee is not known and is due to be asked for, longest overdue
    first. Who has not told it after three days will not."""
    wanted = Funding.objects.filter(
        status=FundingStatus.SUCCEEDED,
        fee_minor__isnull=True,
        psp__in=psps,
        next_look_at__lte=now,
        updated_at__gt=now - timedelta(days=3),
    )
    return list(wanted.order_by("next_look_at").values_list("pk", flat=True)[:limit])
