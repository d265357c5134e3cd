"""The breaker opens, half-opens and closes across two worker processes."""

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from pytest_django.fixtures import Settings

from audit.models import Alert
from kobatela.kernel import clock
from proofs.models import AdvisorState, Proof
from proofs.selectors import advisor_metrics
from proofs.tests.advised import turn_on
from proofs.tests.factories import photo, site_escrow, submit
from proofs.tests.model_server import API_KEY, MODEL, ModelServer, Scripted, advice, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.concurrency]
CHECKOUT = Path(__file__).resolve().parents[3]


class Worker:
    """One process, which works while this one goes on."""

    def __init__(self, model: ModelServer, settings: Settings) -> None:
        environment = {
            "KOBATELA_ENV": "test",
            "KOBATELA_TEST_DB": settings.TEST_DATABASE,
            "AI_PROOF_ADVISOR_ENABLED": "true",
            "AI_PROOF_ADVISOR_MODEL": MODEL,
            "AI_BASE_URL": model.url,
            "OPENAI_API_KEY": API_KEY,
            "AI_BREAKER_FAILURES": "3",
            "AI_PROOF_TIMEOUT_SECONDS": "60",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "proofs.tests.advice_worker", str(settings.KOBATELA_FILES_DIR)],
            cwd=CHECKOUT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
        self.process.wait(timeout=120)
        self.process.stdout.close()  # type: ignore[union-attr]  # likewise

    def begin(self, proof: Proof) -> None:
        """Give it a proof."""
        self.process.stdin.write(f"{proof.pk}\n")  # type: ignore[union-attr]  # it is a pipe
        self.process.stdin.flush()  # type: ignore[union-attr]  # likewise

    def said(self) -> str:
        """What it says next."""
        return self.process.stdout.readline().strip()  # type: ignore[union-attr]  # it is a pipe

    def advise(self, proof: Proof) -> str:
        """How one proof went."""
        self.begin(proof)
        return self.said()


@contextmanager
def two_workers(model: ModelServer, settings: Settings) -> Iterator[tuple[Worker, Worker]]:
    with ExitStack() as stack:
        first, second = (stack.enter_context(Worker(model, settings)) for _ in range(2))
        assert (first.said(), second.said()) == ("ready", "ready")
        yield first, second


def in_order_of_saying(first: Worker, second: Worker) -> tuple[Worker, Worker]:
    """The worker that says something first, and the other."""
    pipes: list[Any] = [first.process.stdout, second.process.stdout]
    ready, _, _ = select.select(pipes, [], [], 60)
    return (first, second) if ready == pipes[:1] else (second, first)


def clean_after(told_one: threading.Event) -> Callable[[Any], Scripted]:
    """The probe is under way until the other one has been told."""

    def answer(_body: Any) -> Scripted:
        assert told_one.wait(timeout=60)
        return Scripted(advice())

    return answer


def waiting() -> Proof:
    return submit(site_escrow(), photo())


def state() -> str:
    return str(AdvisorState.objects.get().breaker)


def let_its_time_pass() -> None:
    opened_at = clock.now() - timedelta(seconds=61)
    AdvisorState.objects.update(opened_at=opened_at)


def test_d38_r5_what_one_process_learns_of_the_model_holds_for_the_other(
    settings: Settings,
) -> None:
    with running() as model:
        turn_on(settings, model.url)
        with two_workers(model, settings) as (first, second):
            model.say(Scripted(status=500))
            # Three failures in a row, of two processes together.
            told = [worker.advise(waiting()) for worker in (first, second, first)]
            assert told == ["missed OVERLOADED"] * 3
            assert (state(), len(model.bodies)) == ("open", 9)
            # The other one does not ask any more.
            assert second.advise(waiting()) == "missed BREAKER_OPEN"
            assert len(model.bodies) == 9

            # After its time one call tries, of whichever process, and fails.
            let_its_time_pass()
            assert second.advise(waiting()) == "missed OVERLOADED"
            assert first.advise(waiting()) == "missed BREAKER_OPEN"
            assert state() == "open"

            # The next time the model works. Of two at once one is the probe, and both are told.
            let_its_time_pass()
            told_one = threading.Event()

            model.answer = clean_after(told_one)
            calls_before = len(model.bodies)
            first.begin(waiting())
            second.begin(waiting())
            quick, slow = in_order_of_saying(first, second)
            assert quick.said() == "missed BREAKER_OPEN"
            told_one.set()
            assert slow.said() == "advised clean"
            assert (state(), len(model.bodies)) == ("closed", calls_before + 1)

            model.say(advice())
            assert [first.advise(waiting()), second.advise(waiting())] == ["advised clean"] * 2

    assert Alert.objects.get().type == "AI_BREAKER_OPEN"
    found = advisor_metrics()
    assert (found["calls"], found["errors"], found["skipped"]) == (7, 4, 3)
    assert (found["breaker"], found["prompt_tokens"]) == ("closed", 300)
