"""Our adapter against a server that speaks Stripe's protocol, through Stripe's own library."""

import json
import socket
import threading
from typing import Any

import pytest

from kobatela.kernel.money import AmountPrecision, Money
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
from payments.psp.stripe.adapter import StripePsp
from payments.psp.stripe.client import StripeClient
from payments.psp.tests.stripe_installation import stripe_server as stripe_server  # noqa: PLC0414
from payments.psp.tests.stripe_server import SECRET_KEY, StripeServer

TRANSFER, REFUND = OrderKind.TRANSFER, OrderKind.REFUND
KEY = "koba_1"
EUROS = Money(1_234, "EUR")


@pytest.fixture
def adapter(stripe_server: StripeServer) -> StripePsp:
    """The adapter that the installation uses."""
    stripe_server.balance = {"eur": 10**9, "xof": 10**9, "kwd": 10**9, "ugx": 10**9}
    return StripePsp(StripeClient.from_settings())


def transfer(adapter: StripePsp, account: str, money: Money = EUROS, key: str = KEY) -> str:
    """The text of an order to pay somebody."""
    metadata = {"payment": "1", "escrow": "9", "reference": key}
    return adapter.order_body(Order(TRANSFER, money, account, "", metadata))


def refund(adapter: StripePsp, charge: str, money: Money = EUROS, key: str = KEY) -> str:
    """The text of an order to give back."""
    metadata = {"payment": "1", "escrow": "9", "reference": key}
    return adapter.order_body(Order(REFUND, money, "", charge, metadata))


def session(adapter: StripePsp, money: Money = EUROS, key: str = "kobf_1") -> str:
    """The text of an order to collect."""
    return adapter.funding_body(money, {"escrow": "9", "reference": key})


def paid(stripe_server: StripeServer, adapter: StripePsp, amount_minor: int = 1_234) -> str:
    """A PaymentIntent that somebody paid."""
    opened = adapter.open_funding("kobf_1", session(adapter, Money(amount_minor, "EUR")))
    stripe_server.pay(opened.psp_ref)
    return opened.psp_ref


# --- Transfers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("money", "at_stripe"),
    [
        (Money(1_234, "EUR"), ("1234", "eur")),
        (Money(5_000, "XOF"), ("5000", "xof")),
        (Money(5_120, "KWD"), ("5120", "kwd")),
        (Money(700, "UGX"), ("70000", "ugx")),
    ],
)
def test_a_transfer_that_stripe_made_is_settled(
    stripe_server: StripeServer, adapter: StripePsp, money: Money, at_stripe: tuple[str, str]
) -> None:
    account = stripe_server.add_account()

    outcome = adapter.send(TRANSFER, KEY, transfer(adapter, account, money))

    (made,) = stripe_server.all("transfer")
    assert outcome == Outcome(OrderState.SETTLED, made["id"], money=money)
    (seen,) = stripe_server.posts("/v1/transfers")
    assert seen.key == KEY
    assert seen.params == {
        "amount": at_stripe[0],
        "currency": at_stripe[1],
        "destination": account,
        "transfer_group": KEY,
        "metadata": {"payment": "1", "escrow": "9", "reference": KEY},
    }
    assert seen.headers["Authorization"] == f"Bearer {SECRET_KEY}"
    assert seen.headers["Stripe-Version"]
    assert "X-Stripe-Client-Telemetry" not in seen.headers
    assert "telemetry_id" not in seen.headers["X-Stripe-Client-User-Agent"]


