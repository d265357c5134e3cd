"""The PSP over HTTP.

POST /transfers, /refunds, /fundings (each with Idempotency-Key) · GET the same with ?key= ·
POST /fundings/{id}/complete · POST /orders/{id}/settle|fail|return · POST /chargebacks ·
POST /chargebacks/{id}/win|lose · POST, DELETE /scenario, /lies · GET /, /movements, /chargebacks,
/balances, /books, /health

`scenarios` tells what can be scripted; GET / shows the books to people.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from payments.psp.fake import listing, page
from payments.psp.fake.bank import Bank, Refusal, Reply
from payments.psp.fake.deliveries import Clerk
from payments.psp.fake.scenarios import Behaviour, Scenario
from payments.psp.fake.store import Store

logger = logging.getLogger(__name__)

_MAX_BODY_BYTES = 1_048_576
_KINDS = {"/transfers": "transfer", "/refunds": "refund"}
_FUNDING = re.compile(r"/fundings/([A-Za-z0-9_]{1,64})/complete")
_ORDER = re.compile(r"/orders/([A-Za-z0-9_]{1,64})/(settle|fail|return)")
_CHARGEBACK = re.compile(r"/chargebacks/([A-Za-z0-9_]{1,64})/(win|lose)")
_ENDINGS = {"settle": "settled", "fail": "failed", "return": "returned"}
_DECISIONS = {"win": "won", "lose": "lost"}


class FakePspServer:
    """The running PSP: HTTP, background work and books."""

    def __init__(
        self,
        *,
        database: Path,
        webhook_url: str,
        webhook_secret: str,
        host: str = "127.0.0.1",
        port: int = 0,
        settle_after_s: float = 0.05,
        fee_bps: int = 0,
    ) -> None:
        self._store = Store(database)
        self._bank = Bank(self._store, settle_after_s=settle_after_s, fee_bps=fee_bps)
        self._clerk = Clerk(self._bank, webhook_url=webhook_url, webhook_secret=webhook_secret)
        bank = self._bank

        class BoundHandler(_Handler):
            """Requests to this bank."""

            bank_of_server = bank

        self._http = ThreadingHTTPServer((host, port), BoundHandler)
        self._http.daemon_threads = True

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._http.server_address[1])

    def run(self) -> None:
        """Serve until `stop` is called from another thread."""
        self._clerk.start()
        self._http.serve_forever(poll_interval=0.05)

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.run, name="psp-http", daemon=True).start()

    def stop(self) -> None:
        """Stop serving and close the books."""
        self._http.shutdown()
        self._http.server_close()
        self._clerk.stop()
        self._store.close()


class _Handler(BaseHTTPRequestHandler):
    bank_of_server: Bank
    protocol_version = "HTTP/1.1"
    server_version = "fake-psp"

    def do_GET(self) -> None:
        """Answer questions."""
        parts = urlsplit(self.path)
        self._answer(lambda: self._read(parts.path, parse_qs(parts.query)))

    def do_POST(self) -> None:
        """Take orders."""
        self._answer(lambda: self._write(urlsplit(self.path).path))

    def do_DELETE(self) -> None:
        """Forget scenarios."""
        self._answer(self._forget)

    def _read(self, path: str, query: Mapping[str, list[str]]) -> Reply:
        bank, key = self.bank_of_server, query.get("key", [""])[0]
        answers: Mapping[str, Callable[[], Mapping[str, Any]]] = {
            "/transfers": lambda: bank.find_order("transfer", key),
            "/refunds": lambda: bank.find_order("refund", key),
            "/fundings": lambda: bank.find_funding(key),
            "/movements": lambda: listing.page(bank.store, query),
            "/chargebacks": lambda: listing.page(bank.store, query, of_cases=True),
            "/balances": lambda: listing.balances(bank),
            "/books": bank.books,
            "/": lambda: {"html": page.of(bank)},
            "/health": lambda: {"status": "ok"},
        }
        if path not in answers:
            raise Refusal(404, "no_such_path", "There is nothing here.")
        return Reply(200, answers[path]())

    def _write(self, path: str) -> Reply:
        fields = self._fields()
        bank = self.bank_of_server
        if path in _KINDS:
            return bank.take_order(_KINDS[path], self._key(), fields)
        if path == "/fundings":
            return bank.open_funding(self._key(), fields)
        if path == "/scenario":
            bank.store.add_scenario(_scenario(fields))
            return Reply(201, {"scripted": fields})
        if path == "/lies":
            return Reply(201, listing.script(bank.store, fields))
        return self._command(path, fields)

    def _command(self, path: str, fields: Mapping[str, Any]) -> Reply:
        """What payers and banks do."""
        bank = self.bank_of_server
        if path == "/chargebacks":
            return bank.open_chargeback(fields)
        if found := _CHARGEBACK.fullmatch(path):
            return Reply(200, bank.end_chargeback(found[1], _DECISIONS[found[2]]))
        if found := _FUNDING.fullmatch(path):
            return Reply(200, bank.end_funding(found[1], fields))
        if found := _ORDER.fullmatch(path):
            return Reply(200, bank.end_order(found[1], _ENDINGS[found[2]]))
        raise Refusal(404, "no_such_path", "There is nothing here.")

    def _forget(self) -> Reply:
        store = self.bank_of_server.store
        forget = {"/scenario": store.clear_scenarios, "/lies": store.clear_lies}
        path = urlsplit(self.path).path
        if path not in forget:
            raise Refusal(404, "no_such_path", "There is nothing here.")
        forget[path]()
        return Reply(200, {})

    def _answer(self, work: Any) -> None:
        try:
            reply: Reply = work()
        except Refusal as refusal:
            reply = Reply(refusal.status, {"error": refusal.error, "message": refusal.message})
        scenario = reply.scenario
        if scenario is not None:
            if scenario.behaviour in {Behaviour.NO_ANSWER, Behaviour.DROP_BEFORE}:
                self.close_connection = True
                return
            if scenario.behaviour is Behaviour.ERROR_AFTER_ACCEPT:
                reply = Reply(500, {"error": "internal", "message": "stack trace of a stranger"})
            if scenario.behaviour in {Behaviour.SLOW, Behaviour.EARLY_WEBHOOK}:
                # The client has given up, or the report has come, before this is over.
                time.sleep(scenario.seconds)
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        is_page = "html" in reply.body
        body = (reply.body["html"] if is_page else json.dumps(reply.body)).encode()
        try:
            self.send_response(reply.status)
            kind = "text/html; charset=utf-8" if is_page else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True

    def _fields(self) -> Mapping[str, Any]:
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= _MAX_BODY_BYTES:
            self.close_connection = True
            raise Refusal(413, "body_too_large", "The body is too large.")
        try:
            fields = json.loads(self.rfile.read(length) or b"{}")
        except (ValueError, RecursionError) as error:
            raise Refusal(400, "body_invalid", "The body is not JSON.") from error
        if not isinstance(fields, dict):
            raise Refusal(400, "body_invalid", "The body is not an object.")
        return fields

    def _key(self) -> str:
        key = self.headers.get("Idempotency-Key") or ""
        if not 0 < len(key) <= 255:
            raise Refusal(400, "key_missing", "Send an Idempotency-Key.")
        return key

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """One line per request."""
        logger.info(format, *args)


def _scenario(fields: Mapping[str, Any]) -> Scenario:
    metadata = fields.get("metadata") or {}
    try:
        return Scenario(
            behaviour=Behaviour(fields.get("behaviour", "")),
            times=max(1, int(fields.get("times", 1))),
            kind=str(fields.get("kind") or ""),
            destination=str(fields.get("destination") or ""),
            seconds=min(60.0, float(fields.get("seconds", 3.0))),
            metadata={str(name): str(value) for name, value in metadata.items()},
        )
    except (ValueError, TypeError, AttributeError) as error:
        known = ", ".join(Behaviour)
        raise Refusal(422, "scenario_invalid", f"The behaviours are {known}.") from error
