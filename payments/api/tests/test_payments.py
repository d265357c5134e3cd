"""/payments over HTTP."""

from typing import Any

import pytest

from kobatela.accounts.tests.factories import make_key, make_user
from kobatela.rest.tests.client import Api
from payments.models import Payment
from payments.psp.base import OrderState, Outcome, Reason
from payments.services.sending import send_payment
from payments.tests.books import assert_in_order
from payments.tests.conftest import psp as psp  # noqa: PLC0414 - the fixture, used here too
from payments.tests.factories import (
    funded_escrow,
    make_failed,
    make_payout,
    make_refund,
    make_sent,
    make_settled,
)
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db


def key_of(user: Any, scope: str = "sender", **overrides: Any) -> Api:
    """The API with a key of this user."""
    _, secret = make_key(scope, user=user, **overrides)
    return Api(secret)


def support() -> Api:
    """The API with an unbound support key."""
    _, secret = make_key("support")
    return Api(secret)


def test_a_payment_is_shown_as_clients_rely_on(psp: StubPsp) -> None:
    payment = make_settled(psp, make_payout(funded_escrow(5_000, "XOF"), 5_000))

    answer = key_of(payment.payer).get(f"/payments/{payment.pk}")

    assert answer.status == 200
    shown = answer.json
    times = [shown.pop(name) for name in ("created_at", "updated_at", "sent_at", "settled_at")]
    assert all(time.endswith(("Z", "+00:00")) for time in times)
    assert shown == {
        "id": payment.pk,
        "escrow_id": payment.escrow_id,
        "milestone_id": None,
        "amount": "5000",
        "currency": "XOF",
        "payer_id": payment.payer_id,
        "payee_id": payment.payee_id,
        "collector_id": None,
        "kind": "payout",
        "method": "psp",
        "psp": "fake",
        "psp_ref": "tr_1",
        "status": "SETTLED",
        "attempt": 1,
        "idempotency_key": payment.business_key,
        "reason": None,
    }


def test_everybody_sees_their_own_payments_and_staff_all(psp: StubPsp) -> None:
    collector = make_user()
    payout, refund = make_payout(), make_refund(f"collector:{collector.pk}")
    managed = make_user(managed_by=collector)

    def seen(api: Api) -> list[int]:
        return [item["id"] for item in api.get("/payments").json["items"]]

    assert seen(key_of(payout.payer)) == [payout.pk]
    assert seen(key_of(payout.payee, "provider")) == [payout.pk]
    assert seen(key_of(refund.payee)) == [refund.pk]
    assert seen(key_of(collector)) == [refund.pk]
    assert seen(key_of(managed)) == []
    assert seen(key_of(make_user())) == []
    assert seen(support()) == [refund.pk, payout.pk]


def test_a_foreign_payment_is_not_there(psp: StubPsp) -> None:
    payment = make_failed(psp)
    stranger = key_of(make_user())

    missing = stranger.get(f"/payments/{payment.pk + 1000}")
    for method, path in [
        ("GET", f"/payments/{payment.pk}"),
        ("POST", f"/payments/execute/{payment.pk}"),
        ("POST", f"/payments/{payment.pk}/confirm"),
    ]:
        answer = stranger.send(method, path)
        assert (answer.status, answer.code) == (404, "PAYMENT_NOT_FOUND")
        assert answer.json["error"]["message"] == missing.json["error"]["message"]
    payment.refresh_from_db()
    assert payment.status == "ERROR"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("status=SENT", 1),
        ("status=PENDING", 1),
        ("kind=refund", 1),
        ("kind=payout", 1),
        ("method=external", 0),
        ("currency=EUR", 2),
        ("currency=XOF", 0),
        ("q=tr_1", 1),
        ("q=tr_", 0),
        ("status=SENT&kind=refund", 0),
    ],
)
def test_payments_are_filtered(psp: StubPsp, query: str, count: int) -> None:
    make_sent(psp), make_refund()
    assert len(support().get(f"/payments?{query}").json["items"]) == count


