"""Counters that outlive every process: how often something was called, and how often it failed."""

from django.db import connection

from audit.models import Counter

# One statement, so that two processes that count at once lose nothing.
_COUNT = """
INSERT INTO audit_counter AS counter (name, value) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value
"""


def count(name: str, by: int = 1) -> None:
    """Count `by` more of `name`, which is written `<what>.<event>`, as in `ocr.calls`.

    The row stays locked to the end of the transaction: count last, or outside of any.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [name, by])


def counted(what: str, *events: str) -> dict[str, int]:
    """How often each event of `what` was counted; 0 for what never happened."""
    stored = dict(Counter.objects.filter(name__startswith=f"{what}.").values_list("name", "value"))
    found = {name.removeprefix(f"{what}."): value for name, value in stored.items()}
    return dict.fromkeys(events, 0) | found
