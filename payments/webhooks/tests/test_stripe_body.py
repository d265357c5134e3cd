"""What Stripe's events mean here."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kobatela.kernel.money import Money
from payments.errors import MissingEventId, WebhookBodyInvalid
from payments.webhooks.body import Report, read_report
from payments.webhooks.readers import say_the_same
from payments.webhooks.stripe_body import read_stripe_report

INTENT = {"id": "pi_1", "object": "payment_intent", "amount": 1_234, "amount_received": 1_234,
          "currency": "eur", "status": "succeeded",
          "metadata": {"reference": "kobf_1", "escrow": "9"}}  # fmt: skip
TRANSFER = {"id": "tr_1", "object": "transfer", "amount": 5_000, "currency": "xof",
            "amount_reversed": 0, "reversed": False,
            "metadata": {"reference": "koba_1", "payment": "7"}}  # fmt: skip
REFUND = {"id": "re_1", "object": "refund", "amount": 5_120, "currency": "kwd",
          "status": "succeeded", "balance_transaction": "txn_1", "payment_intent": "pi_1",
          "metadata": {"reference": "koba_2"}}  # fmt: skip
DISPUTE = {"id": "du_1", "object": "dispute", "amount": 1_234, "currency": "eur",
           "charge": "ch_1", "payment_intent": "pi_1", "status": "needs_response"}  # fmt: skip
PAYOUT = {"id": "po_1", "object": "payout", "amount": 500, "currency": "ugx", "status": "failed"}


def event(kind: str, told: Any, **fields: Any) -> bytes:
    """The body of an event."""
    whole = {"id": "evt_1", "object": "event", "type": kind, "livemode": False,
             "data": {"object": told}, "pending_webhooks": 1, **fields}  # fmt: skip
    return json.dumps(whole).encode()


def read(kind: str, told: Any, **fields: Any) -> Report:
    """What it means where money is play."""
    return read_stripe_report(event(kind, told, **fields), is_live=False)


@pytest.mark.parametrize(
    ("kind", "told", "effect", "names", "money"),
    [
        ("payment_intent.succeeded", INTENT, "funding.succeeded", {"pi_1", "kobf_1"},
         Money(1_234, "EUR")),
        ("payment_intent.succeeded", {**INTENT, "amount_received": 1_000}, "funding.succeeded",
         {"pi_1", "kobf_1"}, Money(1_000, "EUR")),
        ("payment_intent.payment_failed", INTENT, "funding.failed", {"pi_1", "kobf_1"}, None),
        ("payment_intent.canceled", INTENT, "funding.failed", {"pi_1", "kobf_1"}, None),
        ("transfer.created", TRANSFER, "payment.settled", {"tr_1", "koba_1"}, Money(5_000, "XOF")),
        ("transfer.created", {**TRANSFER, "reversed": True}, "payment.returned",
         {"tr_1", "koba_1"}, Money(5_000, "XOF")),
        ("transfer.reversed", {**TRANSFER, "reversed": True, "amount_reversed": 5_000},
         "payment.returned", {"tr_1", "koba_1"}, Money(5_000, "XOF")),
        ("transfer.failed", TRANSFER, "payment.failed", {"tr_1", "koba_1"}, Money(5_000, "XOF")),
        ("refund.created", {**REFUND, "status": "pending"}, "", {"re_1", "koba_2"},
         Money(5_120, "KWD")),
        ("refund.updated", REFUND, "payment.settled", {"re_1", "koba_2"}, Money(5_120, "KWD")),
        ("charge.refund.updated", REFUND, "payment.settled", {"re_1", "koba_2"},
         Money(5_120, "KWD")),
        ("refund.failed", {**REFUND, "status": "failed"}, "payment.returned", {"re_1", "koba_2"},
         Money(5_120, "KWD")),
        ("refund.failed", {**REFUND, "status": "failed", "balance_transaction": None},
         "payment.failed", {"re_1", "koba_2"}, Money(5_120, "KWD")),
        ("refund.updated", {**REFUND, "status": "canceled", "balance_transaction": None},
         "payment.failed", {"re_1", "koba_2"}, Money(5_120, "KWD")),
        ("charge.dispute.created", DISPUTE, "chargeback.opened", {"ch_1", "pi_1"},
         Money(1_234, "EUR")),
        ("charge.dispute.closed", {**DISPUTE, "status": "won"}, "chargeback.won",
         {"ch_1", "pi_1"}, Money(1_234, "EUR")),
        ("charge.dispute.closed", {**DISPUTE, "status": "lost"}, "chargeback.lost",
         {"ch_1", "pi_1"}, Money(1_234, "EUR")),
        ("charge.dispute.created", {**DISPUTE, "status": "warning_needs_response"},
         "chargeback.inquiry", {"ch_1", "pi_1"}, Money(1_234, "EUR")),
        ("charge.dispute.funds_withdrawn", {**DISPUTE, "status": "warning_needs_response"},
         "chargeback.opened", {"ch_1", "pi_1"}, Money(1_234, "EUR")),
        ("charge.dispute.closed", {**DISPUTE, "status": "warning_closed"}, "",
         {"ch_1", "pi_1"}, Money(1_234, "EUR")),
    ],
)  # fmt: skip
def test_an_event_means_what_other_psps_say(
    kind: str, told: Any, effect: str, names: set[str], money: Money | None
) -> None:
    report = read(kind, told)

    assert (report.provider, report.event_id, report.type) == ("stripe", "evt_1", kind)
    assert (report.effect, set(report.references)) == (effect, names)
    assert report.psp_ref == told["id"]
    assert report.money("EUR") == money


@pytest.mark.parametrize(
    ("entries", "currency", "fee"),
    [
        ([{"fee": 1_500, "currency": "eur"}], "eur", Money(1_500, "EUR")),
        ([{"fee": 1_500, "currency": "eur"}, {"fee": -1_500, "currency": "eur"}], "eur", None),
        ([{"fee": 1_500, "currency": "eur"}, {"fee": 0, "currency": "eur"}], "eur",
         Money(1_500, "EUR")),
        ([{"fee": 9_000, "currency": "xof"}], "xof", Money(9_000, "XOF")),
        ([{"fee": 1_230, "currency": "kwd"}], "kwd", Money(1_230, "KWD")),
        # The account settles in another currency than the charge's: no fee of ours.
        ([{"fee": 1_500, "currency": "usd"}], "eur", None),
        ([{"fee": "1500", "currency": "eur"}], "eur", None),
        ([7], "eur", None),
        ({"fee": 5}, "eur", None),
    ],
)  # fmt: skip
def test_a_dispute_tells_what_it_cost(entries: Any, currency: str, fee: Money | None) -> None:
    told = {**DISPUTE, "currency": currency, "balance_transactions": entries}
    report = read("charge.dispute.created", told)
    assert report.fee_money("EUR") == fee


def test_a_payout_of_a_connected_account_names_the_account() -> None:
    report = read("payout.failed", {**PAYOUT, "amount": 50_000}, account="acct_1")
    assert (report.effect, report.account) == ("payee_payout.failed", "acct_1")
    assert report.money("EUR") == Money(500, "UGX")


@pytest.mark.parametrize(
    "kind", ["payout.paid", "payment_intent.created", "transfer.updated", "balance.available", "x"]
)
def test_other_types_have_no_effect(kind: str) -> None:
    report = read(kind, TRANSFER)
    assert (report.type, report.effect, report.note) == (kind, "", "")


@pytest.mark.parametrize(("livemode", "is_live"), [(True, False), (False, True), ("true", True)])
def test_money_of_the_other_mode_has_no_effect(livemode: Any, is_live: bool) -> None:  # noqa: FBT001
    body = event("payment_intent.succeeded", INTENT, livemode=livemode)
    report = read_stripe_report(body, is_live=is_live)
    assert (report.effect, report.note) == ("", "OTHER_MODE")


def test_a_transfer_that_came_back_in_part_is_for_a_person() -> None:
    report = read("transfer.reversed", {**TRANSFER, "amount_reversed": 1})
    assert (report.effect, report.note) == ("unreadable", "PARTLY_REVERSED")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("payment_intent.succeeded", {**INTENT, "amount_received": 0}),
        ("payment_intent.succeeded", {**INTENT, "amount_received": "1234"}),
        ("payment_intent.succeeded", {**INTENT, "amount_received": 12.5}),
        ("payment_intent.succeeded", {**INTENT, "currency": "€"}),
        ("payment_intent.succeeded", {**INTENT, "id": None}),
        ("payment_intent.canceled", {**INTENT, "id": "pi 1"}),
        ("transfer.created", {**TRANSFER, "amount": -1}),
        ("transfer.created", []),
        ("transfer.created", None),
        ("refund.updated", {**REFUND, "status": "lost"}),
        ("payout.failed", {**PAYOUT, "amount": 550}),
        ("charge.dispute.created", {"id": "du_1", "amount": 1, "currency": "eur"}),
        ("charge.dispute.created", {**DISPUTE, "amount": None}),
    ],
)
def test_an_object_that_cannot_be_read_is_kept_for_staff(kind: str, told: Any) -> None:
    report = read(kind, told)
    assert (report.effect, report.note) == ("unreadable", "BODY_UNREADABLE")
    assert report.event_id == "evt_1"


@pytest.mark.parametrize("data", [None, 5, [], {}])
def test_an_event_without_an_object_is_kept_for_staff(data: Any) -> None:
    assert read("transfer.created", None, data=data).effect == "unreadable"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"id":1,"id":2}', b'{"id":NaN}'])
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookBodyInvalid):
        read_stripe_report(body, is_live=False)


def test_an_event_without_an_id_is_refused() -> None:
    with pytest.raises(MissingEventId):
        read_stripe_report(b'{"type":"transfer.created"}', is_live=False)


def test_nobody_else_speaks_in_stripes_name() -> None:
    with pytest.raises(WebhookBodyInvalid):
        read_report(b'{"id":"evt_1","type":"payment.settled","provider":"stripe"}')


def test_stripes_own_counter_makes_no_other_event() -> None:
    first = event("transfer.created", TRANSFER)
    repeat = event("transfer.created", TRANSFER, pending_webhooks=3)
    other = event("transfer.created", {**TRANSFER, "amount": 5_001})
    assert say_the_same("stripe", first, repeat)
    assert not say_the_same("stripe", first, other)
    assert not say_the_same("default", b'{"id":"1","a":1}', b'{"id":"1","a":2}')


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    kind=st.sampled_from(["payment_intent.succeeded", "transfer.created", "transfer.reversed",
                          "refund.updated", "charge.dispute.closed", "payout.failed"]),
    base=st.sampled_from([INTENT, TRANSFER, REFUND, DISPUTE, PAYOUT]),
    changes=st.dictionaries(st.sampled_from(["id", "amount", "currency", "status", "metadata",
                                             "amount_received", "reversed", "charge",
                                             "balance_transactions"]), _JSON),
    account=_JSON,
)  # fmt: skip
def test_whatever_an_object_holds_reading_it_never_raises(
    kind: str, base: dict[str, Any], changes: dict[str, Any], account: Any
) -> None:
    try:
        report = read(kind, {**base, **changes}, account=account)
    except WebhookBodyInvalid:
        return
    if report.effect not in {"", "unreadable"}:
        assert report.references
        report.money("EUR")
        report.fee_money("EUR")