def test_d13_one_key_pays_once_however_often_it_is_sent(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    body = transfer(adapter, stripe_server.add_account())

    outcomes = [adapter.send(TRANSFER, KEY, body) for _ in range(5)]

    assert len({outcome.psp_ref for outcome in outcomes}) == 1
    assert len(stripe_server.all("transfer")) == 1


def test_the_order_of_the_stored_text_does_not_matter_to_the_key(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    body = transfer(adapter, stripe_server.add_account())
    shuffled = json.dumps(dict(reversed(json.loads(body).items())))

    assert adapter.send(TRANSFER, KEY, body) == adapter.send(TRANSFER, KEY, shuffled)


def test_a_key_that_stands_for_something_else_is_no_refusal(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    account = stripe_server.add_account()
    adapter.send(TRANSFER, KEY, transfer(adapter, account))

    other = adapter.send(TRANSFER, KEY, transfer(adapter, account, Money(99, "EUR")))

    assert (other.state, other.reason) == (OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN)
    assert len(stripe_server.all("transfer")) == 1


@pytest.mark.parametrize("money", [Money(5_124, "KWD"), Money(520, "MGA")])
def test_an_amount_that_stripe_cannot_express_fails_without_a_call(
    stripe_server: StripeServer, adapter: StripePsp, money: Money
) -> None:
    outcome = adapter.send(TRANSFER, KEY, transfer(adapter, "acct_1", money))

    assert (outcome.state, outcome.reason) == (OrderState.FAILED, Reason.AMOUNT_NOT_PAYABLE)
    assert stripe_server.seen == []


def test_a_payee_who_is_unknown_or_not_ready_is_a_definite_failure(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    unknown = adapter.send(TRANSFER, "k1", transfer(adapter, "acct_of_nobody", key="k1"))
    waiting = stripe_server.add_account(transfers="inactive")
    not_ready = adapter.send(TRANSFER, "k2", transfer(adapter, waiting, key="k2"))

    for outcome in (unknown, not_ready):
        assert (outcome.state, outcome.reason) == (OrderState.FAILED, Reason.DESTINATION_INVALID)
    assert stripe_server.all("transfer") == []


def test_a_balance_that_is_too_low_is_a_definite_failure(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    stripe_server.balance = {"eur": 1_233}
    outcome = adapter.send(TRANSFER, KEY, transfer(adapter, stripe_server.add_account()))
    assert (outcome.state, outcome.reason) == (OrderState.FAILED, Reason.FUNDS_PENDING)


def test_a_transfer_is_found_by_its_group_and_no_other_is_taken_for_it(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    account = stripe_server.add_account()
    body, other = transfer(adapter, account), transfer(adapter, account, key="koba_2")
    assert adapter.find(TRANSFER, KEY, body).state is OrderState.NOT_FOUND
    adapter.send(TRANSFER, "koba_2", other)
    assert adapter.find(TRANSFER, KEY, body).state is OrderState.NOT_FOUND

    made = adapter.send(TRANSFER, KEY, body)
    assert adapter.find(TRANSFER, KEY, body) == made

    assert made.psp_ref is not None
    stripe_server.reverse(made.psp_ref, 1)
    assert adapter.find(TRANSFER, KEY, body).state is OrderState.SETTLED
    stripe_server.reverse(made.psp_ref, 1_233)
    found = adapter.find(TRANSFER, KEY, body)
    assert (found.state, found.reason) == (OrderState.RETURNED, Reason.RETURNED_BY_BANK)


def test_two_orders_under_one_key_are_for_a_person(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    body = transfer(adapter, stripe_server.add_account())
    adapter.send(TRANSFER, KEY, body)
    stripe_server.keys.clear()
    adapter.send(TRANSFER, KEY, body)

    assert adapter.find(TRANSFER, KEY, body).state is OrderState.UNKNOWN


# --- Refunds --------------------------------------------------------------------------------------


def test_a_refund_goes_back_through_its_payment_and_ends_as_stripe_says(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    intent = paid(stripe_server, adapter)
    body = refund(adapter, intent, Money(1_000, "EUR"))
    assert adapter.find(REFUND, KEY, body).state is OrderState.NOT_FOUND

    outcome = adapter.send(REFUND, KEY, body)

    (made,) = stripe_server.all("refund")
    assert outcome == Outcome(OrderState.ACCEPTED, made["id"], money=Money(1_000, "EUR"))
    (seen,) = stripe_server.posts("/v1/refunds")
    assert (seen.key, seen.params["payment_intent"], seen.params["amount"]) == (KEY, intent, "1000")
    stripe_server.end_refund(made["id"], "succeeded")
    assert adapter.find(REFUND, KEY, body).state is OrderState.SETTLED
    stripe_server.end_refund(made["id"], "failed")
    found = adapter.find(REFUND, KEY, body)
    assert (found.state, found.reason) == (OrderState.RETURNED, Reason.RETURNED_BY_BANK)


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_refund_that_was_never_taken_from_our_balance_has_failed(
    stripe_server: StripeServer, adapter: StripePsp, status: str
) -> None:
    body = refund(adapter, paid(stripe_server, adapter))
    adapter.send(REFUND, KEY, body)
    (made,) = stripe_server.all("refund")
    made.update(status=status, balance_transaction=None)

    assert adapter.find(REFUND, KEY, body).state is OrderState.FAILED


def test_a_refund_is_found_among_many_of_its_payment(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    intent = paid(stripe_server, adapter, 50_000)
    keys = [f"koba_{number}" for number in range(105)]
    bodies = [refund(adapter, intent, Money(10, "EUR"), key) for key in keys]
    for body in bodies:
        stripe_server.make_refund(json.loads(body))
    made = stripe_server.all("refund")

    for number in (0, 104):
        found = adapter.find(REFUND, keys[number], bodies[number])
        assert found.psp_ref == made[number]["id"]


def test_more_than_was_paid_is_refused(stripe_server: StripeServer, adapter: StripePsp) -> None:
    intent = paid(stripe_server, adapter)
    outcome = adapter.send(REFUND, KEY, refund(adapter, intent, Money(1_235, "EUR")))
    assert (outcome.state, outcome.reason) == (OrderState.FAILED, Reason.PSP_REFUSED)
    gone = adapter.send(REFUND, "k2", refund(adapter, "pi_of_nobody", key="k2"))
    assert gone.state is OrderState.FAILED
    assert adapter.find(REFUND, "k2", refund(adapter, "pi_x", key="k2")).state is (
        OrderState.NOT_FOUND
    )


# --- Sessions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("money", "amount"),
    [(Money(1_234, "EUR"), "1234"), (Money(5_000, "XOF"), "5000"), (Money(5_120, "KWD"), "5120")],
)
def test_a_session_is_opened_once_and_followed(
    stripe_server: StripeServer, adapter: StripePsp, money: Money, amount: str
) -> None:
    body = session(adapter, money)

    first, again = (adapter.open_funding("kobf_1", body) for _ in range(2))

    assert first == again
    (intent,) = stripe_server.all("payment_intent")
    assert (first.psp_ref, first.client_secret) == (intent["id"], intent["client_secret"])
    assert stripe_server.posts("/v1/payment_intents")[0].params == {
        "amount": amount,
        "currency": money.currency.lower(),
        "automatic_payment_methods": {"enabled": "true"},
        "metadata": {"escrow": "9", "reference": "kobf_1"},
        "transfer_group": "escrow_9",
    }
    for psp_ref in (intent["id"], ""):
        found = adapter.find_funding("kobf_1", psp_ref)
        assert found == FundingFound(OrderState.ACCEPTED, intent["id"], money)
    stripe_server.decline(intent["id"])
    assert adapter.find_funding("kobf_1", intent["id"]).state is OrderState.ACCEPTED
    stripe_server.pay(intent["id"])
    assert adapter.find_funding("kobf_1", intent["id"]) == FundingFound(
        OrderState.SETTLED, intent["id"], money
    )
    intent["status"] = "canceled"
    assert adapter.find_funding("kobf_1", intent["id"]).state is OrderState.FAILED


def test_a_session_that_is_not_there_is_not_found(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    adapter.open_funding("kobf_2", session(adapter, key="kobf_2"))
    (other,) = stripe_server.all("payment_intent")

    assert adapter.find_funding("kobf_1", "") == FundingFound(OrderState.NOT_FOUND)
    assert adapter.find_funding("kobf_1", "pi_of_nobody") == FundingFound(OrderState.NOT_FOUND)
    assert adapter.find_funding("kobf_1", other["id"]) == FundingFound(OrderState.NOT_FOUND)


def test_an_amount_that_stripe_cannot_collect_is_refused_before_anything(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    with pytest.raises(AmountPrecision):
        session(adapter, Money(5_124, "KWD"))
    assert stripe_server.seen == []


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, PspSaysNo), (402, PspSaysNo), (401, PspDown), (429, PspDown), (500, PspDown)],
)
def test_a_session_that_is_not_opened_says_whether_to_try_again(
    stripe_server: StripeServer, adapter: StripePsp, status: int, error: type[Exception]
) -> None:
    stripe_server.misbehave(status, refusal())
    with pytest.raises(error):
        adapter.open_funding("kobf_1", session(adapter))


# --- What goes wrong ------------------------------------------------------------------------------


def refusal(kind: str = "invalid_request_error", **more: str) -> dict[str, Any]:
    """The body of an error of Stripe's."""
    return {"error": {"type": kind, "message": "No.", **more}}


ERRORS = [
    (400, refusal(), OrderState.FAILED, Reason.PSP_REFUSED),
    (402, refusal("card_error", code="card_declined"), OrderState.FAILED, Reason.PSP_REFUSED),
    (404, refusal(code="resource_missing"), OrderState.FAILED, Reason.PSP_REFUSED),
    (422, refusal(), OrderState.FAILED, Reason.PSP_REFUSED),
    (400, refusal(param="destination"), OrderState.FAILED, Reason.DESTINATION_INVALID),
    (400, refusal(code="balance_insufficient"), OrderState.FAILED, Reason.FUNDS_PENDING),
    (400, refusal(code="rate_limit"), OrderState.BUSY, Reason.PSP_BUSY),
    (400, refusal("idempotency_error"), OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN),
    (401, refusal(), OrderState.BLOCKED, Reason.PSP_ACCESS_REFUSED),
    (403, refusal(), OrderState.BLOCKED, Reason.PSP_ACCESS_REFUSED),
    (409, refusal(code="idempotency_key_in_use"), OrderState.BUSY, Reason.PSP_BUSY),
    (429, refusal(code="lock_timeout"), OrderState.BUSY, Reason.PSP_BUSY),
    (500, refusal("api_error"), OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN),
    (502, b"<html>Bad gateway</html>", OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN),
    (503, refusal("api_error"), OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN),
    (0, b"", OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN),
    # Not Stripe's own words, so they settle nothing.
    (400, b"<html>Blocked by the proxy</html>", OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN),
    (404, {"error": "not_found"}, OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN),
    (402, {}, OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN),
]


@pytest.mark.parametrize(("status", "body", "state", "reason"), ERRORS)
def test_every_error_means_what_the_table_says_and_is_asked_for_once(
    stripe_server: StripeServer,
    adapter: StripePsp,
    status: int,
    body: Any,
    state: OrderState,
    reason: Reason,
) -> None:
    text = transfer(adapter, stripe_server.add_account())
    stripe_server.misbehave(status, body)

    outcome = adapter.send(TRANSFER, KEY, text)

    assert (outcome.state, outcome.reason) == (state, reason)
    assert outcome.psp_ref is None
    assert len(stripe_server.seen) == 1, "the library repeats nothing behind our back"


@pytest.mark.parametrize(("status", "body", "state", "reason"), ERRORS)
def test_a_look_up_that_goes_wrong_never_says_that_an_order_failed(
    stripe_server: StripeServer,
    adapter: StripePsp,
    status: int,
    body: Any,
    state: OrderState,
    reason: Reason,
) -> None:
    text = transfer(adapter, stripe_server.add_account())
    stripe_server.misbehave(status, body)

    found = adapter.find(TRANSFER, KEY, text)

    assert found.state is (OrderState.UNKNOWN if state is OrderState.FAILED else state)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b'"transfer"',
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        {},
        {"object": "list", "data": 5},
        {"object": "list", "data": ["tr_1"], "has_more": False},
        {"object": "transfer", "id": "tr_1"},
        {"object": "transfer", "id": "tr_1", "amount": "1234", "currency": "eur"},
        {"object": "transfer", "id": "tr_1", "amount": 12.34, "currency": "eur"},
        {"object": "transfer", "id": "tr_1", "amount": True, "currency": "eur"},
        {"object": "transfer", "id": "tr_1", "amount": -5, "currency": "eur"},
        {"object": "transfer", "id": "tr_1", "amount": 10**30, "currency": "eur"},
        {"object": "transfer", "id": "tr_1", "amount": 5, "currency": "euros"},
        {"object": "transfer", "id": "tr 1", "amount": 5, "currency": "eur"},
        {"object": "transfer", "id": "x" * 129, "amount": 5, "currency": "eur"},
        {"object": "transfer", "id": 7, "amount": 5, "currency": "eur"},
        {"object": {"a": 1}, "id": [], "metadata": "x"},
    ],
)
def test_an_answer_that_is_not_stripes_settles_nothing(
    stripe_server: StripeServer, adapter: StripePsp, body: Any
) -> None:
    text = transfer(adapter, stripe_server.add_account())
    for ask in (adapter.send, adapter.find):
        stripe_server.misbehave(200, body)
        assert ask(TRANSFER, KEY, text).state in {OrderState.UNKNOWN, OrderState.NOT_FOUND}
    stripe_server.misbehave(200, body)
    with pytest.raises(PspDown):
        adapter.open_funding("kobf_1", session(adapter))
    stripe_server.misbehave(200, body)
    assert adapter.find_funding("kobf_1", "pi_1").state in {
        OrderState.UNKNOWN,
        OrderState.NOT_FOUND,
    }


def test_an_amount_that_stripe_answers_is_told_as_it_is(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    text = transfer(adapter, stripe_server.add_account())
    other = {"object": "transfer", "id": "tr_1", "amount": 1, "currency": "usd"}
    stripe_server.misbehave(200, other)
    assert adapter.send(TRANSFER, KEY, text).money == Money(1, "USD")


def test_an_answer_that_was_lost_after_the_work_is_found_and_not_repeated(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    text = transfer(adapter, stripe_server.add_account())
    stripe_server.misbehave(0, is_done=True)

    assert adapter.send(TRANSFER, KEY, text).state is OrderState.UNKNOWN

    (made,) = stripe_server.all("transfer")
    assert adapter.find(TRANSFER, KEY, text).psp_ref == made["id"]
    assert adapter.send(TRANSFER, KEY, text).psp_ref == made["id"]
    assert len(stripe_server.all("transfer")) == 1


def test_a_redirect_is_not_followed(stripe_server: StripeServer, adapter: StripePsp) -> None:
    text = transfer(adapter, stripe_server.add_account())
    stripe_server.misbehave(307, headers={"Location": "/v1/transfers"})

    assert adapter.send(TRANSFER, KEY, text).state is OrderState.UNKNOWN
    assert stripe_server.all("transfer") == []


def test_a_stripe_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        adapter = StripePsp(StripeClient(SECRET_KEY, base_url=url, timeout_s=0.2))
        waiting = threading.Timer(5, silent.close)
        waiting.start()
        outcome = adapter.send(TRANSFER, KEY, transfer(adapter, "acct_1"))
        waiting.cancel()
    assert outcome.state is OrderState.UNKNOWN
    assert adapter.send(TRANSFER, KEY, transfer(adapter, "acct_1")).state is OrderState.UNKNOWN


def test_our_key_appears_in_no_words_of_a_failure(
    stripe_server: StripeServer, adapter: StripePsp, caplog: pytest.LogCaptureFixture
) -> None:
    stripe_server.misbehave(401, refusal())
    with caplog.at_level("DEBUG"):
        outcome = adapter.send(TRANSFER, KEY, transfer(adapter, stripe_server.add_account()))
    assert outcome.state is OrderState.BLOCKED
    assert SECRET_KEY not in outcome.message + caplog.text
    assert "Stripe does not accept our key" in caplog.text


def test_words_of_stripe_can_be_stored(stripe_server: StripeServer, adapter: StripePsp) -> None:
    words = {"error": {"type": "invalid_request_error", "message": "a\x00b\ud800" + "c" * 900}}
    stripe_server.misbehave(400, words)
    outcome = adapter.send(TRANSFER, KEY, transfer(adapter, stripe_server.add_account()))
    assert outcome.message.startswith("400")
    assert len(outcome.message) == 500
    outcome.message.encode()
    assert "\x00" not in outcome.message
