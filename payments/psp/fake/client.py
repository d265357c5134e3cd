"""The adapter for the local PSP server."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from kobatela.kernel import http
from kobatela.kernel.canonical import canonical_json
from kobatela.kernel.errors import DomainError
from kobatela.kernel.money import Money, format_minor, parse_minor
from payments.psp.base import (
    FundingFound,
    FundingOpened,
    Movement,
    MovementKind,
    Order,
    OrderKind,
    OrderState,
    Outcome,
    PspDown,
    PspSaysNo,
    Reason,
)

_PATHS = {OrderKind.TRANSFER: "/transfers", OrderKind.REFUND: "/refunds"}
_STATES = {
    "pending": OrderState.ACCEPTED,
    "settled": OrderState.SETTLED,
    "failed": OrderState.FAILED,
    "returned": OrderState.RETURNED,
}
_REASONS = {
    "destination_invalid": Reason.DESTINATION_INVALID,
    "insufficient_funds": Reason.PSP_BALANCE_SHORT,
    "returned_by_bank": Reason.RETURNED_BY_BANK,
}
_FUNDING_STATES = {
    "open": OrderState.ACCEPTED,
    "succeeded": OrderState.SETTLED,
    "failed": OrderState.FAILED,
}
_CASE_STATES = {"won": OrderState.RETURNED, "lost": OrderState.SETTLED}
_MOVEMENT_STATES = {**_STATES, **_FUNDING_STATES, **_CASE_STATES}
# A list that goes on for longer than this is not read.
_PAGES_AT_MOST = 2_000
_REFUSED = frozenset({400, 402, 404, 422})
_MESSAGE_LENGTH = 500


class FakePsp:
    """Speaks to the PSP server of `payments.psp.fake` over HTTP."""

    name = "fake"
    knows_all_orders = True

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s

    def default_destination(self, user_id: int) -> str:
        """See Psp: everybody has an account here."""
        return f"fake:{user_id}"

    def order_body(self, order: Order) -> str:
        """See Psp."""
        body: dict[str, Any] = {
            "amount": format_minor(order.money.amount_minor, order.money.currency),
            "currency": order.money.currency,
            "metadata": dict(order.metadata),
        }
        if order.kind is OrderKind.REFUND:
            body["charge"] = order.charge_ref
        else:
            body["destination"] = order.destination
        return canonical_json(body)

    def send(self, kind: OrderKind, key: str, body: str) -> Outcome:
        """See Psp."""
        return self._outcome("POST", _PATHS[kind], key=key, body=body)

    def find(self, kind: OrderKind, key: str, body: str = "") -> Outcome:
        """See Psp."""
        outcome = self._outcome("GET", _PATHS[kind], parameters={"key": key})
        # For a question, 404 says that there is nothing, not that an order failed.
        if outcome.state is OrderState.FAILED and outcome.psp_ref is None:
            return Outcome(OrderState.NOT_FOUND)
        return outcome

    def funding_body(self, money: Money, metadata: Mapping[str, str]) -> str:
        """See Psp."""
        amount = format_minor(money.amount_minor, money.currency)
        return canonical_json(
            {"amount": amount, "currency": money.currency, "metadata": dict(metadata)}
        )

    def open_funding(self, key: str, body: str) -> FundingOpened:
        """See Psp."""
        try:
            response = self._request("POST", "/fundings", key=key, body=body)
        except httpx.HTTPError as error:
            raise PspDown(str(error)) from error
        answer = _object(response)
        if response.status_code in _REFUSED:
            raise PspSaysNo(_message(answer, response))
        psp_ref, secret = answer.get("id"), answer.get("client_secret")
        if response.status_code >= 300 or not _is_text(psp_ref) or not _is_text(secret):
            raise PspDown(_message(answer, response))
        return FundingOpened(str(psp_ref), str(secret))

    def find_funding(self, key: str, psp_ref: str = "") -> FundingFound:
        """See Psp."""
        try:
            response = self._request("GET", "/fundings", parameters={"key": key})
        except httpx.HTTPError:
            return FundingFound(OrderState.UNKNOWN)
        answer = _object(response)
        if response.status_code == 404 and _is_text(answer.get("error")):
            return FundingFound(OrderState.NOT_FOUND)
        state, its_id = _FUNDING_STATES.get(str(answer.get("status"))), answer.get("id")
        money = _money({**answer, "amount": answer.get("received") or answer.get("amount")})
        if response.status_code != 200 or state is None or not _is_text(its_id) or money is None:
            return FundingFound(OrderState.UNKNOWN)
        return FundingFound(state, str(its_id), money, _fee(answer))

    def list_movements(self, since: datetime, until: datetime) -> list[Movement]:
        """See Psp."""
        return self._list("/movements", since, until)

    def list_chargebacks(self, since: datetime, until: datetime) -> list[Movement]:
        """See Psp."""
        return self._list("/chargebacks", since, until)

    def _list(self, path: str, since: datetime, until: datetime) -> list[Movement]:
        span = {"since": repr(since.timestamp()), "until": repr(until.timestamp())}
        found: list[Movement] = []
        after = ""
        for _ in range(_PAGES_AT_MOST):
            page = self._page(path, {**span, "after": after} if after else span)
            items, following = page.get("items"), page.get("next")
            if not isinstance(items, list):
                raise PspDown("The answer is not a list.")
            found += [_movement(item) for item in items]
            if following is None:
                return found
            if not isinstance(following, str) or following == after:
                break
            after = following
        raise PspDown("The list does not come to an end.")

    def balances(self) -> Mapping[str, int] | None:
        """See Psp."""
        told = self._page("/balances", {})
        try:
            return {currency: parse_minor(amount, currency) for currency, amount in told.items()}
        except DomainError as error:
            raise PspDown("A balance is not an amount.") from error

    def _page(self, path: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            response = self._request("GET", path, parameters=parameters)
        except httpx.HTTPError as error:
            raise PspDown(str(error) or type(error).__name__) from error
        answer = _object(response)
        if response.status_code != 200:
            raise PspDown(_message(answer, response))
        return answer

    def _outcome(
        self,
        method: str,
        path: str,
        *,
        key: str = "",
        body: str = "",
        parameters: Mapping[str, str] | None = None,
    ) -> Outcome:
        try:
            response = self._request(method, path, key=key, body=body, parameters=parameters)
        except httpx.HTTPError as error:
            # Whether it was lost on the way there or on the way back cannot be told.
            return _unknown(str(error) or type(error).__name__)
        return _read(response)

    def _request(
        self,
        method: str,
        path: str,
        *,
        key: str = "",
        body: str = "",
        parameters: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        headers = {}
        if key:
            headers["Idempotency-Key"] = key
        if body:
            headers["Content-Type"] = "application/json"
        with http.client(self._url, read_timeout_s=self._timeout_s) as client:
            return client.request(
                method, path, content=body.encode() or None, params=parameters, headers=headers
            )


def _read(response: httpx.Response) -> Outcome:
    status = response.status_code
    answer = _object(response)
    message = _message(answer, response)
    if status in {401, 403}:
        return Outcome(OrderState.BLOCKED, reason=Reason.PSP_ACCESS_REFUSED, message=message)
    if status in {409, 429}:
        return Outcome(OrderState.BUSY, reason=Reason.PSP_BUSY, message=message)
    # A refusal counts only when it is the PSP's own; a proxy's error page settles nothing.
    if status in _REFUSED and _is_text(answer.get("error")):
        reason = _REASONS.get(str(answer["error"]), Reason.PSP_REFUSED)
        return Outcome(OrderState.FAILED, reason=reason, message=message)
    if status not in {200, 201}:
        return _unknown(message)
    state, psp_ref = _STATES.get(str(answer.get("status"))), answer.get("id")
    money = _money(answer)
    if state is None or not _is_text(psp_ref) or money is None:
        return _unknown(message)
    reason = Reason.NONE
    if state in {OrderState.FAILED, OrderState.RETURNED}:
        reason = _REASONS.get(str(answer.get("failure")), Reason.PSP_REFUSED)
    return Outcome(state, str(psp_ref), reason, message, money, _fee(answer))


def _unknown(message: str) -> Outcome:
    return Outcome(
        OrderState.UNKNOWN, reason=Reason.OUTCOME_UNKNOWN, message=message[:_MESSAGE_LENGTH]
    )


def _object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        value = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _message(answer: Mapping[str, Any], response: httpx.Response) -> str:
    said = answer.get("message") or answer.get("failure") or ""
    # Lone surrogates and NULs, which JSON can carry, cannot be stored.
    text = f"{response.status_code} {said}".encode(errors="replace").decode().replace("\x00", "")
    return text.strip()[:_MESSAGE_LENGTH]


def _movement(item: object) -> Movement:
    """One line of the list. Raises PspDown: a list with a line that cannot be read is no list."""
    line = item if isinstance(item, dict) else {}
    state, money = _MOVEMENT_STATES.get(str(line.get("status"))), _money(line)
    created_at, kind = _moment(line.get("created_at")), str(line.get("kind"))
    if (
        state is None
        or money is None
        or created_at is None
        or kind not in list(MovementKind)
        or not _is_text(line.get("id"))
    ):
        raise PspDown("A line of the list cannot be read.")
    key = str(line["key"]) if _is_text(line.get("key")) else ""
    is_case = kind == MovementKind.CHARGEBACK
    return Movement(
        kind=MovementKind(kind),
        psp_ref=str(line["id"]),
        key="" if is_case else key,
        charge_ref=key if is_case else "",
        money=money,
        state=state,
        created_at=created_at,
        changed_at=_moment(line.get("changed_at")) or created_at,
    )


def _moment(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _is_text(value: object) -> bool:
    return (
        isinstance(value, str) and 0 < len(value) <= 128 and value.isascii() and value.isprintable()
    )


def _fee(answer: Mapping[str, Any]) -> Money | None:
    """What it charged, if anything."""
    fee = _money({**answer, "amount": answer.get("fee") or None})
    return fee if fee is not None and fee.amount_minor > 0 else None


def _money(answer: Mapping[str, Any]) -> Money | None:
    currency, amount = answer.get("currency"), answer.get("amount")
    if not isinstance(currency, str) or not isinstance(amount, str):
        return None
    try:
        return Money(parse_minor(amount, currency), currency)
    except DomainError:
        return None
