"""Workers killed with SIGKILL while they pay: every payout reaches its payee once.

The judge is the PSP's own book, kept by a process that nobody kills. Real Celery workers, a real
broker, a real web server for the PSP's reports.
"""

import os
import random
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from celery import current_app
from django.conf import settings

from audit import selectors as audit_selectors
from conftest import Scaled
from kobatela.embedded.ports import free_port
from kobatela.kernel import clock
from payments.models import Attempt, Payment
from payments.tests.books import assert_in_order
from payments.tests.factories import make_payout

CHECKOUT = Path(__file__).resolve().parents[1]
SECRET = "the-secret-of-the-chaos-test"
# Short, so that what a dead worker left behind is picked up within the test.
HURRY = {
    "KOBATELA_PSP_TIMEOUT_S": "1",
    "KOBATELA_PAYMENT_LEASE_S": "2",
    "KOBATELA_JOB_LOCK_HOLD_S": "2",
    "LOG_FORMAT": "text",
    "LOG_LEVEL": "WARNING",
}
# What the PSP does to orders on its own, beside what the killing does; the sleep after taking an
# order holds the most dangerous moment open.
MISCHIEF = [
    {"behaviour": "slow", "seconds": 0.3, "times": 4},
    {"behaviour": "no_answer", "times": 1},
    {"behaviour": "slow", "seconds": 0.1, "times": 4},
    {"behaviour": "error_after_accept", "times": 1},
    {"behaviour": "early_webhook", "seconds": 0.2, "times": 2},
    {"behaviour": "duplicate_webhook", "times": 2},
    {"behaviour": "busy", "times": 1},
    {"behaviour": "lost_webhook", "times": 1},
]


@dataclass
class Worker:
    """A Celery worker with its children, to be killed and started again."""

    environment: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    kills: "Counter[str]" = field(default_factory=Counter)

    def start(self) -> None:
        """Start it and wait until it takes tasks."""
        command = [
            sys.executable, "-m", "celery", "-A", "kobatela.celery", "worker",
            "--concurrency", "3", "--loglevel", "INFO",
            "--without-gossip", "--without-mingle", "--without-heartbeat",
        ]  # fmt: skip
        seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, cwd=CHECKOUT, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        _wait_for(lambda: b"ready." in self.log.read_bytes()[seen:], "the worker", self.log)

    def kill_child(self, chance: random.Random) -> None:
        """Kill one of the processes that run tasks; the worker forks another."""
        assert self.process is not None
        listing = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = [int(pid) for pid in listing.read_text().split()]
        if children:
            self._kill(chance.choice(children))
            self.kills["child"] += 1

    def kill_all(self) -> None:
        """Kill the worker with all its processes."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.kills["worker"] += 1

    def stop(self) -> None:
        """End it for good."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def _kill(self, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


@dataclass
class Installation:
    """What the test looks at and plays with."""

    worker: Worker
    psp_url: str
    broker: redis.Redis

    def books(self) -> Any:
        """The PSP's own record."""
        return httpx.get(f"{self.psp_url}/books", timeout=10).json()

    def ring(self, payment: Payment) -> None:
        """The doorbell of one payment."""
        current_app.send_task("payments.tasks.send_payment", [str(payment.pk)])

    def sweep(self) -> None:
        """What beat does by the clock."""
        current_app.send_task("payments.tasks.sweep_payments")


@pytest.fixture
def installation(tmp_path: Path, transactional_db: None) -> Iterator[Installation]:
    """PSP, web server and worker on the test database."""
    psp_port, web_port = free_port(), free_port()
    environment = os.environ | HURRY | {
        "PYTHONPATH": str(CHECKOUT),
        "PSP_WEBHOOK_SECRET": SECRET,
        "FAKE_PSP_URL": f"http://127.0.0.1:{psp_port}",
        "KOBATELA_PSP": "fake",
    }  # fmt: skip
    psp = [
        sys.executable, "-m", "payments.psp.fake", "--port", str(psp_port),
        "--database", str(tmp_path / "psp.sqlite3"),
        "--webhook-url", f"http://127.0.0.1:{web_port}/psp/webhook",
    ]  # fmt: skip
    web = [
        sys.executable, "-m", "granian", "kobatela.wsgi:application", "--interface", "wsgi",
        "--host", "127.0.0.1", "--port", str(web_port), "--no-ws", "--blocking-threads", "4",
    ]  # fmt: skip
    broker = redis.Redis.from_url(settings.CELERY_BROKER_URL)
    broker.flushdb()
    worker = Worker(environment, tmp_path / "worker.log")
    with ExitStack() as stack:
        stack.callback(broker.close)
        stack.callback(broker.flushdb)
        stack.enter_context(_running(psp, environment, tmp_path / "psp.log"))
        stack.enter_context(_running(web, environment, tmp_path / "web.log"))
        stack.callback(worker.stop)
        psp_url = f"http://127.0.0.1:{psp_port}"
        _wait_for(lambda: _answers(f"{psp_url}/health"), "the PSP", tmp_path / "psp.log")
        live = f"http://127.0.0.1:{web_port}/health/live"
        _wait_for(lambda: _answers(live), "the web server", tmp_path / "web.log")
        worker.start()
        yield Installation(worker, psp_url, broker)


