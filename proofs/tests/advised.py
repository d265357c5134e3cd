"""An installation with the advisor on, for tests."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from proofs.advisor import client
from proofs.tests.model_server import API_KEY, MODEL, ModelServer, running


def turn_on(settings: Settings, url: str) -> None:
    """Let the advisor ask the server at this address."""
    settings.AI_PROOF_ADVISOR_ENABLED = True
    settings.OPENAI_API_KEY = API_KEY
    settings.AI_PROOF_ADVISOR_MODEL = MODEL
    settings.AI_BASE_URL = url
    settings.AI_PROOF_TIMEOUT_SECONDS = 5.0


@pytest.fixture
def model(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """A model that finds everything clean until it is told otherwise; retries do not wait."""
    monkeypatch.setattr(client, "RETRY_AFTER_S", (0.0, 0.0))
    with running() as server:
        turn_on(settings, server.url)
        yield server
