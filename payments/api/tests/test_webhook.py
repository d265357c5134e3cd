"""/psp/webhook over HTTP."""

import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from audit.models import Alert
from kobatela.rest.tests.client import Answer, Api
from payments.api.parsers import MAX_BODY_BYTES
from payments.models import PspEvent
from payments.services.events import process_event
from payments.tests.conftest import psp as psp  # noqa: PLC0414 - the fixture, used here too
from payments.tests.factories import make_sent
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db
SECRET = "the-secret-of-the-test"
EVENT = {"id": "evt_1", "type": "payment.settled", "psp_ref": "tr_1"}


@pytest.fixture(autouse=True)
def _one_secret(settings: Any) -> None:
    settings.PSP_WEBHOOK_SECRETS_FILE = ""
    settings.PSP_WEBHOOK_SECRET, settings.PSP_WEBHOOK_SECRET_NEXT = SECRET, ""


def deliver(
    event: Any = EVENT,
    *,
    secret: str = SECRET,
    at: int | None = None,
    headers: dict[str, str] | None = None,
    content_type: str = "application/json",
) -> Answer:
    """Send an event as the PSP does; `headers` replace or, with "", remove."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    stamp = str(int(time.time()) if at is None else at)
    signed = stamp.encode() + b"." + body
    sent = {
        "X-PSP-Timestamp": stamp,
        "X-PSP-Signature": hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest(),
    } | (headers or {})
    return Api().post(
        "/psp/webhook",
        data=body,
        content_type=content_type,
        headers={name: value for name, value in sent.items() if value},
    )


def refused(answer: Answer, status: int, code: str) -> Any:
    """The details of a refusal; nothing was stored."""
    assert (answer.status, answer.code) == (status, code)
    assert not PspEvent.objects.exists()
    return answer.json["error"]["details"]


def test_an_event_is_stored_and_answered_and_has_its_effect_later(psp: StubPsp) -> None:
    payment = make_sent(psp)

    answer = deliver()

    assert (answer.status, answer.json) == (
        200,
        {"ok": True, "event_id": "evt_1", "duplicate": False},
    )
    event = PspEvent.objects.get()
    payment.refresh_from_db()
    assert (event.status, event.secret_id, payment.status) == ("RECEIVED", "primary", "SENT")
    process_event(event_id=event.pk)
    payment.refresh_from_db()
    assert payment.status == "SETTLED"


def test_d36_a_duplicate_is_answered_200(psp: StubPsp) -> None:
    deliver()
    answer = deliver(at=int(time.time()) - 60)
    assert (answer.status, answer.json["duplicate"]) == (200, True)
    assert PspEvent.objects.count() == 1
    assert not Alert.objects.exists()


def test_d35_headers_name_neither_event_nor_payment(psp: StubPsp) -> None:
    answer = deliver(headers={"X-PSP-Event-Id": "evt_2", "X-PSP-Ref": "tr_2"})
    assert answer.json["event_id"] == "evt_1"
    refused_ = deliver({"type": "payment.settled"}, headers={"X-PSP-Event-Id": "evt_3"})
    assert (refused_.status, refused_.code) == (400, "MISSING_EVENT_ID")
    assert [event.event_id for event in PspEvent.objects.all()] == ["evt_1"]


def test_the_next_secret_signs_during_a_rotation(settings: Any) -> None:
    settings.PSP_WEBHOOK_SECRET_NEXT = "its-successor"
    assert deliver(secret="its-successor").status == 200
    assert PspEvent.objects.get().secret_id == "next"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"X-PSP-Timestamp": ""}, 401, "WEBHOOK_SIGNATURE_MISSING"),
        ({"X-PSP-Signature": ""}, 401, "WEBHOOK_SIGNATURE_MISSING"),
        ({"X-PSP-Timestamp": "1.5"}, 401, "WEBHOOK_TIMESTAMP_INVALID"),
        ({"X-PSP-Timestamp": "9" * 13}, 401, "WEBHOOK_TIMESTAMP_INVALID"),
        ({"X-PSP-Timestamp": "0"}, 401, "WEBHOOK_TIMESTAMP_DRIFT"),
        ({"X-PSP-Timestamp": "9" * 12}, 401, "WEBHOOK_TIMESTAMP_DRIFT"),
        ({"X-PSP-Signature": "0" * 64}, 401, "WEBHOOK_SIGNATURE_INVALID"),
        ({"X-PSP-Signature": "é"}, 401, "WEBHOOK_SIGNATURE_INVALID"),
    ],
)
def test_every_refusal_has_its_code(headers: dict[str, str], status: int, code: str) -> None:
    refused(deliver(headers=headers), status, code)


@pytest.mark.parametrize(("seconds", "status"), [(-299, 200), (299, 200), (-310, 401), (310, 401)])
def test_the_drift_is_300_seconds_both_ways(seconds: int, status: int) -> None:
    answer = deliver(at=int(time.time()) + seconds)
    assert answer.status == status
    if status == 401:
        details = answer.json["error"]["details"]
        assert details["max_drift_seconds"] == 300
        assert abs(details["age_seconds"] + seconds) <= 5


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"id": NaN}', b"[" * 50_000])
def test_d33_a_signed_body_that_is_no_event_is_400(body: bytes) -> None:
    refused(deliver(body), 400, "WEBHOOK_BODY_INVALID")


def test_without_a_secret_nothing_is_taken(settings: Any) -> None:
    settings.PSP_WEBHOOK_SECRET = ""
    refused(deliver(), 503, "WEBHOOK_SECRET_NOT_CONFIGURED")


def test_the_largest_body_is_read_and_one_byte_more_is_not() -> None:
    padding = MAX_BODY_BYTES - len(json.dumps({**EVENT, "x": ""}))
    assert deliver({**EVENT, "x": "a" * padding}).status == 200
    answer = deliver({**EVENT, "id": "evt_2", "x": "a" * (padding + 1)})
    assert (answer.status, answer.code) == (413, "WEBHOOK_BODY_TOO_LARGE")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "", "application/x-www-form-urlencoded", "a/b; c"]
)
def test_the_signature_counts_not_the_content_type(content_type: str) -> None:
    assert deliver(content_type=content_type).status == 200


def test_a_key_that_comes_along_is_not_looked_at() -> None:
    assert deliver(headers={"Authorization": "Bearer nonsense"}).status == 200


def test_only_post_is_taken() -> None:
    answer = Api().get("/psp/webhook")
    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
