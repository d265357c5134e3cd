"""Refusals of commands that join their caller's transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from kobatela.kernel.errors import DomainError


@contextmanager
def refused(error: type[Exception]) -> Iterator[pytest.ExceptionInfo[Exception]]:
    """What happens inside is refused with `error` and undone; the test goes on."""
    with pytest.raises(error) as refusal, transaction.atomic():
        yield refusal


def details_of(refusal: pytest.ExceptionInfo[Exception]) -> dict[str, Any]:
    """What the refusal tells beside its code."""
    assert isinstance(refusal.value, DomainError)
    return refusal.value.details


def code_of(refusal: pytest.ExceptionInfo[Exception]) -> str:
    """The code of the refusal."""
    assert isinstance(refusal.value, DomainError)
    return refusal.value.code
