"""/psp/stripe/webhook over HTTP."""

import json
from typing import Any

import pytest
from pytest_django import Settings

from audit.models import Alert, AuditEntry
from conftest import Doorbells
from kobatela.accounts.services.users import set_stripe_account
from kobatela.accounts.tests.factories import ROOT, make_user
from kobatela.kernel import clock
from kobatela.rest.tests.client import Api
from payments.api.parsers import MAX_BODY_BYTES
from payments.models import Chargeback, PspEvent
from payments.psp.tests.stripe_installation import WEBHOOK_SECRET
from payments.psp.tests.stripe_installation import stripe_server as stripe_server  # noqa: PLC0414
from payments.psp.tests.stripe_server import StripeServer
from payments.tests.stripe_events import DOOR, deliver, signature, take
from payments.webhooks.verify import sign

pytestmark = pytest.mark.django_db
EVENT = {"id": "evt_1", "object": "event", "type": "balance.available", "livemode": False,
         "pending_webhooks": 2, "data": {"object": {}}}  # fmt: skip


def refused(answer: Any, status: int, code: str) -> Any:
    """The details of a refusal; nothing was stored."""
    assert (answer.status, answer.code) == (status, code)
    assert not PspEvent.objects.exists()
    return answer.json["error"]["details"]


def test_a_genuine_event_is_stored_as_it_came_and_answered_at_once(
    stripe_server: StripeServer, doorbells: Doorbells, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = deliver(EVENT)

    assert (answer.status, answer.json) == (
        200,
        {"ok": True, "event_id": "evt_1", "duplicate": False},
    )
    event = PspEvent.objects.get()
    assert (event.provider, event.type, event.secret_id) == (
        "stripe",
        "balance.available",
        "primary",
    )
    assert bytes(event.body) == json.dumps(EVENT).encode()
    assert doorbells.for_task("payments.tasks.process_psp_event") == [(str(event.pk),)]
    assert stripe_server.seen == []


def test_d37_a_repeat_is_a_200_without_effect_also_when_stripes_counter_moved(
    stripe_server: StripeServer,
) -> None:
    deliver(EVENT)
    again, counted = deliver(EVENT), deliver(EVENT | {"pending_webhooks": 1})

    for answer in (again, counted):
        assert (answer.status, answer.json["duplicate"]) == (200, True)
    assert PspEvent.objects.count() == 1
    assert not Alert.objects.exists()


def test_the_same_id_with_another_meaning_alerts(stripe_server: StripeServer) -> None:
    deliver(EVENT)
    assert deliver(EVENT | {"type": "balance.gone"}).json["duplicate"] is True
    assert Alert.objects.get().type == "PSP_EVENT_CONTRADICTS"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "WEBHOOK_SIGNATURE_MISSING"),
        ("t=1", "WEBHOOK_SIGNATURE_MISSING"),
        ("v1=00", "WEBHOOK_TIMESTAMP_INVALID"),
        ("t=x,v1=00", "WEBHOOK_TIMESTAMP_INVALID"),
        ("t={now},t={now},v1=00", "WEBHOOK_TIMESTAMP_INVALID"),
        ("t={now},v1=00", "WEBHOOK_SIGNATURE_INVALID"),
        ("t={now},v1=" + "0" * 64, "WEBHOOK_SIGNATURE_INVALID"),
        ("t={now},v1=\u00e9", "WEBHOOK_SIGNATURE_INVALID"),
    ],
)
def test_what_is_not_stripes_is_a_401(stripe_server: StripeServer, header: str, code: str) -> None:
    now = str(int(clock.now().timestamp()))
    refused(deliver(EVENT, header=header.replace("{now}", now)), 401, code)


@pytest.mark.parametrize("seconds", [-302, 302, 31_536_000])
def test_drift_is_refused_both_ways_with_its_size(
    stripe_server: StripeServer, seconds: int
) -> None:
    now_s = int(clock.now().timestamp())
    details = refused(deliver(EVENT, at_s=now_s + seconds), 401, "WEBHOOK_TIMESTAMP_DRIFT")
    assert abs(details["age_seconds"] + seconds) <= 2
    assert details["max_drift_seconds"] == 300


def test_the_secret_of_one_door_opens_no_other(
    stripe_server: StripeServer, settings: Settings
) -> None:
    settings.PSP_WEBHOOK_SECRETS_FILE = ""
    settings.PSP_WEBHOOK_SECRET = "the-other-psp"
    refused(deliver(EVENT, secret="the-other-psp"), 401, "WEBHOOK_SIGNATURE_INVALID")

    body, stamp = json.dumps(EVENT).encode(), str(int(clock.now().timestamp()))
    signed = sign(WEBHOOK_SECRET.encode(), stamp.encode(), body).decode()
    headers = {"X-PSP-Timestamp": stamp, "X-PSP-Signature": signed}
    other = Api().post("/psp/webhook", data=body, headers=headers)
    refused(other, 401, "WEBHOOK_SIGNATURE_INVALID")


def test_d37_secrets_are_changed_without_a_restart(
    stripe_server: StripeServer, settings: Settings, tmp_path: Any
) -> None:
    path = tmp_path / "secrets.json"
    settings.STRIPE_WEBHOOK_SECRETS_FILE = str(path)
    path.write_text(
        json.dumps([{"id": "platform", "secret": "a"}, {"id": "connect", "secret": "b"}])
    )
    for number, secret in enumerate("ab"):
        assert deliver(EVENT | {"id": f"evt_{number}"}, secret=secret).status == 200
    assert set(PspEvent.objects.values_list("secret_id", flat=True)) == {"platform", "connect"}

    path.write_text(json.dumps([{"id": "platform", "secret": "a", "not_after": "2020-01-01T00:00Z"},
                                {"id": "later", "secret": "c"}]))  # fmt: skip
    assert deliver(EVENT | {"id": "evt_7"}, secret="a").code == "WEBHOOK_SIGNATURE_INVALID"
    assert deliver(EVENT | {"id": "evt_7"}, secret="c").status == 200
    path.write_text("not JSON")
    assert deliver(EVENT, secret="c").code == "WEBHOOK_SECRET_NOT_CONFIGURED"


