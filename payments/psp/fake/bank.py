"""What the PSP does with orders and sessions, without any HTTP."""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from payments.psp.fake.database import Row
from payments.psp.fake.scenarios import NOT_TAKEN, Behaviour, Scenario
from payments.psp.fake.store import NewOrder, Store

_BUSY = 429
_WHOLE_BPS = 10_000
# How far behind the second report the first one comes when they are reordered.
_BEHIND_S = 0.3
_COMES_BACK = frozenset({Behaviour.RETURN, Behaviour.REVERSE, Behaviour.REORDERED_WEBHOOKS})


class Refusal(Exception):
    """An answer that says no."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and how it is given. scenario: what the order was scripted to do."""

    status: int
    body: Mapping[str, Any]
    scenario: Scenario | None = None


class Bank:
    """Takes orders and sessions, carries them out, and reports.

    settle_after_s: how long a payment takes. fee_bps: what it charges for each, in hundredths of a
    percent.
    """

    def __init__(self, store: Store, *, settle_after_s: float = 0.05, fee_bps: int = 0) -> None:
        self.store = store
        self._settle_after_s = settle_after_s
        self._fee_bps = fee_bps

    # --- orders -----------------------------------------------------------------------------
    def take_order(self, kind: str, key: str, fields: Mapping[str, Any]) -> Reply:
        """A transfer or a refund under the client's key. The same again has no second effect."""
        return self._once(f"{kind}:{key}", fields, lambda: self._new_order(kind, key, fields))

    def _new_order(self, kind: str, key: str, fields: Mapping[str, Any]) -> Reply:
        amount, currency = _amount(fields.get("amount")), _word(fields, "currency")
        destination = _word(fields, "destination") if kind == "transfer" else ""
        charge = self._check_charge(fields, amount, currency) if kind == "refund" else ""
        scenario = self._scenario(kind, destination, fields)
        if scenario.behaviour in NOT_TAKEN:
            busy = {"error": "busy", "message": "Too many requests."}
            return Reply(_BUSY, busy, scenario)
        if scenario.behaviour is Behaviour.REFUSE:
            return Reply(
                402, {"error": "insufficient_funds", "message": "Balance of acct_9 is too low."}
            )
        if scenario.behaviour is Behaviour.OTHER_AMOUNT:
            amount += 1
        is_held = scenario.behaviour is Behaviour.HOLD
        order = self.store.add_order(
            NewOrder(
                kind=kind,
                key=key,
                amount=str(amount),
                currency=currency,
                destination=destination,
                charge=charge,
                metadata=json.dumps(fields.get("metadata") or {}),
                behaviour=scenario.behaviour,
                due_at=None if is_held else time.time() + self._settle_after_s,
            )
        )
        if scenario.behaviour is Behaviour.LATE_WEBHOOK:
            self.store.set_delay(order["id"], scenario.seconds)
        if scenario.behaviour is Behaviour.EARLY_WEBHOOK:
            order = self._end(order, "settled")
        return Reply(201, shown_order(order), scenario)

    def _scenario(self, kind: str, destination: str, fields: Mapping[str, Any]) -> Scenario:
        metadata = fields.get("metadata")
        named = metadata if isinstance(metadata, dict) else {}
        if named.get("scenario") in list(Behaviour):
            return Scenario(Behaviour(named["scenario"]))
        found = self.store.take_scenario(kind, destination, named)
        return found or Scenario(Behaviour.SETTLE)

    def _check_charge(self, fields: Mapping[str, Any], amount: Decimal, currency: str) -> str:
        charge = _word(fields, "charge")
        try:
            funding = self.store.funding(charge)
        except KeyError as error:
            raise Refusal(404, "charge_unknown", "There is no such charge.") from error
        left = Decimal(funding["received"] or 0) - self.store.given_back(charge)
        left -= taken_back(self.store.chargebacks(charge))
        if funding["currency"] != currency or amount > left:
            raise Refusal(402, "charge_exceeded", "The charge does not hold that much.")
        return charge

    def find_order(self, kind: str, key: str) -> Mapping[str, Any]:
        """The order under a key. Raises Refusal 404."""
        order = self.store.order_by_key(kind, key)
        if order is None:
            raise Refusal(404, "not_found", "There is no order with this key.")
        return {**shown_order(order), "fee": self.store.fee(order["id"])}

    def end_order(self, order_id: str, status: str) -> Mapping[str, Any]:
        """Settle, fail or return an order by hand, as the bank behind the PSP would."""
        try:
            order = self.store.order(order_id)
        except KeyError as error:
            raise Refusal(404, "not_found", "There is no such order.") from error
        allowed = {"pending": {"settled", "failed"}, "settled": {"returned"}}
        if status not in allowed.get(order["status"], set()):
            raise Refusal(409, "invalid_state", f"It is {order['status']}.")
        with self.store.transaction():
            return shown_order(self._end(order, status))

    def carry_out(self) -> int:
        """Do what is due; how many orders moved."""
        with self.store.transaction():
            due = self.store.due_orders(time.time())
            for order in due:
                self._step(order)
        return len(due)

    def _step(self, order: Row) -> None:
        behaviour = order["behaviour"]
        if order["status"] == "settled":
            self._end(order, "returned")
        elif behaviour == Behaviour.FAIL:
            self._end(order, "failed")
        else:
            again = time.time() + self._settle_after_s if behaviour in _COMES_BACK else None
            self._end(order, "settled", due_at=again)

    def _end(self, order: Row, status: str, *, due_at: float | None = None) -> Row:
        failure = {"failed": "destination_invalid", "returned": "returned_by_bank"}.get(status, "")
        moved = self.store.move_order(order["id"], status, failure=failure, due_at=due_at)
        behaviour = order["behaviour"]
        if status == "settled":
            self.store.set_fee(order["id"], self._fee_on(order))
        if behaviour == Behaviour.LOST_WEBHOOK:
            return moved
        after_s = self.store.delay(order["id"])
        if behaviour == Behaviour.REORDERED_WEBHOOKS and status == "settled":
            after_s = 2 * self._settle_after_s + _BEHIND_S
        event = event_of(_report_of(order, status), moved, self.store.fee(order["id"]))
        for _ in range(2 if behaviour == Behaviour.DUPLICATE_WEBHOOK else 1):
            self.store.add_delivery(event, after_s=after_s)
        return moved

    def _fee_on(self, row: Row) -> str:
        amount = Decimal(row["amount"])
        return str((amount * self._fee_bps / _WHOLE_BPS).quantize(amount)) if self._fee_bps else ""

    # --- fundings ---------------------------------------------------------------------------
    def open_funding(self, key: str, fields: Mapping[str, Any]) -> Reply:
        """A session in which a payer can pay."""

        def new() -> Reply:
            funding = self.store.add_funding(
                key,
                amount=str(_amount(fields.get("amount"))),
                currency=_word(fields, "currency"),
                metadata=json.dumps(fields.get("metadata") or {}),
            )
            return Reply(201, shown_funding(funding))

        return self._once(f"funding:{key}", fields, new)

    def find_funding(self, key: str) -> Mapping[str, Any]:
        """The session under a key. Raises Refusal 404."""
        funding = self.store.funding_by_key(key)
        if funding is None:
            raise Refusal(404, "not_found", "There is no session with this key.")
        return {**shown_funding(funding), "fee": self.store.fee(funding["id"])}

    def end_funding(self, funding_id: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The payer pays: all of it, or the `amount` given; or gives up (`fail`)."""
        with self.store.transaction():
            try:
                funding = self.store.funding(funding_id)
            except KeyError as error:
                raise Refusal(404, "not_found", "There is no such session.") from error
            if funding["status"] != "open":
                return shown_funding(funding)
            if fields.get("fail"):
                ended = self.store.end_funding(funding_id, "failed", "")
                self.store.add_delivery(event_of("funding.failed", ended))
                return shown_funding(ended)
            paid = _amount(fields.get("amount") or funding["amount"])
            ended = self.store.end_funding(funding_id, "succeeded", str(paid))
            told = {**ended, "amount": str(paid)}
            self.store.set_fee(funding_id, self._fee_on(told))
            event = event_of("funding.succeeded", told, self.store.fee(funding_id))
            metadata = json.loads(funding["metadata"])
            scenario = self._scenario("funding", "", {"metadata": metadata})
            self._report(event, scenario)
            if scenario.behaviour is Behaviour.CHARGEBACK:
                self._open_chargeback(ended, paid)
            return shown_funding(ended)

    # --- chargebacks ------------------------------------------------------------------------
    def open_chargeback(self, fields: Mapping[str, Any]) -> Reply:
        """The payer's bank takes `amount` of a charge back, or all that is left of it.

        `fee`: what the client pays for the case.
        """
        charge = _word(fields, "charge")
        with self.store.transaction():
            try:
                funding = self.store.funding(charge)
            except KeyError as error:
                raise Refusal(404, "charge_unknown", "There is no such charge.") from error
            left = Decimal(funding["received"] or 0) - taken_back(self.store.chargebacks(charge))
            amount = _amount(fields["amount"]) if fields.get("amount") else left
            if not 0 < amount <= left:
                raise Refusal(409, "charge_exceeded", "The charge did not bring that much.")
            fee = str(_amount(fields["fee"])) if fields.get("fee") else ""
            return Reply(201, self._open_chargeback(funding, amount, fee))

    def _open_chargeback(self, funding: Row, amount: Decimal, fee: str = "") -> Mapping[str, Any]:
        case = self.store.add_chargeback(funding["id"], str(amount), funding["currency"])
        self.store.set_fee(case["id"], fee)
        self._report_case(case, "opened")
        return dict(case)

    def end_chargeback(self, case_id: str, status: str) -> Mapping[str, Any]:
        """The bank decides a case: `won` or `lost`."""
        with self.store.transaction():
            try:
                case = self.store.chargeback(case_id)
            except KeyError as error:
                raise Refusal(404, "not_found", "There is no such chargeback.") from error
            if case["status"] != "open":
                raise Refusal(409, "invalid_state", f"It is {case['status']}.")
            ended = self.store.end_chargeback(case_id, status)
            self._report_case(ended, status)
            return dict(ended)

    def _report_case(self, case: Row, what: str) -> None:
        told = {**case, "key": case["charge"]}
        event = event_of(f"chargeback.{what}", told, self.store.fee(case["id"]))
        self._report(event, self._scenario("chargeback", "", {}))

    def _report(self, event: Mapping[str, Any], scenario: Scenario) -> None:
        """Tell of a session or a case: twice, late or never, where that is scripted."""
        if scenario.behaviour is Behaviour.LOST_WEBHOOK:
            return
        is_late = scenario.behaviour is Behaviour.LATE_WEBHOOK
        for _ in range(2 if scenario.behaviour is Behaviour.DUPLICATE_WEBHOOK else 1):
            self.store.add_delivery(event, after_s=scenario.seconds if is_late else 0.0)

    # --- books ------------------------------------------------------------------------------
    def books(self) -> Mapping[str, Any]:
        """Everything that this PSP has done, with the sums per currency."""
        transfers, refunds = self.store.orders("transfer"), self.store.orders("refund")
        fundings, cases = self.store.fundings(), self.store.chargebacks()
        currencies = {row["currency"] for row in (*transfers, *refunds, *fundings)}
        return {
            "totals": {
                currency: {
                    "collected": _sum(fundings, currency, "succeeded", "received"),
                    "paid_out": _sum(transfers, currency, "settled", "amount"),
                    "given_back": _sum(refunds, currency, "settled", "amount"),
                    "taken_back": str(
                        taken_back(case for case in cases if case["currency"] == currency)
                    ),
                    "fees": self._fees((*fundings, *transfers, *refunds, *cases), currency),
                }
                for currency in sorted(currencies)
            },
            "transfers": [shown_order(row) for row in transfers],
            "refunds": [shown_order(row) for row in refunds],
            "fundings": [shown_funding(row) for row in fundings],
            "chargebacks": [dict(row) for row in cases],
            "open_deliveries": self.store.open_deliveries(),
        }

    def _fees(self, rows: Iterable[Row], currency: str) -> str:
        fees = (self.store.fee(row["id"]) or "0" for row in rows if row["currency"] == currency)
        return str(sum((Decimal(fee) for fee in fees), Decimal(0)))

    def _once(self, key: str, fields: Mapping[str, Any], do: Callable[[], Reply]) -> Reply:
        request = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
        with self.store.transaction():
            known = self.store.answer(key)
            if known is None:
                reply = do()
                if reply.status != _BUSY:
                    self.store.keep_answer(key, request, reply.status, json.dumps(reply.body))
                return reply
        if known["request"] != request:
            raise Refusal(409, "key_reused", "This key was used for another request.")
        return Reply(known["status"], json.loads(known["body"]))


def shown_order(order: Row) -> Mapping[str, Any]:
    """An order as clients see it."""
    names = ("id", "kind", "key", "amount", "currency", "destination", "charge", "status")
    return {
        **{name: order[name] for name in names},
        "failure": order["failure"],
        "metadata": json.loads(order["metadata"]),
    }


def shown_funding(funding: Row) -> Mapping[str, Any]:
    """A session as clients see it."""
    names = ("id", "key", "client_secret", "amount", "currency", "status", "received")
    return {
        **{name: funding[name] for name in names},
        "metadata": json.loads(funding["metadata"]),
    }


def taken_back(cases: Iterable[Row]) -> Decimal:
    """What banks have taken back in these cases and not given again."""
    taken = (Decimal(case["amount"]) for case in cases if case["status"] != "won")
    return sum(taken, Decimal(0))


def event_of(kind: str, row: Row, fee: str = "") -> Mapping[str, Any]:
    """A report about an order, a session or a case."""
    told = {"fee": fee} if fee else {}
    return told | {
        "id": f"evt_{secrets.token_hex(10)}",
        "type": kind,
        "provider": "fake",
        "psp_ref": row["id"],
        "payment_reference": row["key"],
        "amount": row["amount"],
        "currency": row["currency"],
    }


def _report_of(order: Row, status: str) -> str:
    """What the report of an order's new state is called."""
    if order["behaviour"] == Behaviour.REVERSE and status == "returned":
        return "refund.failed"
    is_refund = order["kind"] == "refund" and status != "returned"
    return f"{'refund' if is_refund else 'payment'}.{status}"


def _sum(rows: Any, currency: str, status: str, field: str) -> str:
    counted = (row for row in rows if row["currency"] == currency and row["status"] == status)
    return str(sum((Decimal(row[field]) for row in counted), Decimal(0)))


def _amount(value: Any) -> Decimal:
    try:
        amount = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount <= 0:
        raise Refusal(422, "amount_invalid", "The amount is a positive decimal in a string.")
    return amount


def _word(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 128:
        raise Refusal(422, f"{name}_invalid", f"{name} is missing or not a text.")
    return value
