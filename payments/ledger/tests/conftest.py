"""What the tests of the ledger share."""

import pytest

from payments.ledger import rules


@pytest.fixture(autouse=True)
def nobody_above(monkeypatch: pytest.MonkeyPatch) -> None:
    """The accounts of these tests belong to no escrow and no payment, so no floor above speaks."""
    monkeypatch.setattr(rules, "_rules", {})
