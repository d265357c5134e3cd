"""Counters: shared by all processes, and nothing is lost when many count at once."""

import pytest

from audit.services.counters import count, counted
from audit.tests.together import run_together

THREADS = 16
EACH = 5


def _count_some() -> None:
    for _ in range(EACH):
        count("ocr.calls")


@pytest.mark.django_db
def test_what_never_happened_is_zero_and_what_was_not_asked_for_is_told_too() -> None:
    count("ocr.pages", 3)

    assert counted("ocr", "calls", "errors") == {"calls": 0, "errors": 0, "pages": 3}


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_many_who_count_at_once_lose_nothing() -> None:
    results = run_together([_count_some] * THREADS)

    assert results == [None] * THREADS
    assert counted("ocr") == {"calls": THREADS * EACH}
