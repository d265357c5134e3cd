"""What the stories stand on: people with keys, a real PSP server, and work that gets done.

Nothing here waits for luck. Tasks are those that the services announced, run one after the other
in this process; webhooks are those that the PSP server sent, handed on over the API.
"""

import os
import queue
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from celery import current_app
from django.core.files.uploadedfile import SimpleUploadedFile

from conftest import Doorbells
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_key, make_user
from kobatela.embedded.ports import free_port
from kobatela.embedded.sample_photos import make_photo
from kobatela.kernel import clock
from kobatela.rest.tests.client import Answer, Api
from payments.ledger import selectors as ledger

SITE_LAT, SITE_LNG, RADIUS_M = 14.693700, -17.444060, 80
_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Person:
    """A user, or an unbound key, with what it calls the API with."""

    api: Api
    user: User | None = None

    @property
    def id(self) -> int:
        """The user's id."""
        assert self.user is not None, "an unbound key has no user"
        return int(self.user.pk)


def person(scope: str, **key: Any) -> Person:
    """A fresh user with a key of this scope."""
    user = make_user()
    _, secret = make_key(scope, user=user, **key)
    return Person(Api(secret), user)


def unbound(scope: str) -> Person:
    """A key of support or admin that belongs to nobody."""
    _, secret = make_key(scope)
    return Person(Api(secret))


class PspServer:
    """The fake PSP, and what it has reported so far."""

    def __init__(self, url: str, reports: "queue.Queue[tuple[Mapping[str, str], bytes]]") -> None:
        self.url = url
        self.reports = reports

    def pay(self, session: Mapping[str, Any], **said: Any) -> None:
        """Pay a funding session as the payer would."""
        reference = str(session["client_secret"]).partition("_secret_")[0]
        answer = httpx.post(f"{self.url}/fundings/{reference}/complete", json=said, timeout=10)
        assert answer.is_success, answer.text

    def fail_next_transfer(self) -> None:
        """Let the next payout be accepted and then fail."""
        scenario = {"behaviour": "fail", "kind": "transfer"}
        assert httpx.post(f"{self.url}/scenario", json=scenario, timeout=10).is_success

    def transfers_of(self, payment_id: int) -> list[str]:
        """What became of each transfer for one payment, from the PSP's own record."""
        books = httpx.get(f"{self.url}/books", timeout=10).json()
        wanted = str(payment_id)
        return [row["status"] for row in books["transfers"] if row["metadata"]["payment"] == wanted]

    def transfers_to(self, destination: str) -> list[str]:
        """The amounts that went to an account, from the PSP's own record."""
        books = httpx.get(f"{self.url}/books", timeout=10).json()
        return [row["amount"] for row in books["transfers"] if row["destination"] == destination]


@contextmanager
def psp_server(folder: Path, webhook_secret: str) -> Iterator[PspServer]:
    """Run the fake PSP; what it reports is kept for the test to hand on."""
    reports: queue.Queue[tuple[Mapping[str, str], bytes]] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reports.put((dict(self.headers.items()), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    port = free_port()
    command = [
        sys.executable, "-m", "payments.psp.fake", "--port", str(port),
        "--database", str(folder / "psp.sqlite3"),
        "--webhook-url", f"http://127.0.0.1:{receiver.server_port}/",
        f"--webhook-secret={webhook_secret}",
    ]  # fmt: skip
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(Path.cwd())})
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until(lambda: _answers(url), "the PSP to answer")
        yield PspServer(url, reports)
    finally:
        process.terminate()
        process.wait(10)
        receiver.shutdown()
        receiver.server_close()


