"""How far back PSPs' records are compared, and how young what is left to its report is."""

from datetime import datetime, timedelta

from payments.models import Reach

# A report that got lost is made up for by the sweeper, which looks every ten minutes.
GRACE = timedelta(minutes=30)
# An order is sent again for up to 20 hours, and clocks differ.
SLACK = timedelta(hours=1)
BACK = {
    Reach.RECENT: timedelta(hours=6),
    Reach.NIGHTLY: timedelta(days=3),
    # What comes back after weeks, without a report, is found by this one.
    Reach.WEEKLY: timedelta(days=35),
}
# A bank decides within months; and a report of a case may have come days after it was opened.
CASES_BACK = timedelta(days=400)
CASE_SLACK = timedelta(days=14)


def cases_since(oldest: datetime | None, since: datetime, now: datetime) -> datetime:
    """From when on chargebacks are looked at. oldest: when the oldest one was opened that is not
    decided, or not told as we know it."""
    return since if oldest is None else max(min(since, oldest), now - CASES_BACK)
