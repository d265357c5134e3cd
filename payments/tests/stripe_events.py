"""Stripe's events, signed by Stripe's own library and brought to our door."""

import json
from typing import Any

import stripe

from kobatela.kernel import clock
from kobatela.rest.tests.client import Answer, Api
from payments.models import PspEvent
from payments.psp.tests.stripe_installation import WEBHOOK_SECRET
from payments.services.events import process_event

DOOR = "/psp/stripe/webhook"


def signature(body: bytes, *, secret: str = WEBHOOK_SECRET, at_s: int | None = None) -> str:
    """The header for a body, made now unless said otherwise."""
    stamp = int(clock.now().timestamp()) if at_s is None else at_s
    header: str = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, stamp)
    return header


def deliver(event: Any, *, header: str | None = None, **how: Any) -> Answer:
    """Send an event as Stripe does. header: instead of the right one; "" for none."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signed = signature(body, **how) if header is None else header
    headers = {"Stripe-Signature": signed} if signed else {}
    return Api().post(DOOR, data=body, content_type="application/json", headers=headers)


def take(event: Any) -> PspEvent:
    """Deliver an event, and let a worker process it."""
    answer = deliver(event)
    assert answer.status == 200, answer.body
    stored = PspEvent.objects.get(provider="stripe", event_id=answer.json["event_id"])
    process_event(event_id=stored.pk)
    stored.refresh_from_db()
    return stored
