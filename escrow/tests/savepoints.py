"""Blocks in which many examples stand side by side in one test, each as if it were alone."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction


def savepoint() -> transaction.Atomic:
    """A block that a durable one may stand in: here the test is what makes it not durable."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]  # as Django's own TestCase does
    return block


@contextmanager
def undone() -> Iterator[None]:
    """A block of which nothing is left: what the next one meets does not grow."""
    with savepoint():
        yield
        transaction.set_rollback(True)
