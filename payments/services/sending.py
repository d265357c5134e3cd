"""Handing a payment to its PSP: intent committed, call made, outcome committed.

Nothing is called inside a transaction. A worker that dies anywhere leaves a row that says what is
known; whoever comes next asks the PSP about the same key, or sends the same key again.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from audit.services import switches
from kobatela.kernel import clock
from kobatela.kernel.crashpoints import crashpoint
from payments import selectors
from payments.models import (
    Attempt,
    Hold,
    Payment,
    PaymentKind,
    PaymentMethod,
    PaymentStatus,
)
from payments.psp import registry
from payments.psp.base import Order, OrderKind, OrderState, Outcome, Psp, Reason
from payments.services.cover import take_cover
from payments.services.funds_pending import must_wait_for_funds
from payments.services.outcomes import record_outcome
from payments.services.routes import take_route
from payments.services.rows import lock_owner, mark_sent, save

# PSPs forget keys after a day; past this age a key that they do not know is not sent again.
REPEAT_WITHIN = timedelta(hours=20)
# Whatever was sent within those hours has reached the PSP by then, or never will: a call begins
# only while its worker has the payment for itself, and ends by itself soon after.
GIVE_UP_AFTER = timedelta(hours=24)
_ACTOR = "system:payments"


@dataclass(frozen=True, slots=True)
class Call:
    """What one worker is to say to the PSP about one attempt.

    send_before: from then on the payment is another worker's.
    """

    attempt_id: int
    psp: str
    kind: OrderKind
    key: str
    body: str
    is_first: bool
    may_repeat: bool
    may_give_up: bool
    send_before: datetime


def send_payment(*, payment_id: int) -> None:
    """Send a payment that is ready, or find out what became of one in transit.

    Does nothing for a payment that waits for a person, has ended, or that another worker is
    turning to the PSP about. Safe to run any number of times, also at once.
    """
    call = _claim(payment_id)
    if call is None:
        return
    crashpoint("payment.claimed")
    outcome = _ask(registry.get_psp(call.psp), call)
    crashpoint("payment.asked")
    record_outcome(attempt_id=call.attempt_id, outcome=outcome, actor=f"psp:{call.psp}")
    crashpoint("payment.recorded")


@transaction.atomic(durable=True)
def _claim(payment_id: int) -> Call | None:
    """Take the payment for this worker; committed before anybody outside hears of it."""
    seen = Payment.objects.filter(pk=payment_id, method=PaymentMethod.PSP).first()
    if seen is None:
        return None
    lock_owner(seen)
    payment = selectors.lock_payment(payment_id)
    if payment.status == PaymentStatus.PENDING:
        if payment.hold_reason != Hold.NONE or must_wait_for_funds(payment):
            return None
        if switches.is_on(switches.SwitchName.PAYOUTS_PAUSED):
            return None
        if take_route(payment, actor=_ACTOR) and take_cover([payment], actor=_ACTOR):
            return _begin(payment)
        return None
    is_open = payment.status == PaymentStatus.SENT and payment.psp in registry.reachable()
    return _resume(payment) if is_open and _lease_is_over(payment) else None


def _begin(payment: Payment) -> Call:
    now = clock.now()
    payment.psp_key = f"koba_{secrets.token_hex(16)}"
    payment.lease_until = now + timedelta(seconds=settings.KOBATELA_PAYMENT_LEASE_S)
    attempt = Attempt.objects.create(
        payment=payment,
        number=payment.attempt,
        psp=payment.psp,
        psp_key=payment.psp_key,
        request_body=registry.get_psp(payment.psp).order_body(_order(payment)),
        started_at=now,
    )
    mark_sent(payment, actor=_ACTOR)
    crashpoint("payment.claim_written")
    return _call(payment, attempt, is_first=True)


def _resume(payment: Payment) -> Call:
    attempt = Attempt.objects.get(payment=payment, number=payment.attempt)
    attempt.looks += 1
    attempt.save(update_fields=["looks"])
    payment.lease_until = clock.now() + timedelta(seconds=settings.KOBATELA_PAYMENT_LEASE_S)
    save(payment, "lease_until")
    crashpoint("payment.look_written")
    return _call(payment, attempt, is_first=False)


def _call(payment: Payment, attempt: Attempt, *, is_first: bool) -> Call:
    assert payment.lease_until is not None, "it has just been taken"
    return Call(
        attempt_id=attempt.pk,
        psp=attempt.psp,
        kind=_order_kind(payment),
        key=attempt.psp_key,
        body=attempt.request_body,
        is_first=is_first,
        may_repeat=attempt.started_at > clock.now() - REPEAT_WITHIN,
        may_give_up=may_give_up(attempt),
        send_before=payment.lease_until,
    )


def _ask(psp: Psp, call: Call) -> Outcome:
    if call.is_first:
        return _send(psp, call)
    found = psp.find(call.kind, call.key, call.body)
    if found.state is not OrderState.NOT_FOUND:
        return found
    crashpoint("payment.not_found")
    if call.may_repeat:
        return _send(psp, call)
    if call.may_give_up and psp.knows_all_orders:
        return Outcome(OrderState.FAILED, reason=Reason.NEVER_RECEIVED)
    return Outcome(OrderState.NOT_FOUND, reason=Reason.OUTCOME_UNKNOWN)


def _send(psp: Psp, call: Call) -> Outcome:
    # A worker that was frozen for hours must not wake up and give an order that was given up.
    if clock.now() >= call.send_before:
        return Outcome(OrderState.UNKNOWN, reason=Reason.OUTCOME_UNKNOWN, message="Not sent.")
    return psp.send(call.kind, call.key, call.body)


def may_give_up(attempt: Attempt) -> bool:
    """Whether an attempt that the PSP does not know can only be one that it never got."""
    is_known = attempt.accepted_at is not None or attempt.psp_ref is not None
    return not is_known and attempt.started_at <= clock.now() - GIVE_UP_AFTER


def ask_about(payment: Payment, attempt: Attempt) -> Outcome:
    """What the PSP says now of an attempt; nothing is sent or recorded. Not in a transaction."""
    psp = registry.get_psp(attempt.psp)
    return psp.find(_order_kind(payment), attempt.psp_key, attempt.request_body)


def _lease_is_over(payment: Payment) -> bool:
    return payment.lease_until is None or payment.lease_until <= clock.now()


def _order_kind(payment: Payment) -> OrderKind:
    return OrderKind.REFUND if payment.kind == PaymentKind.REFUND else OrderKind.TRANSFER


def _order(payment: Payment) -> Order:
    return Order(
        kind=_order_kind(payment),
        money=payment.money,
        destination=payment.destination,
        charge_ref=payment.charge_ref,
        metadata={
            "payment": str(payment.pk),
            "escrow": str(payment.escrow_id),
            "reference": payment.psp_key,
        },
    )
