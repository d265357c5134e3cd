"""A broker that is away takes nothing from what was committed, and breaks no answer."""

from collections.abc import Callable

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

import payments.bells
import proofs.bells

RINGS = {
    f"{module.__name__}.{name}": ring
    for module in (payments.bells, proofs.bells)
    for name, ring in vars(module).items()
    if name.startswith("ring_")
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ring", RINGS.values(), ids=RINGS)
def test_a_commit_stands_whose_bell_the_broker_does_not_take(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ring: Callable[[int], None]
) -> None:
    def is_away(*args: object, **options: object) -> None:
        raise OperationalError("Connection refused")

    monkeypatch.setattr("celery.canvas.Signature.apply_async", is_away)

    with transaction.atomic():
        ring(1)

    assert "Connection refused" in caplog.text
