"""What the tests of payments share."""

import pytest

import payments.tasks  # noqa: F401 - a task that is not loaded would be sent past the doorbells
from payments.psp import registry
from payments.tests.stub_psp import StubPsp


@pytest.fixture
def psp(monkeypatch: pytest.MonkeyPatch) -> StubPsp:
    """The PSP of the test, in memory."""
    stub = StubPsp()
    monkeypatch.setattr(registry, "get_psp", lambda _name: stub)
    return stub
