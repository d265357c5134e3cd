"""Payments in any state, made through the services."""

import json
from itertools import count
from typing import Any

from django.db import transaction
from django.db.models import F

from escrow.models import Escrow
from escrow.tests.factories import as_client, make_escrow
from kobatela.kernel.money import Money
from payments.models import Attempt, Funding, Payment, PspEvent
from payments.psp.base import OrderState, Outcome, Reason
from payments.services.events import Stored, process_event, store_event
from payments.services.fundings import open_session
from payments.services.outcomes import record_outcome
from payments.services.payouts import request_payout
from payments.services.refunds import RefundShare, request_refund
from payments.services.sending import send_payment
from payments.tests.stub_psp import StubPsp

_numbers = count(1)


def funded_escrow(amount_minor: int = 10_000, currency: str = "EUR", **overrides: Any) -> Escrow:
    """An escrow that holds so much."""
    return make_escrow(amount_total_minor=amount_minor, currency=currency, **overrides)


def charge(escrow: Escrow, amount_minor: int) -> Funding:
    """Let the client pay so much through a session at the PSP; the charge."""
    funding = open_session(
        caller=as_client(escrow),
        escrow_id=escrow.pk,
        payer_id=escrow.client_id,
        money=Money(amount_minor, escrow.currency),
    )
    take_event("funding.succeeded", psp_ref=funding.psp_ref)
    funding.refresh_from_db()
    escrow.refresh_from_db()
    assert funding.status == "SUCCEEDED"
    return funding


def charged_escrow(amount_minor: int = 10_000, **overrides: Any) -> tuple[Escrow, Funding]:
    """An escrow that one charge has funded, and that charge."""
    escrow = make_escrow("DRAFT", amount_total_minor=amount_minor, **overrides)
    return escrow, charge(escrow, amount_minor)


def make_payout(
    escrow: Escrow | None = None, amount_minor: int = 10_000, fee_minor: int = 0
) -> Payment:
    """A payout that waits to be sent; its milestone is none."""
    escrow = escrow or funded_escrow(amount_minor)
    with transaction.atomic():
        payment = request_payout(
            escrow_id=escrow.pk,
            milestone_id=None,
            payer_id=escrow.client_id,
            payee_id=escrow.provider_id,
            money=Money(amount_minor, escrow.currency),
            fee_minor=fee_minor,
            business_key=f"test:{next(_numbers)}:release",
            actor="system:tests",
        )
        # What the escrow's own services do; these tests work below them.
        count_in(escrow, released_minor=F("released_minor") + amount_minor)
    return payment


def make_refund(source: str = "psp:fake", amount_minor: int = 10_000, **overrides: Any) -> Payment:
    """A refund of all that an escrow holds, back to one source."""
    escrow = funded_escrow(amount_minor, **overrides)
    charge = "charge_7" if source == "psp:fake" else None
    with transaction.atomic():
        (payment,) = request_refund(
            escrow_id=escrow.pk,
            client_id=escrow.client_id,
            shares=[RefundShare(Money(amount_minor, escrow.currency), source, charge)],
            business_key=f"test:{next(_numbers)}:refund",
            actor="system:tests",
        )
        count_in(escrow, refunded_minor=F("refunded_minor") + amount_minor)
    return payment


def count_in(escrow: Escrow, **totals: Any) -> None:
    """Bring the totals of an escrow to what was done past its services."""
    Escrow.objects.filter(pk=escrow.pk).update(**totals)


def make_sent(psp: StubPsp, payment: Payment | None = None) -> Payment:
    """A payment that the PSP has accepted."""
    payment = payment or make_payout()
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    assert payment.status == "SENT"
    return payment


def make_settled(psp: StubPsp, payment: Payment | None = None) -> Payment:
    """A payment that arrived."""
    return report(make_sent(psp, payment), OrderState.SETTLED)


def make_failed(psp: StubPsp, payment: Payment | None = None) -> Payment:
    """A payment that definitely failed."""
    return report(make_sent(psp, payment), OrderState.FAILED)


def report(payment: Payment, state: OrderState, **values: Any) -> Payment:
    """Let the PSP say something of the payment's current attempt."""
    attempt = Attempt.objects.get(payment=payment, number=payment.attempt)
    outcome = Outcome(state, **({"reason": Reason.NONE} | values))
    record_outcome(attempt_id=attempt.pk, outcome=outcome, actor="psp:fake")
    payment.refresh_from_db()
    return payment


def event_body(type_: str, *, event_id: str | None = None, **fields: Any) -> bytes:
    """The body of a PSP event."""
    told = {"id": event_id or f"evt_{next(_numbers)}", "type": type_, **fields}
    return json.dumps(told).encode()


def take_event(type_: str, **fields: Any) -> PspEvent:
    """Store an event and let a worker process it."""
    stored = keep_event(type_, **fields)
    event = PspEvent.objects.get(event_id=stored.event_id)
    process_event(event_id=event.pk)
    event.refresh_from_db()
    return event


def keep_event(type_: str, **fields: Any) -> Stored:
    """Store an event."""
    return store_event(body=event_body(type_, **fields), secret_id="primary")
