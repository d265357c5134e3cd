"""A slow OCR never delays a payout: what takes long has a queue and a worker of its own."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from celery import current_app
from django.conf import settings

from kobatela.embedded.stack import Stack

CHECKOUT = Path(__file__).resolve().parents[1]
READY_WITHIN_S = 60.0
WAITING = 5


def queue_of(task: str) -> str:
    """Where a task goes by the settings."""
    for pattern, route in settings.CELERY_TASK_ROUTES.items():
        if fnmatch(task, pattern):
            return str(route["queue"])
    return str(settings.CELERY_TASK_DEFAULT_QUEUE)


def commands(**environment: str) -> dict[str, list[str]]:
    """The workers of the embedded stack by name."""
    return dict(Stack(Path("unused"), environment=environment)._worker_commands())


def queues_in(command: list[str]) -> set[str]:
    return set(command[command.index("--queues") + 1].split(","))


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("payments.tasks.send_payment", "payments"),
        ("payments.tasks.sweep_payments", "payments"),
        ("payments.tasks.process_psp_event", "payments"),
        ("proofs.tasks.read_document", "documents"),
        ("proofs.tasks.reread_document", "documents"),
        ("proofs.tasks.render_pages", "documents"),
        ("proofs.tasks.sweep_documents", "default"),
        ("proofs.tasks.make_derivative", "default"),
    ],
)
def test_every_task_has_its_queue(task: str, queue: str) -> None:
    import_module(task.rpartition(".")[0])
    assert task in current_app.tasks
    assert queue_of(task) == queue


def test_nobody_who_pays_reads_documents_and_every_queue_has_a_worker() -> None:
    served = {name: queues_in(command) for name, command in commands().items()}

    assert served == {"worker": {"payments", "default"}, "documents": {"documents"}}
    with_advisor = commands(AI_PROOF_ADVISOR_ENABLED="true")
    assert queues_in(with_advisor["advice"]) == {"advice"}
    assert set().union(*map(queues_in, with_advisor.values())) == set(settings.KOBATELA_QUEUES)


def test_docker_compose_shares_the_queues_out_alike() -> None:
    services: Mapping[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())[
        "services"
    ]
    workers = {
        name: queues_in(service["command"])
        for name, service in services.items()
        if "--queues" in (service.get("command") or ())
    }
    assert workers == {
        "worker": {"payments", "default"},
        "documents": {"documents"},
        "advice": {"advice"},
    }


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    """The test's own broker, empty before and after."""
    client = redis.Redis.from_url(settings.CELERY_BROKER_URL)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@contextmanager
def working(name: str, log: Path) -> Iterator[None]:
    """A real worker of the stack, on the test's database and broker."""
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "LOG_FORMAT": "text"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            commands()[name],
            cwd=CHECKOUT,
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait_for(lambda: b"ready." in log.read_bytes(), log)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def wait_for(condition: Callable[[], bool], log: Path) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_S
    while not condition():
        assert time.monotonic() < give_up_at, log.read_text()
        time.sleep(0.05)


# Starts a real worker, which takes some seconds.
@pytest.mark.chaos
def test_documents_that_nobody_gets_to_keep_no_payment_waiting(
    broker: redis.Redis, tmp_path: Path, transactional_db: None
) -> None:
    for _ in range(WAITING):
        current_app.send_task("proofs.tasks.read_document", ["999999999"])
    current_app.send_task("payments.tasks.send_payment", ["999999999"])
    assert (broker.llen("documents"), broker.llen("payments")) == (WAITING, 1)

    log = tmp_path / "worker.log"
    with working("worker", log):
        done = b"payments.tasks.send_payment"
        wait_for(lambda: done in log.read_bytes() and b"succeeded" in log.read_bytes(), log)

    assert (broker.llen("documents"), broker.llen("payments")) == (WAITING, 0)