def test_payments_of_one_escrow(psp: StubPsp) -> None:
    payment, other = make_payout(), make_payout()
    api = support()
    items = api.get(f"/payments?escrow_id={payment.escrow_id}").json["items"]
    assert [item["id"] for item in items] == [payment.pk]
    by_key = api.get(f"/payments?q={other.business_key}").json["items"]
    assert [item["id"] for item in by_key] == [other.pk]


@pytest.mark.parametrize("query", ["state=SENT", "status=sent", "escrow_id=x", "limit=101"])
def test_a_filter_that_does_not_exist_is_refused(psp: StubPsp, query: str) -> None:
    assert support().get(f"/payments?{query}").status == 422


def test_executing_answers_the_committed_row(psp: StubPsp) -> None:
    payment = make_failed(psp)

    answer = key_of(payment.payer).post(f"/payments/execute/{payment.pk}")

    assert answer.status == 200
    assert (answer.json["status"], answer.json["attempt"]) == ("PENDING", 2)
    assert len(psp.sent) == 1
    assert_in_order()


def test_a_provider_may_not_execute(psp: StubPsp) -> None:
    payment = make_payout()
    answer = key_of(payment.payee, "provider").post(f"/payments/execute/{payment.pk}")
    assert (answer.status, answer.code) == (403, "INSUFFICIENT_SCOPE")


def test_executing_can_be_simulated(psp: StubPsp) -> None:
    payment = make_failed(psp)

    answer = key_of(payment.payer).post(f"/payments/execute/{payment.pk}?simulate=true")

    assert answer.json == {
        "simulated": True,
        "allowed": True,
        "refusal": None,
        "postings": [],
        "states": [{"subject": f"payment:{payment.pk}", "from": "ERROR", "to": "PENDING"}],
    }
    payment.refresh_from_db()
    assert (payment.status, payment.attempt) == ("ERROR", 1)


def test_a_payment_on_hold_says_so_in_its_own_code(psp: StubPsp) -> None:
    payment = make_payout()
    Payment.objects.filter(pk=payment.pk).update(hold_reason="staff", reason="ON_HOLD")
    api = key_of(payment.payer)

    answer = api.post(f"/payments/execute/{payment.pk}")

    assert (answer.status, answer.code) == (409, "PAYMENT_ON_HOLD")
    assert api.get(f"/payments/{payment.pk}").json["reason"] == "ON_HOLD"


def test_d25_a_failure_has_its_own_reason_and_never_the_psps_words(psp: StubPsp) -> None:
    psp.next_answers = [
        Outcome(OrderState.FAILED, reason=Reason.PSP_BALANCE_SHORT, message="acct_9: call Bob")
    ]
    payment = make_payout()
    send_payment(payment_id=payment.pk)

    for api in (key_of(payment.payer), key_of(payment.payee, "provider"), support()):
        answer = api.get(f"/payments/{payment.pk}")
        assert answer.json["reason"] == "PSP_BALANCE_SHORT"
        assert b"Bob" not in answer.body


def test_the_collector_confirms_with_a_key_that_may(psp: StubPsp) -> None:
    collector = make_user()
    payment = make_refund(f"collector:{collector.pk}")
    path = f"/payments/{payment.pk}/confirm"

    refused = key_of(collector).post(path)
    answer = key_of(collector, may_confirm_deposits=True).post(path)

    assert (refused.status, refused.code) == (403, "CONFIRMATION_FORBIDDEN")
    assert (answer.status, answer.json["status"]) == (200, "SETTLED")
    assert_in_order()


def test_support_and_admin_confirm(psp: StubPsp) -> None:
    first, second = make_refund("psp:manual"), make_refund("psp:manual")
    _, admin = make_key("admin")

    assert support().post(f"/payments/{first.pk}/confirm").json["status"] == "SETTLED"
    assert Api(admin).post(f"/payments/{second.pk}/confirm").json["status"] == "SETTLED"


def test_a_psp_payment_is_not_confirmed(psp: StubPsp) -> None:
    payment = make_sent(psp)
    answer = support().post(f"/payments/{payment.pk}/confirm")
    assert (answer.status, answer.code) == (409, "PAYMENT_NOT_EXTERNAL")
