"""Booking money that came in."""

from django.db import transaction

from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel.money import Money
from payments.ledger import chart
from payments.ledger.chart import PostingCode
from payments.ledger.services import Posted, credit, debit, post
from payments.models import Hold, Payment
from payments.services.refunds import RefundShare, add_refund
from payments.services.rows import tell


def book_receipt(*, escrow_id: int, source: str, money: Money, business_key: str) -> Posted:
    """Book a deposit into the escrow, in the caller's transaction.

    source: `psp:<name>`, `psp:manual` or `collector:<user id>`. Raises AlreadyPosted when
    `business_key` was used before, ValueError for an unknown source.
    """
    return post(
        business_key=business_key,
        code=PostingCode.DEPOSIT,
        currency=money.currency,
        legs=[
            debit(chart.source(source), money.amount_minor),
            credit(chart.escrow_held(escrow_id), money.amount_minor),
        ],
    )


@transaction.atomic
def book_surplus(
    *,
    escrow_id: int,
    client_id: int,
    source: str,
    charge_ref: str | None,
    money: Money,
    business_key: str,
    actor: str,
    hold: Hold = Hold.NONE,
) -> Payment:
    """Book money that the escrow cannot take to the sender's own account, and order its return.

    hold: what the return waits for. Alerts support. Raises AlreadyPosted when `business_key` was
    used before.
    """
    post(
        business_key=business_key,
        code=PostingCode.SURPLUS,
        currency=money.currency,
        legs=[
            debit(chart.source(source), money.amount_minor),
            credit(chart.user_funds(client_id), money.amount_minor),
        ],
    )
    payment = add_refund(
        escrow_id=escrow_id,
        client_id=client_id,
        share=RefundShare(money, source, charge_ref),
        business_key=f"{business_key}:refund",
        actor=actor,
        hold=hold,
    )
    tell(payment, Action.PAYMENT_SURPLUS_BOOKED, actor, body={"source": source})
    goes = "it is on its way back" if hold == Hold.NONE else "its way back is on hold for staff"
    raise_alert(
        type=AlertType.DEPOSIT_BEYOND_NEED,
        severity=Severity.WARNING,
        subject=f"escrow:{escrow_id}",
        message=f"More money came in than the escrow can take; {goes}.",
        payload={
            "amount_minor": money.amount_minor,
            "currency": money.currency,
            "payment": payment.pk,
        },
    )
    return payment
