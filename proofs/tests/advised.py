"""An installation with the advisor on, for tests."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from kobatela.kernel import clock
from proofs.advisor import client
from proofs.models import DocumentReading, Proof
from proofs.readers.documents.facts import PAGE_BREAK
from proofs.services.advice import hand_over
from proofs.states import Processing
from proofs.tests.model_server import API_KEY, MODEL, ModelServer, running


def read(proof: Proof, text: str, **fields: str) -> Proof:
    """The proof's document as if it had been read and checked, handed over to the advisor."""
    reading = DocumentReading.objects.create(
        proof=proof,
        engine="text",
        status="read",
        pages_total=text.count(PAGE_BREAK) + 1,
        pages_read=text.count(PAGE_BREAK) + 1,
        fields={
            name: {
                "name": name,
                "value": value,
                "raw": value,
                "confidence": 0.9,
                "page": 1,
                "box": [0, 0, 1, 1],
                "source": "text",
            }
            for name, value in fields.items()
        },
        checks=[{"name": name, "expected": value, "actual": value, "agrees": True}
                for name, value in fields.items()],
        raw_text=text,
        took_ms=1,
        read_by="system:documents",
        created_at=clock.now(),
    )  # fmt: skip
    Proof.objects.filter(pk=proof.pk).update(processing=Processing.CHECKING, reading=reading)
    proof.refresh_from_db()
    hand_over(proof=proof)
    return proof


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
