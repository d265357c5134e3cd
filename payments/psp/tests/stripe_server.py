"""Stripe as far as Kobatela uses it: an HTTP server in memory that keeps Stripe's rules.

Form bodies, one effect for each idempotency key whose parameters are compared, lists newest first
and in pages, Stripe's amounts, errors and objects. What Stripe would do by itself, or a payer, is
done by a test: `pay`, `reverse`, `end_refund`. Answers can be scripted to go wrong.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

SECRET_KEY = "sk_test_of_the_platform"
_HUNDREDS = {"isk", "ugx"}
_TENS = {"bhd", "jod", "kwd", "omr", "tnd"}
_BY_REFERENCE = re.compile(r"metadata\['reference'\]:'([^']*)'")

Object = dict[str, Any]
Params = dict[str, Any]


class Refused(Exception):
    """An error in Stripe's shape."""

    def __init__(self, status: int, code: str = "", message: str = "", **more: str) -> None:
        super().__init__(message)
        self.status = status
        kind = more.pop("type", "invalid_request_error")
        self.body = {"error": {"type": kind, "message": message or code, "code": code, **more}}


@dataclass(frozen=True)
class Seen:
    """One request that arrived."""

    method: str
    path: str
    params: Params
    key: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """An answer. status 0: the connection ends without one. is_done: of a scripted answer, whether
    the work was done all the same."""

    status: int
    body: bytes = b""
    is_done: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class StripeServer:
    """Stripe's side. `objects` by id, newest last; `balance` of the platform by currency.

    pending: what of it cannot be paid out yet; holds_back: whether what is paid in is so at first.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.keys: dict[str, tuple[str, Params, int, bytes]] = {}
        self.seen: list[Seen] = []
        self.mishaps: list[Reply] = []
        self.balance: dict[str, int] = {}
        self.pending: dict[str, int] = {}
        self.holds_back = False
        self.now: Callable[[], int] = lambda: int(time.time())
        self.fees: dict[str, int] = {}
        self._numbers = count(1)
        self._lock = threading.Lock()

    # --- what a test does ---------------------------------------------------------------------

    def all(self, kind: str) -> list[Object]:
        """The objects of one kind, oldest first."""
        return [item for item in self.objects.values() if item["object"] == kind]

    def posts(self, path: str) -> list[Seen]:
        """The requests to make something."""
        return [item for item in self.seen if (item.method, item.path) == ("POST", path)]

    def misbehave(self, status: int = 0, body: Any = b"", **how: Any) -> None:
        """Let the next answer be this one. `is_done`: the work was done all the same."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.mishaps.append(Reply(status, raw, **how))

    def add_account(self, *, transfers: str = "active") -> str:
        """A connected account."""
        account = self._make("account", "acct", {"capabilities": {"transfers": transfers}})
        return str(account["id"])

    def pay(self, intent_id: str, amount: int | None = None) -> Object:
        """Let the payer pay; the event that tells of it."""
        intent = self.objects[intent_id]
        received = intent["amount"] if amount is None else amount
        intent.update(status="succeeded", amount_received=received, latest_charge=self._id("ch"))
        there = self.pending if self.holds_back else self.balance
        there[intent["currency"]] = there.get(intent["currency"], 0) + received
        return self.event("payment_intent.succeeded", intent)

    def make_available(self) -> None:
        """What cards brought can be paid out from now on."""
        for name, amount in self.pending.items():
            self.balance[name] = self.balance.get(name, 0) + amount
        self.pending.clear()

    def decline(self, intent_id: str) -> Object:
        """Let the payer's card be declined."""
        intent = self.objects[intent_id]
        intent["last_payment_error"] = {"code": "card_declined", "type": "card_error"}
        return self.event("payment_intent.payment_failed", intent)

    def reverse(self, transfer_id: str, amount: int | None = None) -> Object:
        """Take a transfer back, whole or in part."""
        transfer = self.objects[transfer_id]
        taken = transfer["amount"] if amount is None else amount
        transfer["amount_reversed"] += taken
        transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
        self.balance[transfer["currency"]] += taken
        return self.event("transfer.reversed", transfer)

    def end_refund(self, refund_id: str, status: str) -> Object:
        """Let a refund arrive, or fail; then what was taken for it comes back."""
        refund = self.objects[refund_id]
        refund["status"] = status
        if status == "failed":
            refund["failure_reason"] = "expired_or_canceled_card"
            refund["failure_balance_transaction"] = self._id("txn")
            self.balance[refund["currency"]] += refund["amount"]
        return self.event("refund.failed" if status == "failed" else "refund.updated", refund)

    def dispute(self, intent_id: str, status: str, *, fee: int = 0) -> Object:
        """A dispute of all that an intent brought, as it is when it has this status."""
        intent = self.objects[intent_id]
        taken = {"amount": -intent["amount_received"], "fee": fee, "currency": intent["currency"]}
        given = {"amount": intent["amount_received"], "fee": 0, "currency": intent["currency"]}
        name = f"du_{intent_id}"
        known = self.objects.get(name, {"created": self.now()})
        self.objects[name] = {
            "id": name,
            "object": "dispute",
            "created": known["created"],
            "amount": intent["amount_received"],
            "currency": intent["currency"],
            "charge": intent["latest_charge"],
            "payment_intent": intent_id,
            "status": status,
            "balance_transactions": [taken, given] if status == "won" else [taken],
        }
        return self.objects[name]

    def event(self, kind: str, told: Mapping[str, Any], **fields: Any) -> Object:
        """An event about an object as it is now."""
        return {
            "id": self._id("evt"),
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": 1_700_000_000,
            "data": {"object": json.loads(json.dumps(told))},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
            **fields,
        }

    # --- what Stripe does ---------------------------------------------------------------------

    def answer(self, request: Seen) -> Reply:
        """What goes back, as scripted or as Stripe would answer."""
        with self._lock:
            self.seen.append(request)
            scripted = self.mishaps.pop(0) if self.mishaps else None
            if scripted is not None and not scripted.is_done:
                return scripted
            try:
                reply = self._stored(request) or self._fresh(request)
            except Refused as refused:
                reply = Reply(refused.status, json.dumps(refused.body).encode())
            return scripted or reply

    def _stored(self, request: Seen) -> Reply | None:
        known = self.keys.get(request.key) if request.method == "POST" else None
        if known is None:
            return None
        path, params, status, body = known
        if (path, params) != (request.path, request.params):
            raise Refused(400, type="idempotency_error", message="Other parameters.")
        return Reply(status, body, headers={"Idempotent-Replayed": "true"})

    def _fresh(self, request: Seen) -> Reply:
        if request.headers.get("Authorization") != f"Bearer {SECRET_KEY}":
            raise Refused(401, message="Invalid API Key provided: sk_test_***")
        status = 200
        try:
            body = json.dumps(self._run(request)).encode()
        except Refused as refused:
            # What was refused after the parameters were read is remembered, too.
            if refused.body["error"]["code"] != "balance_insufficient":
                raise
            status, body = refused.status, json.dumps(refused.body).encode()
        if request.method == "POST":
            self.keys[request.key] = (request.path, request.params, status, body)
        return Reply(status, body)

    def _run(self, request: Seen) -> Object:
        made: Mapping[tuple[str, str], Callable[[Params], Object]] = {
            ("POST", "/v1/payment_intents"): self._collect,
            ("GET", "/v1/payment_intents"): lambda params: self._list("payment_intent", params),
            ("GET", "/v1/payment_intents/search"): self._search,
            ("GET", "/v1/balance"): self._balance,
            ("POST", "/v1/transfers"): self._transfer,
            ("GET", "/v1/transfers"): lambda params: self._list("transfer", params),
            ("POST", "/v1/refunds"): self.make_refund,
            ("GET", "/v1/refunds"): lambda params: self._list("refund", params),
            ("GET", "/v1/disputes"): lambda params: self._list("dispute", params),
            ("POST", "/v1/accounts"): self._connect,
            ("POST", "/v1/account_links"): self._link,
        }
        action = made.get((request.method, request.path))
        if action is not None:
            return action(request.params)
        name = request.path.rpartition("/")[2]
        if request.method == "GET" and name in self.objects:
            return self._expanded(self.objects[name], request.params.get("expand", {}))
        raise Refused(404, "resource_missing", f"No such object: {name}")

    def _expanded(self, told: Object, wanted: Mapping[str, str]) -> Object:
        """A charge with its fee in the place of its id, where that was asked for."""
        charge = told.get("latest_charge")
        if charge is None or "latest_charge.balance_transaction" not in wanted.values():
            return told
        fee = self.fees.get(charge)
        entry = None if fee is None else {"id": "txn_1", "fee": fee, "currency": told["currency"]}
        return {**told, "latest_charge": {"id": charge, "balance_transaction": entry}}

    def _collect(self, params: Params) -> Object:
        intent = self._make(
            "payment_intent",
            "pi",
            {**params, "amount": _amount(params), "amount_received": 0, "latest_charge": None,
             "status": "requires_payment_method", "metadata": params.get("metadata", {})},
        )  # fmt: skip
        intent["client_secret"] = f"{intent['id']}_secret_{next(self._numbers)}"
        return intent

    def _transfer(self, params: Params) -> Object:
        amount, currency = _amount(params), params["currency"]
        account = self.objects.get(params.get("destination", ""))
        if account is None:
            raise Refused(400, "resource_missing", "No such destination", param="destination")
        if account["capabilities"]["transfers"] != "active":
            raise Refused(400, "insufficient_capabilities_for_transfer", "Not onboarded yet.")
        if self.balance.get(currency, 0) < amount:
            raise Refused(400, "balance_insufficient", "Insufficient funds in Stripe account.")
        self.balance[currency] -= amount
        return self._make(
            "transfer",
            "tr",
            {**params, "amount": amount, "amount_reversed": 0, "reversed": False,
             "metadata": params.get("metadata", {})},
        )  # fmt: skip

    def make_refund(self, params: Params) -> Object:
        """Give a part of a payment back."""
        intent = self.objects.get(params.get("payment_intent", ""))
        if intent is None or intent["status"] != "succeeded":
            raise Refused(404, "resource_missing", "No such payment_intent", param="payment_intent")
        amount = _amount({**params, "currency": intent["currency"]})
        others = [item for item in self.all("refund") if item["payment_intent"] == intent["id"]]
        given_back = sum(item["amount"] for item in others if item["status"] != "failed")
        if given_back + amount > intent["amount_received"]:
            raise Refused(400, "charge_already_refunded", "Charge has already been refunded.")
        self.balance[intent["currency"]] -= amount
        return self._make(
            "refund",
            "re",
            {**params, "amount": amount, "currency": intent["currency"], "status": "pending",
             "charge": intent["latest_charge"], "balance_transaction": self._id("txn"),
             "failure_reason": None, "failure_balance_transaction": None,
             "metadata": params.get("metadata", {})},
        )  # fmt: skip

    def _connect(self, params: Params) -> Object:
        if len(params.get("country", "")) != 2:
            raise Refused(400, "country_unsupported", "No such country.", param="country")
        return self._make("account", "acct", {**params, "capabilities": {"transfers": "inactive"}})

    def _link(self, params: Params) -> Object:
        if params.get("account") not in self.objects:
            raise Refused(400, "resource_missing", "No such account.", param="account")
        url = f"https://connect.stripe.com/setup/e/{params['account']}/{next(self._numbers)}"
        return {"object": "account_link", "created": 1, "expires_at": 300, "url": url}

    def _list(self, kind: str, params: Params) -> Object:
        wanted = {name: params[name] for name in ("transfer_group", "payment_intent", "charge")
                  if name in params}  # fmt: skip
        found = [
            item
            for item in reversed(self.all(kind))
            if all(item.get(name) == value for name, value in wanted.items())
            and _is_within(item["created"], params.get("created", {}))
        ]
        if "starting_after" in params:
            ids = [item["id"] for item in found]
            found = found[ids.index(params["starting_after"]) + 1 :]
        limit = min(int(params.get("limit", 10)), 100)
        return {
            "object": "list",
            "url": f"/v1/{kind}s",
            "has_more": len(found) > limit,
            "data": found[:limit],
        }

    def _balance(self, _params: Params) -> Object:
        lines = [{"amount": amount, "currency": name} for name, amount in self.balance.items()]
        waiting = [{"amount": amount, "currency": name} for name, amount in self.pending.items()]
        return {
            "object": "balance",
            "livemode": False,
            "available": lines[1:],
            "pending": lines[:1] + waiting,
        }

    def _search(self, params: Params) -> Object:
        match = _BY_REFERENCE.fullmatch(params["query"])
        if match is None:
            raise Refused(400, "search_invalid_query", "We were unable to parse your query.")
        found = [
            item
            for item in self.all("payment_intent")
            if item["metadata"].get("reference") == match.group(1)
        ]
        url = "/v1/payment_intents/search"
        return {"object": "search_result", "url": url, "has_more": False, "data": found}

    def _make(self, kind: str, prefix: str, fields: Mapping[str, Any]) -> Object:
        name = self._id(prefix)
        item = {"id": name, "object": kind, "livemode": False, "created": self.now(), **fields}
        self.objects[name] = item
        return item

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):016d}"


