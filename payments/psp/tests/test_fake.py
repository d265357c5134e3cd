"""Our adapter against the local PSP server, over HTTP."""

import hashlib
import hmac
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from kobatela.kernel.money import Money
from payments.psp.base import (
    FundingFound,
    Order,
    OrderKind,
    OrderState,
    Outcome,
    PspDown,
    PspSaysNo,
    Reason,
)
from payments.psp.fake.client import FakePsp
from payments.psp.fake.server import FakePspServer
from payments.webhooks.verify import Secret, Verdict, verify

TRANSFER = OrderKind.TRANSFER
SECRET = "between-us"


@dataclass
class Running:
    """The PSP server, our adapter, and what was reported."""

    server: FakePspServer
    adapter: FakePsp
    reports: "queue.Queue[tuple[Mapping[str, str], bytes]]"
    answers: list[int]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.port}"

    def script(self, behaviour: str, **how: Any) -> None:
        """Script the next order."""
        answer = httpx.post(f"{self.url}/scenario", json={"behaviour": behaviour, **how})
        assert answer.status_code == 201, answer.text

    def give(self, key: str, body: str | None = None) -> Outcome:
        """Order 12.34 EUR for user 7."""
        return self.adapter.send(TRANSFER, key, body or order(self.adapter))

    def reported(self) -> dict[str, Any]:
        """The next report."""
        body: dict[str, Any] = json.loads(self.reports.get(timeout=10)[1])
        return body

    def until(self, key: str, state: OrderState) -> Outcome:
        """What the PSP's record says, once it says so."""
        give_up_at = time.monotonic() + 10
        while (found := self.adapter.find(TRANSFER, key)).state is not state:
            assert time.monotonic() < give_up_at, found
            time.sleep(0.01)
        return found

    def books(self) -> Any:
        """The PSP's own record of everything."""
        return httpx.get(f"{self.url}/books").json()