def test_without_a_secret_or_where_stripe_is_off_nothing_is_taken(
    stripe_server: StripeServer, settings: Settings
) -> None:
    settings.STRIPE_WEBHOOK_SECRET = ""
    refused(deliver(EVENT), 503, "WEBHOOK_SECRET_NOT_CONFIGURED")
    settings.STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    settings.STRIPE_ENABLED = False
    refused(deliver(EVENT), 503, "STRIPE_DISABLED")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "WEBHOOK_BODY_INVALID"),
        (b"[]", 400, "WEBHOOK_BODY_INVALID"),
        (b'{"id": "evt_1", "id": "evt_2"}', 400, "WEBHOOK_BODY_INVALID"),
        (b'{"type": "transfer.created"}', 400, "MISSING_EVENT_ID"),
        (b'{"id": "evt 1"}', 400, "WEBHOOK_BODY_INVALID"),
        (b'{"id": "evt_1", "type": "<script>"}', 400, "WEBHOOK_BODY_INVALID"),
        (b"x" * (MAX_BODY_BYTES + 1), 413, "PAYLOAD_TOO_LARGE"),
    ],
)
def test_a_genuine_body_that_is_no_event_is_refused(
    stripe_server: StripeServer, body: bytes, status: int, code: str
) -> None:
    answer = deliver(body)
    assert answer.status == status
    assert code in {answer.code, "PAYLOAD_TOO_LARGE"}
    assert not PspEvent.objects.exists()


def test_a_body_that_is_no_text_is_no_500(stripe_server: StripeServer) -> None:
    stamp = str(int(clock.now().timestamp()))
    body = b"\xff\xfe\x00"
    signed = sign(WEBHOOK_SECRET.encode(), stamp.encode(), body).decode()
    refused(deliver(body, header=f"t={stamp},v1={signed}"), 400, "WEBHOOK_BODY_INVALID")


def test_an_event_that_cannot_be_read_is_stored_and_shown_to_staff(
    stripe_server: StripeServer,
) -> None:
    event = take(EVENT | {"type": "transfer.created", "data": {"object": {"id": "tr_1"}}})
    assert (event.status, event.reason) == ("FAILED", "BODY_UNREADABLE")
    assert Alert.objects.get().type == "PSP_EVENT_UNMATCHED"


def test_play_money_has_no_effect_where_money_is_real(
    stripe_server: StripeServer, settings: Settings
) -> None:
    assert take(EVENT | {"livemode": True, "type": "payment_intent.succeeded"}).reason == (
        "OTHER_MODE"
    )
    settings.KOBATELA_ENV = "production"
    event = take(EVENT | {"id": "evt_2", "type": "payment_intent.succeeded"})
    assert (event.status, event.reason) == ("IGNORED", "OTHER_MODE")


@pytest.mark.parametrize("kind", ["charge.dispute.created", "charge.dispute.closed"])
def test_a_dispute_of_a_charge_that_is_not_known_waits(
    stripe_server: StripeServer, kind: str
) -> None:
    dispute = {"id": "du_1", "amount": 100, "currency": "eur", "charge": "ch_1", "status": "lost"}
    event = take(EVENT | {"type": kind, "data": {"object": dispute}})
    assert (event.status, event.reason) == ("WAITING", "UNKNOWN_OBJECT")


def test_an_inquiry_takes_no_money_and_is_told_to_staff(stripe_server: StripeServer) -> None:
    dispute = {"id": "du_1", "amount": 100, "currency": "eur", "charge": "ch_1",
               "status": "warning_needs_response"}  # fmt: skip
    event = take(EVENT | {"type": "charge.dispute.created", "data": {"object": dispute}})
    assert event.status == "PROCESSED"
    assert Alert.objects.get().type == "CHARGEBACK_OPENED"
    assert not Chargeback.objects.exists()


def test_a_bank_that_refuses_a_payees_money_is_told_to_staff_and_changes_no_payment(
    stripe_server: StripeServer,
) -> None:
    user = set_stripe_account(caller=ROOT, user_id=make_user().pk, account_id="acct_of_the_payee")
    payout = {"id": "po_1", "object": "payout", "amount": 500, "currency": "eur"}
    event = EVENT | {"type": "payout.failed", "account": "acct_of_the_payee"}

    taken = take(event | {"data": {"object": payout}})

    alert = Alert.objects.get()
    assert taken.status == "PROCESSED"
    assert (alert.type, alert.subject) == ("PAYOUT_FAILED", f"user:{user.pk}")
    assert (alert.payload["amount"], alert.payload["currency"]) == ("5.00", "EUR")
    assert not AuditEntry.objects.filter(action__startswith="payment.").exists()
    unknown = take(event | {"id": "evt_2", "account": "acct_x", "data": {"object": payout}})
    assert unknown.status == "PROCESSED"
    assert Alert.objects.filter(subject="psp:stripe").count() == 1
    paid = take(event | {"id": "evt_3", "type": "payout.paid", "data": {"object": payout}})
    assert paid.status == "IGNORED"


def test_the_door_takes_posts_only(stripe_server: StripeServer) -> None:
    assert Api().get(DOOR).status == 405
    assert signature(b"{}").startswith("t=")