@pytest.mark.chaos
def test_workers_killed_at_random_points_pay_every_payout_once(
    installation: Installation, scaled: Scaled
) -> None:
    seed = int(os.environ.get("KOBATELA_CHAOS_SEED") or secrets.randbelow(2**31))
    print(f"KOBATELA_CHAOS_SEED={seed}")
    chance = random.Random(seed)  # noqa: S311 - when to kill is no secret
    payments = [
        make_payout(amount_minor=1_000 + number) for number in range(scaled(ci=25, soak=100))
    ]

    _pay_under_fire(installation, payments, chance, kills=scaled(ci=25, soak=150))
    cut_off = Attempt.objects.filter(psp_ref=None).count()
    print(f"kills: {dict(installation.worker.kills)}; calls cut off and still open: {cut_off}")
    _heal(installation, patience_s=scaled(ci=40, soak=120))

    assert installation.worker.kills["child"] + installation.worker.kills["worker"] > 10
    paid = _paid_by_payment(installation.books())
    assert paid == {payment.pk: [payment.amount_minor] for payment in payments}, "lost or doubled"
    assert set(Payment.objects.values_list("status", flat=True)) == {"SETTLED"}
    assert_in_order()
    assert audit_selectors.stream_gaps() == []


def _pay_under_fire(
    installation: Installation, payments: list[Payment], chance: random.Random, *, kills: int
) -> None:
    """Ring for the payments bit by bit while workers die and the broker forgets."""
    waiting = list(payments)
    for number in range(kills):
        for _ in range(-(-len(payments) // kills)):
            if waiting:
                installation.ring(waiting.pop())
        if number % 5 == 0:
            _script(installation, chance)
        if number == kills // 2:
            installation.broker.flushdb()
        if number % 4 == 0:
            installation.sweep()
        time.sleep(chance.uniform(0.02, 0.4))
        if number % 12 == 11:
            installation.worker.kill_all()
            installation.worker.start()
        else:
            installation.worker.kill_child(chance)


def _heal(installation: Installation, *, patience_s: float) -> None:
    """No more killing: what was left behind must come to its end by itself."""
    httpx.delete(f"{installation.psp_url}/scenario", timeout=10)
    give_up_at = time.monotonic() + patience_s
    while Payment.objects.exclude(status="SETTLED").exists():
        assert time.monotonic() < give_up_at, _unfinished(installation)
        # Time goes by faster here: whatever waits for its next look is due now.
        Payment.objects.filter(status="SENT").update(lease_until=clock.now())
        installation.sweep()
        time.sleep(1)


def _script(installation: Installation, chance: random.Random) -> None:
    for scenario in chance.sample(MISCHIEF, k=4):
        httpx.post(f"{installation.psp_url}/scenario", json=scenario, timeout=10)


def _paid_by_payment(books: Any) -> dict[int, list[int]]:
    """For each of our payments, every amount in cents that the PSP paid out for it."""
    paid: dict[int, list[int]] = {}
    for transfer in books["transfers"]:
        amount_minor = int(transfer["amount"].replace(".", ""))
        paid.setdefault(int(transfer["metadata"]["payment"]), []).append(amount_minor)
        assert transfer["status"] == "settled", transfer
    return paid


def _unfinished(installation: Installation) -> str:
    rows = Payment.objects.exclude(status="SETTLED").values_list("pk", "status", "reason")
    return f"not finished: {list(rows)}\n{installation.worker.log.read_text()[-4000:]}"


@contextmanager
def _running(command: list[str], environment: dict[str, str], log_path: Path) -> Iterator[None]:
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=CHECKOUT, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _wait_for(holds: Callable[[], bool], what: str, log: Path) -> None:
    give_up_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up_at, f"{what} did not start:\n{log.read_text()[-4000:]}"
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