def order(adapter: FakePsp, amount_minor: int = 1_234, currency: str = "EUR") -> str:
    """The exact text of an order."""
    return adapter.order_body(
        Order(TRANSFER, Money(amount_minor, currency), "fake:7", "", {"payment": "1"})
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A PSP with an empty book, and somebody who takes its reports."""
    reports: queue.Queue[tuple[Mapping[str, str], bytes]] = queue.Queue()
    answers: list[int] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reports.put((dict(self.headers.items()), body))
            self.send_response(answers.pop(0) if answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, args=[0.02], daemon=True).start()
    server = FakePspServer(
        database=tmp_path / "psp.sqlite3",
        webhook_url=f"http://127.0.0.1:{receiver.server_port}/",
        webhook_secret=SECRET,
        settle_after_s=0.02,
    )
    server.start()
    adapter = FakePsp(f"http://127.0.0.1:{server.port}", timeout_s=2)
    yield Running(server, adapter, reports, answers)
    server.stop()
    receiver.shutdown()
    receiver.server_close()


def test_an_order_is_accepted_paid_and_reported_under_our_key(running: Running) -> None:
    accepted = running.give("koba_1")

    assert accepted.state is OrderState.ACCEPTED
    assert accepted.money == Money(1_234, "EUR")
    report = running.reported()
    assert (report["type"], report["psp_ref"], report["payment_reference"]) == (
        "payment.settled",
        accepted.psp_ref,
        "koba_1",
    )
    assert (report["amount"], report["currency"]) == ("12.34", "EUR")
    assert running.until("koba_1", OrderState.SETTLED).psp_ref == accepted.psp_ref
    assert running.books()["totals"]["EUR"]["paid_out"] == "12.34"


def test_reports_are_signed_as_we_verify(running: Running) -> None:
    running.give("koba_1")
    headers, body = running.reports.get(timeout=10)

    verified = verify(
        body=body,
        timestamp=headers["X-PSP-Timestamp"],
        signature=headers["X-PSP-Signature"],
        secrets=[Secret("s", SECRET.encode())],
        now_s=int(time.time()),
        max_drift_s=300,
    )

    assert verified.verdict is Verdict.GENUINE
    stamp = headers["X-PSP-Timestamp"].encode()
    expected = hmac.new(SECRET.encode(), stamp + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-PSP-Signature"] == expected


def test_one_key_pays_once_however_often_it_is_sent(running: Running) -> None:
    results = [running.give("koba_1") for _ in range(5)]

    assert len({result.psp_ref for result in results}) == 1
    running.until("koba_1", OrderState.SETTLED)
    assert len(running.books()["transfers"]) == 1


def test_a_key_used_for_another_order_pays_nothing_more(running: Running) -> None:
    running.give("koba_1")
    other = running.give("koba_1", order(running.adapter, 99))

    assert (other.state, other.reason) == (OrderState.BUSY, Reason.PSP_BUSY)
    assert len(running.books()["transfers"]) == 1


def test_an_unknown_key_is_not_found(running: Running) -> None:
    assert running.adapter.find(TRANSFER, "koba_x").state is OrderState.NOT_FOUND


@pytest.mark.parametrize("behaviour", ["no_answer", "error_after_accept"])
def test_an_order_taken_without_a_proper_answer_is_unknown_and_found_by_its_key(
    running: Running, behaviour: str
) -> None:
    running.script(behaviour)

    outcome = running.give("koba_1")

    assert (outcome.state, outcome.reason) == (OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN)
    assert running.until("koba_1", OrderState.SETTLED).psp_ref is not None
    again = running.give("koba_1")
    assert again.state is OrderState.ACCEPTED
    assert len(running.books()["transfers"]) == 1


def test_a_slow_answer_is_unknown(running: Running) -> None:
    running.script("slow", seconds=1)
    adapter = FakePsp(running.url, timeout_s=0.2)
    assert adapter.send(TRANSFER, "koba_1", order(adapter)).state is OrderState.UNKNOWN
    assert running.until("koba_1", OrderState.SETTLED).money == Money(1_234, "EUR")


def test_a_psp_that_is_not_there_is_unknown() -> None:
    adapter = FakePsp("http://127.0.0.1:9", timeout_s=0.5)
    assert adapter.send(TRANSFER, "koba_1", order(adapter)).state is OrderState.UNKNOWN
    assert adapter.find(TRANSFER, "koba_1").state is OrderState.UNKNOWN
    with pytest.raises(PspDown):
        adapter.open_funding("kobf_1", adapter.funding_body(Money(1, "EUR"), {}))
    assert adapter.find_funding("kobf_1").state is OrderState.UNKNOWN


def test_a_refusal_is_definite_and_carries_our_own_reason(running: Running) -> None:
    running.script("refuse")

    refused = running.give("koba_1")

    assert (refused.state, refused.reason) == (OrderState.FAILED, Reason.PSP_BALANCE_SHORT)
    assert "acct_9" in refused.message
    assert running.give("koba_1").state is OrderState.FAILED, "the same key stays refused"
    assert running.books()["transfers"] == []


def test_a_busy_psp_takes_the_same_key_later(running: Running) -> None:
    running.script("busy")
    assert running.give("koba_1").state is OrderState.BUSY
    assert running.give("koba_1").state is OrderState.ACCEPTED


def test_a_failure_after_acceptance_is_reported_and_on_record(running: Running) -> None:
    running.script("fail")
    running.give("koba_1")

    assert running.reported()["type"] == "payment.failed"
    found = running.until("koba_1", OrderState.FAILED)
    assert found.reason is Reason.DESTINATION_INVALID


def test_a_payment_that_comes_back(running: Running) -> None:
    running.script("return")
    running.give("koba_1")

    assert [running.reported()["type"] for _ in range(2)] == [
        "payment.settled",
        "payment.returned",
    ]
    assert running.until("koba_1", OrderState.RETURNED).reason is Reason.RETURNED_BY_BANK


def test_reports_can_come_twice_early_or_never(running: Running) -> None:
    running.script("duplicate_webhook")
    running.give("koba_twice")
    first, second = running.reported(), running.reported()
    assert first == second

    running.script("early_webhook", seconds=0.3)
    thread = threading.Thread(target=running.give, args=["koba_early"])
    thread.start()
    assert running.reported()["payment_reference"] == "koba_early"
    assert thread.is_alive(), "the report overtook the answer"
    thread.join()

    running.script("lost_webhook")
    running.give("koba_lost")
    running.until("koba_lost", OrderState.SETTLED)
    time.sleep(0.1)
    assert running.reports.empty()


def test_an_order_can_be_held_and_ended_by_hand(running: Running) -> None:
    running.script("hold")
    held = running.give("koba_1")
    time.sleep(0.1)
    assert running.adapter.find(TRANSFER, "koba_1").state is OrderState.ACCEPTED

    answer = httpx.post(f"{running.url}/orders/{held.psp_ref}/settle")

    assert answer.json()["status"] == "settled"
    assert running.reported()["type"] == "payment.settled"
    assert httpx.post(f"{running.url}/orders/{held.psp_ref}/fail").status_code == 409


def test_another_amount_is_told_as_it_was_paid(running: Running) -> None:
    running.script("other_amount")
    assert running.give("koba_1").money == Money(1_334, "EUR")


def test_a_report_is_repeated_until_it_is_taken(running: Running) -> None:
    running.answers += [500, 503]
    running.give("koba_1")
    bodies = {running.reports.get(timeout=10)[1] for _ in range(3)}
    assert len(bodies) == 1


def test_a_session_is_paid_and_its_charge_gives_back_what_it_took(running: Running) -> None:
    adapter = running.adapter
    body = adapter.funding_body(Money(5_000, "EUR"), {"escrow": "1"})
    opened = adapter.open_funding("kobf_1", body)
    assert adapter.open_funding("kobf_1", body) == opened
    assert adapter.find_funding("kobf_1").state is OrderState.ACCEPTED
    assert adapter.find_funding("kobf_2").state is OrderState.NOT_FOUND
    assert opened.client_secret.startswith(f"{opened.psp_ref}_secret_")

    httpx.post(f"{running.url}/fundings/{opened.psp_ref}/complete", json={"amount": "40.00"})
    assert adapter.find_funding("kobf_1") == FundingFound(
        OrderState.SETTLED, opened.psp_ref, Money(4_000, "EUR")
    )
    report = running.reported()
    assert (report["type"], report["amount"], report["psp_ref"]) == (
        "funding.succeeded",
        "40.00",
        opened.psp_ref,
    )

    def refund(key: str, amount_minor: int) -> Outcome:
        wanted = Order(
            OrderKind.REFUND, Money(amount_minor, "EUR"), "", opened.psp_ref, {"payment": key}
        )
        return adapter.send(OrderKind.REFUND, key, adapter.order_body(wanted))

    assert refund("r1", 3_000).state is OrderState.ACCEPTED
    assert refund("r2", 1_001).state is OrderState.FAILED
    assert refund("r3", 1_000).state is OrderState.ACCEPTED
    assert running.reported()["type"] == "refund.settled"


def test_a_payer_may_give_up(running: Running) -> None:
    adapter = running.adapter
    opened = adapter.open_funding("kobf_1", adapter.funding_body(Money(5_000, "EUR"), {}))
    httpx.post(f"{running.url}/fundings/{opened.psp_ref}/complete", json={"fail": True})
    assert running.reported()["type"] == "funding.failed"


def test_a_session_that_makes_no_sense_is_refused(running: Running) -> None:
    with pytest.raises(PspSaysNo):
        running.adapter.open_funding("kobf_1", '{"amount":"0","currency":"EUR"}')


def test_the_books_survive_a_restart(running: Running, tmp_path: Path) -> None:
    running.give("koba_1")
    running.until("koba_1", OrderState.SETTLED)
    again = FakePspServer(
        database=tmp_path / "psp.sqlite3", webhook_url="http://127.0.0.1:9/", webhook_secret=SECRET
    )
    again.start()
    try:
        adapter = FakePsp(f"http://127.0.0.1:{again.port}", timeout_s=2)
        assert adapter.find(TRANSFER, "koba_1").state is OrderState.SETTLED
    finally:
        again.stop()


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda url: httpx.get(f"{url}/nowhere"), 404),
        (lambda url: httpx.post(f"{url}/nowhere"), 404),
        (lambda url: httpx.delete(f"{url}/nowhere"), 404),
        (lambda url: httpx.post(f"{url}/transfers", json={}), 400),
        (lambda url: httpx.post(f"{url}/transfers", content=b"{"), 400),
        (lambda url: httpx.post(f"{url}/transfers", content=b"[]"), 400),
        (lambda url: httpx.post(f"{url}/scenario", json={"behaviour": "explode"}), 422),
        (lambda url: httpx.post(f"{url}/scenario", json={"behaviour": "slow", "times": "x"}), 422),
        (lambda url: httpx.post(f"{url}/fundings/ch_0/complete"), 404),
        (lambda url: httpx.post(f"{url}/orders/tr_0/settle"), 404),
        (lambda url: httpx.delete(f"{url}/scenario"), 200),
        (lambda url: httpx.get(f"{url}/health"), 200),
    ],
)
def test_every_path_answers(
    running: Running, call: Callable[[str], httpx.Response], status: int
) -> None:
    assert call(running.url).status_code == status


@pytest.mark.parametrize(
    ("status", "content", "state"),
    [
        (200, b"<html>proxy</html>", OrderState.UNKNOWN),
        (404, b"<html>proxy</html>", OrderState.UNKNOWN),
        (302, b"", OrderState.UNKNOWN),
        (200, b'{"status": "settled"}', OrderState.UNKNOWN),
        (200, b'{"status": "magic", "id": "x", "amount": "1", "currency": "EUR"}',
         OrderState.UNKNOWN),
        (200, b'{"status": "settled", "id": "x", "amount": "1.001", "currency": "EUR"}',
         OrderState.UNKNOWN),
        (200, b'{"status": "settled", "id": "\\ud800", "amount": "1", "currency": "EUR"}',
         OrderState.UNKNOWN),
        (422, b'{"error": "x", "message": "\\ud800 \\u0000 x"}', OrderState.FAILED),
        (200, b"[" * 100_000, OrderState.UNKNOWN),
        (401, b"{}", OrderState.BLOCKED),
        (403, b"", OrderState.BLOCKED),
        (429, b"", OrderState.BUSY),
        (422, b'{"error": "x"}', OrderState.FAILED),
        (500, b'{"error": "x"}', OrderState.UNKNOWN),
    ],
)  # fmt: skip
def test_every_answer_of_a_stranger_is_read_as_what_it_settles(
    status: int, content: bytes, state: OrderState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=content)

    def client(url: str, **_options: Any) -> httpx.Client:
        return httpx.Client(base_url=url, transport=httpx.MockTransport(answer))

    monkeypatch.setattr("kobatela.kernel.http.client", client)
    adapter = FakePsp("http://psp.example", timeout_s=1)
    outcome = adapter.send(TRANSFER, "koba_1", "{}")
    assert outcome.state is state
    assert "\x00" not in outcome.message
    outcome.message.encode()
