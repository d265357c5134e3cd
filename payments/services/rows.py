"""Making payment rows and telling of them; used by the services of this app."""

from collections.abc import Mapping
from typing import Any

from audit.actions import Action
from audit.services import entries
from kobatela.kernel import clock
from kobatela.kernel.errors import InvalidState
from payments import bells, cases, hooks
from payments.models import Hold, Payment, PaymentMethod, PaymentStatus
from payments.psp.base import Reason
from payments.services import books


def add_payment(payment: Payment, *, actor: str) -> Payment:
    """Store a new payment, tell of it, and start it on its way.

    One that a PSP makes waits for a worker, or for the end of a chargeback on its escrow; an
    external one is in transit from now on.
    """
    if payment.method == PaymentMethod.PSP and payment.hold_reason == Hold.NONE:
        put_on_hold(payment, hold_after(payment, Hold.NONE))
    payment.created_at = payment.updated_at = clock.now()
    payment.save(force_insert=True)
    tell(payment, Action.PAYMENT_REQUESTED, actor)
    if payment.method == PaymentMethod.EXTERNAL:
        mark_sent(payment, actor=actor)
    elif payment.hold_reason == Hold.NONE:
        bells.ring_for_payment(payment.pk)
    return payment


def hold_after(payment: Payment, wanted: Hold) -> Hold:
    """The hold under which a payment is once `wanted` is asked for: none while a chargeback on
    its escrow is open is no choice."""
    if wanted == Hold.NONE and cases.has_open_chargeback(payment.escrow_id):
        return Hold.CHARGEBACK
    return wanted


def put_on_hold(payment: Payment, hold: Hold) -> None:
    """Set why a payment waits, or that it does not; the caller saves it. One that failed keeps
    the reason for that."""
    payment.hold_reason = hold
    if hold == Hold.NONE:
        payment.reason = Reason.NONE if payment.reason == Reason.ON_HOLD else payment.reason
    elif payment.status != PaymentStatus.ERROR:
        payment.reason = Reason.ON_HOLD


def rest_of(payment: Payment, rest_minor: int, *, business_key: str) -> Payment:
    """A payment of what is still owed of another, the same way; not stored yet."""
    return Payment(
        escrow_id=payment.escrow_id,
        kind=payment.kind,
        method=payment.method,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        party=payment.party,
        destination=payment.destination,
        amount_minor=rest_minor,
        currency=payment.currency,
        psp=payment.psp,
        charge_ref=payment.charge_ref,
        business_key=business_key,
    )


def mark_sent(payment: Payment, *, actor: str) -> None:
    """PENDING → SENT, with its posting: from now on its outcome is open.

    Raises InvalidState for any other: only two people's word, or the PSP's, brings those there.
    """
    if payment.status != PaymentStatus.PENDING:
        raise InvalidState(f"A {payment.status} payment is not sent.")
    payment.transition_to(PaymentStatus.SENT)
    payment.reason = Reason.NONE
    payment.sent_at = clock.now()
    save(payment, "status", "reason", "sent_at", "psp_key", "lease_until")
    books.book_sent(payment)
    tell(payment, Action.PAYMENT_SENT, actor)
    hooks.payment_handler(payment.kind).sent(payment)


def start_over(payment: Payment) -> None:
    """ERROR → PENDING: the next try of a locked payment, with nothing of the last one in it."""
    # The failed try keeps its key and reference in its own row, so that a late report of it is
    # never taken for one of the next try.
    payment.transition_to(PaymentStatus.PENDING)
    payment.attempt += 1
    payment.psp_key = ""
    payment.psp_ref = None
    payment.sent_at = None
    payment.lease_until = None


def save_started_over(payment: Payment) -> None:
    """Save what `start_over` changed, and why it waits now."""
    save(
        payment,
        "status",
        "attempt",
        "psp_key",
        "psp_ref",
        "sent_at",
        "lease_until",
        "hold_reason",
        "reason",
    )


def lock_owner(payment: Payment) -> None:
    """Lock what the payment belongs to; before the payment itself is locked."""
    handler = hooks.payment_handler(payment.kind)
    handler.lock_owner(payment.escrow_id, payment.milestone_id)


def save(payment: Payment, *fields: str) -> None:
    """Save the named fields, and when."""
    payment.updated_at = clock.now()
    payment.save(update_fields=[*fields, "updated_at"])


def tell(
    payment: Payment,
    action: Action,
    actor: str,
    *,
    event: str | None = None,
    on_behalf_of: int | None = None,
    body: Mapping[str, Any] | None = None,
) -> None:
    """Write the audit entry of what just happened to the payment, in its escrow's stream."""
    audience = {payment.payer_id, payment.payee_id, payment.collector_id} - {None}
    entries.record(
        actor=actor,
        action=action,
        subject=payment.reference,
        stream=f"escrow:{payment.escrow_id}",
        body={
            "kind": payment.kind,
            "status": str(payment.status),
            "attempt": payment.attempt,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "milestone": payment.milestone_id,
            **({"origin": payment.origin} if payment.origin else {}),
            **(body or {}),
        },
        on_behalf_of=on_behalf_of,
        event=event,
        audience=[user_id for user_id in audience if user_id is not None],
    )
