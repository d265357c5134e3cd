"""The adapter for Stripe."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import stripe
from stripe import V1Services

from kobatela.accounts.selectors import stripe_account_of
from kobatela.kernel.canonical import canonical_json
from kobatela.kernel.money import AmountPrecision, Money
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
from payments.psp.stripe.amounts import balance_from_stripe, to_stripe
from payments.psp.stripe.client import Pages, StripeClient, StripeFailure
from payments.psp.stripe.objects import (
    read_intent,
    read_movement,
    read_order,
    reference_of,
    text,
    whole,
)

_MAX_SECRET_LENGTH = 255
# A list with more than this of one kind is not read; it would not fit a night either.
_MOVEMENTS_AT_MOST = 100_000


class StripePsp:
    """Speaks to Stripe. A user is paid to their connected account."""

    name = "stripe"
    # Both lists that `find` reads hold every order under the group or the payment, at once.
    knows_all_orders = True

    def __init__(self, client: StripeClient) -> None:
        self._client = client

    def default_destination(self, user_id: int) -> str:
        """See Psp: the account that the user has connected."""
        return stripe_account_of(user_id)

    def order_body(self, order: Order) -> str:
        """See Psp. `transfer_group` is our key: by it a transfer is found again."""
        body: dict[str, Any] = {
            "amount": to_stripe(order.money),
            "metadata": dict(order.metadata),
        }
        if order.kind is OrderKind.REFUND:
            kind = "charge" if order.charge_ref.startswith("ch_") else "payment_intent"
            body[kind] = order.charge_ref
        else:
            body["currency"] = order.money.currency.lower()
            body["destination"] = order.destination
            body["transfer_group"] = order.metadata["reference"]
        return canonical_json(body)

    def send(self, kind: OrderKind, key: str, body: str) -> Outcome:
        """See Psp."""
        params = json.loads(body)
        if params["amount"] is None:
            return Outcome(
                OrderState.FAILED,
                reason=Reason.AMOUNT_NOT_PAYABLE,
                message="Stripe has no such amount in this currency.",
            )
        options: stripe.RequestOptions = {"idempotency_key": key}
        try:
            answer = self._client.one(lambda v1: _create(v1, kind, params, options))
        except StripeFailure as failure:
            return Outcome(failure.state, reason=failure.reason, message=failure.message)
        return _outcome(kind, answer)

    def find(self, kind: OrderKind, key: str, body: str) -> Outcome:
        """See Psp: a transfer by its group, a refund among those of its payment."""
        try:
            found = self._client.many(lambda v1: _like(v1, kind, json.loads(body)))
        except StripeFailure as failure:
            # A refusal to be asked is no refusal of the order.
            is_refusal = failure.state is OrderState.FAILED
            state = OrderState.UNKNOWN if is_refusal else failure.state
            return Outcome(state, reason=failure.reason, message=failure.message)
        matching = [data for data in found if reference_of(data) == key]
        if len(matching) > 1:
            return _unknown("Stripe has several orders under one key.")
        return _outcome(kind, matching[0]) if matching else Outcome(OrderState.NOT_FOUND)

    def funding_body(self, money: Money, metadata: Mapping[str, str]) -> str:
        """See Psp. Raises AmountPrecision for an amount that Stripe cannot collect."""
        amount = to_stripe(money)
        if amount is None:
            raise AmountPrecision("The payment provider cannot collect this exact amount.")
        return canonical_json(
            {
                "amount": amount,
                "automatic_payment_methods": {"enabled": True},
                "currency": money.currency.lower(),
                "metadata": dict(metadata),
                "transfer_group": f"escrow_{metadata['escrow']}",
            }
        )

    def open_funding(self, key: str, body: str) -> FundingOpened:
        """See Psp."""
        params: Any = json.loads(body)
        options: stripe.RequestOptions = {"idempotency_key": key}
        try:
            answer = self._client.one(lambda v1: v1.payment_intents.create(params, options))
        except StripeFailure as failure:
            if failure.state is OrderState.FAILED:
                raise PspSaysNo(failure.message) from failure
            raise PspDown(failure.message) from failure
        psp_ref, secret = text(answer, "id"), answer.get("client_secret")
        if not psp_ref or not isinstance(secret, str) or not 0 < len(secret) <= _MAX_SECRET_LENGTH:
            raise PspDown("The answer is not a PaymentIntent.")
        return FundingOpened(psp_ref, secret)

    def find_funding(self, key: str, psp_ref: str) -> FundingFound:
        """See Psp. Without Stripe's id its search is asked, which knows a session after a minute;
        nobody can have paid a session whose secret never arrived."""
        query = f"metadata['reference']:'{key}'"
        try:
            if psp_ref:
                found = [self._client.one(lambda v1: _with_fee(v1, psp_ref))]
            else:
                found = self._client.many(lambda v1: v1.payment_intents.search({"query": query}))
        except StripeFailure as failure:
            is_refusal = failure.state is OrderState.FAILED
            return FundingFound(OrderState.NOT_FOUND if is_refusal else OrderState.UNKNOWN)
        matching = [data for data in found if reference_of(data) == key]
        if not matching:
            return FundingFound(OrderState.NOT_FOUND)
        return read_intent(matching[0]) or FundingFound(OrderState.UNKNOWN)

    def list_movements(self, since: datetime, until: datetime) -> list[Movement]:
        """See Psp: transfers, refunds and PaymentIntents. Stripe counts in whole seconds."""
        kinds = [kind for kind in MovementKind if kind is not MovementKind.CHARGEBACK]
        return self._list(kinds, since, until)

    def list_chargebacks(self, since: datetime, until: datetime) -> list[Movement]:
        """See Psp: disputes."""
        return self._list([MovementKind.CHARGEBACK], since, until)

    def _list(
        self, kinds: Sequence[MovementKind], since: datetime, until: datetime
    ) -> list[Movement]:
        created = {"gte": int(since.timestamp()), "lt": int(until.timestamp()) + 1}
        found: list[Movement] = []
        for kind in kinds:
            found += [_movement(kind, data) for data in self._listed(kind, created)]
        return sorted(found, key=lambda row: (row.created_at, row.psp_ref))

    def _listed(self, kind: MovementKind, created: Any) -> list[Mapping[str, Any]]:
        params: Any = {"created": created, "limit": 100}
        try:
            return self._client.many(
                lambda v1: _all_of(v1, kind, params), at_most=_MOVEMENTS_AT_MOST
            )
        except StripeFailure as failure:
            raise PspDown(failure.message) from failure

    def balances(self) -> Mapping[str, int] | None:
        """See Psp: what is available and what is not yet, added."""
        try:
            answer = self._client.one(lambda v1: v1.balance.retrieve())
        except StripeFailure as failure:
            raise PspDown(failure.message) from failure
        held: dict[str, int] = {}
        for part in ("available", "pending"):
            lines = answer.get(part)
            if not isinstance(lines, list):
                raise PspDown("The answer is not a balance.")
            for line in lines:
                told = line if isinstance(line, Mapping) else {}
                amount, currency = whole(told.get("amount")), str(told.get("currency")).upper()
                if amount is None:
                    raise PspDown("A balance is not an amount.")
                held[currency] = held.get(currency, 0) + balance_from_stripe(amount, currency)
        return held


def _all_of(v1: V1Services, kind: MovementKind, params: Any) -> Pages:
    match kind:
        case MovementKind.TRANSFER:
            return v1.transfers.list(params)
        case MovementKind.REFUND:
            return v1.refunds.list(params)
        case MovementKind.FUNDING:
            return v1.payment_intents.list(params)
        case MovementKind.CHARGEBACK:
            return v1.disputes.list(params)


def _movement(kind: MovementKind, data: Mapping[str, Any]) -> Movement:
    movement = read_movement(kind, data)
    if movement is None:
        raise PspDown(f"A line of the list cannot be read: {text(data, 'id')}")
    return movement


def _with_fee(v1: V1Services, psp_ref: str) -> stripe.StripeObject:
    """A PaymentIntent along with what Stripe charged for it."""
    return v1.payment_intents.retrieve(psp_ref, {"expand": ["latest_charge.balance_transaction"]})


def _create(
    v1: V1Services, kind: OrderKind, params: Any, options: stripe.RequestOptions
) -> stripe.StripeObject:
    if kind is OrderKind.REFUND:
        return v1.refunds.create(params, options)
    return v1.transfers.create(params, options)


def _like(v1: V1Services, kind: OrderKind, params: Mapping[str, Any]) -> Pages:
    """The orders among which the one with these parameters must be."""
    if kind is OrderKind.TRANSFER:
        return v1.transfers.list({"transfer_group": params["transfer_group"], "limit": 100})
    if "charge" in params:
        return v1.refunds.list({"charge": params["charge"], "limit": 100})
    return v1.refunds.list({"payment_intent": params["payment_intent"], "limit": 100})


def _outcome(kind: OrderKind, data: Mapping[str, Any]) -> Outcome:
    return read_order(kind, data) or _unknown("The answer is not an order.")


def _unknown(message: str) -> Outcome:
    return Outcome(OrderState.UNKNOWN, reason=Reason.OUTCOME_UNKNOWN, message=message)