@dataclass
class House:
    """One story's installation."""

    psp: PspServer
    doorbells: Doorbells
    sender: Person = field(default_factory=lambda: person("sender"))
    provider: Person = field(default_factory=lambda: person("provider"))
    support: Person = field(default_factory=lambda: person("support"))
    admin: Person = field(default_factory=lambda: person("admin"))

    # --- What people do -------------------------------------------------------------------------
    def agree(self, *milestones: Mapping[str, Any], total: str = "1000.00", **terms: Any) -> int:
        """Create an escrow as the sender; its id."""
        body = {
            "client_id": self.sender.id,
            "provider_id": self.provider.id,
            "amount_total": total,
            "currency": "EUR",
            "release_conditions": {},
            "deadline_at": in_a_year().isoformat(),
            "milestones": list(milestones),
        }
        return int(ok(self.sender.api.post("/escrows", json=body | terms), 201)["id"])

    def fund(self, escrow_id: int) -> None:
        """Let the sender pay all that is missing at the PSP, and book it."""
        path = f"/escrows/{escrow_id}/funding-session"
        self.psp.pay(ok(self.sender.api.post(path), 201))
        self.work_until(lambda: self.escrow(escrow_id)["status"] == "FUNDED")

    def send_photo(self, escrow_id: int, milestone_idx: int, photo: bytes) -> Answer:
        """Submit a photo as the provider."""
        return self.send(escrow_id, milestone_idx, ("site.jpg", photo, "image/jpeg"), "PHOTO")

    def send(
        self, escrow_id: int, milestone_idx: int, file: tuple[str, bytes, str], kind: str
    ) -> Answer:
        """Submit a file as the provider."""
        fields = {"escrow_id": escrow_id, "milestone_idx": milestone_idx, "type": kind}
        return self.provider.api.post("/proofs", fields=fields, files={"file": uploaded(*file)})

    def decide(self, proof_id: int, decision: str, by: Person, note: str = "") -> Answer:
        """Decide a proof."""
        body = {"decision": decision, "note": note}
        return by.api.post(f"/proofs/{proof_id}/decision", json=body)

    def command(self, escrow_id: int, name: str, by: Person, **body: Any) -> Answer:
        """Give a command on an escrow, under a key of its own."""
        return by.api.post(
            f"/escrows/{escrow_id}/{name}", json=body, idempotency_key=secrets.token_hex(8)
        )

    # --- What the machines do -------------------------------------------------------------------
    def work(self) -> None:
        """Run every task that was announced, and hand on every webhook that has come."""
        while self.doorbells.rung:
            name, arguments = self.doorbells.rung.pop(0)
            current_app.tasks[name](*arguments)
        self.hand_on_reports()

    def hand_on_reports(self) -> None:
        """Hand on every webhook that has come."""
        while not self.psp.reports.empty():
            self._hand_on(*self.psp.reports.get())

    def work_until(self, holds: Callable[[], bool]) -> None:
        """Work until something holds; the PSP's next report is waited for in between."""
        give_up_at = time.monotonic() + _PATIENCE_S
        while True:
            self.work()
            if holds():
                return
            assert time.monotonic() < give_up_at, "what the story waits for did not happen"
            try:
                self._hand_on(*self.psp.reports.get(timeout=0.2))
            except queue.Empty:
                continue

    def _hand_on(self, headers: Mapping[str, str], body: bytes) -> None:
        signed = {name: value for name, value in headers.items() if name.startswith("X-")}
        answer = Api().post("/psp/webhook", data=body, headers=signed)
        assert answer.status == 200, answer.body

    # --- What can be seen -----------------------------------------------------------------------
    def escrow(self, escrow_id: int) -> dict[str, Any]:
        """The escrow as its sender reads it."""
        return ok(self.sender.api.get(f"/escrows/{escrow_id}"))

    def milestones(self, escrow_id: int) -> dict[int, str]:
        """The state of each milestone."""
        items = ok(self.sender.api.get(f"/escrows/{escrow_id}/milestones"))["items"]
        return {item["sequence_index"]: item["status"] for item in items}

    def payments(self, escrow_id: int) -> list[dict[str, Any]]:
        """The payments of an escrow, oldest first."""
        page = ok(self.support.api.get(f"/payments?escrow_id={escrow_id}&limit=100"))
        return sorted(page["items"], key=lambda item: item["id"])

    def all_settled(self, escrow_id: int) -> bool:
        """Whether there are payments and all of them have arrived."""
        payments = self.payments(escrow_id)
        return bool(payments) and all(item["status"] == "SETTLED" for item in payments)

    def trail(self, escrow_id: int) -> "Counter[str]":
        """How often each action stands in the escrow's stream, whose numbers are unbroken."""
        entries = self.entries(escrow_id)
        numbers = [entry["stream_seq"] for entry in entries]
        assert numbers == list(range(1, len(entries) + 1)), numbers
        return Counter(entry["action"] for entry in entries)

    def entries(self, escrow_id: int) -> list[dict[str, Any]]:
        """The audit entries of the escrow's own stream, oldest first."""
        stream = f"escrow:{escrow_id}"
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            query = f"subject={stream}&limit=100{cursor}"
            page = ok(self.support.api.get(f"/audit/events?{query}"))
            found += [item for item in page["items"] if item["stream"] == stream]
            if page["next"] is None:
                return sorted(found, key=lambda item: int(item["stream_seq"]))
            cursor = f"&cursor={page['next']}"


def ok(answer: Answer, status: int = 200) -> dict[str, Any]:
    """The JSON of an answer that must have this status."""
    assert answer.status == status, (answer.status, answer.body[:800])
    body: dict[str, Any] = answer.json
    return body


def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The details of a refusal that must have this status and code."""
    assert answer.status == status, (answer.status, answer.body[:800])
    assert answer.code == code
    details: dict[str, Any] = answer.json["error"]["details"]
    return details


def in_a_year() -> datetime:
    """A deadline that no story reaches by itself."""
    return clock.now() + timedelta(days=365)


def photo_milestone(sequence_index: int, amount: str, **terms: Any) -> dict[str, Any]:
    """A milestone that asks for a fresh photo from the site."""
    return {
        "sequence_index": sequence_index,
        "label": f"Part {sequence_index}",
        "amount": amount,
        "proof_kind": "PHOTO",
        "geofence_lat": str(SITE_LAT),
        "geofence_lng": str(SITE_LNG),
        "geofence_radius_m": str(RADIUS_M),
        "max_age_minutes": 120,
    } | terms


def photo(*, north_deg: float = 0.0, with_gps: bool = True) -> bytes:
    """A photo taken now, so far north of the site, and where nobody stood before."""
    return make_photo(
        latitude=SITE_LAT + north_deg,
        longitude=SITE_LNG + secrets.randbelow(1000) * 1e-7,
        taken_at=clock.now(),
        seed=secrets.randbelow(2**32),
        width=800,
        height=600,
        with_gps=with_gps,
    )


def balances(*prefixes: str) -> dict[str, int]:
    """The accounts that hold anything, in minor units of EUR."""
    rows = ledger.balances_minor("")
    return {
        code: minor
        for (code, currency), minor in sorted(rows.items())
        if minor and currency == "EUR" and (not prefixes or code.startswith(prefixes))
    }


def books_agree() -> bool:
    """Whether the ledger agrees with itself."""
    return ledger.check() == []


def uploaded(name: str, content: bytes, media_type: str) -> Any:
    """A file for the test client's form."""
    return SimpleUploadedFile(name, content, media_type)


def _answers(url: str) -> bool:
    try:
        httpx.get(f"{url}/books", timeout=1)
    except httpx.TransportError:
        return False
    return True


def _wait_until(holds: Callable[[], bool], what: str) -> None:
    give_up_at = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up_at, f"waited in vain for {what}"
        time.sleep(0.05)