def _is_within(created: int, span: Params) -> bool:
    return int(span.get("gte", 0)) <= created < int(span.get("lt", created + 1))


def _amount(params: Params) -> int:
    text, currency = str(params.get("amount", "")), str(params.get("currency", ""))
    if not re.fullmatch("[a-z]{3}", currency):
        raise Refused(400, "parameter_invalid", "Invalid currency.", param="currency")
    if not re.fullmatch("[0-9]{1,18}", text) or int(text) < 1:
        raise Refused(400, "parameter_invalid_integer", "Invalid integer.", param="amount")
    amount = int(text)
    if (currency in _HUNDREDS and amount % 100) or (currency in _TENS and amount % 10):
        raise Refused(400, "invalid_amount", "It must be evenly divisible.", param="amount")
    return amount


def nested(text: str) -> Params:
    """A form with names in brackets, as nested mappings."""
    params: Params = {}
    for name, value in parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)):
        *path, last = re.findall(r"[^\[\]]+", name)
        inner = params
        for step in path:
            inner = inner.setdefault(step, {})
        inner[last] = value
    return params


@contextmanager
def running(stripe: StripeServer) -> Iterator[str]:
    """Serve it; the address of its API."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve(nested(urlsplit(self.path).query))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
            self._serve(nested(body.decode()))

        def _serve(self, params: Params) -> None:
            headers = dict(self.headers.items())
            key = self.headers.get("Idempotency-Key", "")
            reply = stripe.answer(
                Seen(self.command, urlsplit(self.path).path, params, key, headers)
            )
            if reply.status == 0:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
