"""Giving money back to the sender."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from kobatela.accounts.selectors import is_independent
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import Money, total
from payments import selectors
from payments.errors import ConfirmationForbidden, PaymentNotExternal
from payments.ledger import chart
from payments.ledger.chart import PostingCode
from payments.ledger.services import credit, debit, post
from payments.models import Hold, Payment, PaymentKind, PaymentMethod, PaymentStatus
from payments.psp.registry import MANUAL
from payments.services.cover import lock_collector
from payments.services.outcomes import settle
from payments.services.routes import usable_by_people
from payments.services.rows import add_payment, lock_owner, put_on_hold


@dataclass(frozen=True, slots=True)
class RefundShare:
    """A part of a refund that goes back the way it came.

    source: `psp:<name>`, `collector:<user id>` or `psp:manual`, as its deposit was booked.
    charge_ref: the PSP's reference of that deposit.
    """

    money: Money
    source: str
    charge_ref: str | None


@transaction.atomic
def request_refund(
    *,
    escrow_id: int,
    client_id: int,
    shares: Sequence[RefundShare],
    business_key: str,
    actor: str,
) -> list[Payment]:
    """Take the shares out of the escrow and order one payment for each.

    The escrow must be locked. PSP money goes back through its charge; collector money is paid
    outside and waits, SENT, for `confirm_external`. What support confirmed by hand goes into a
    batch when the client has a destination for it, else it is paid outside as well.
    Raises AlreadyPosted when `business_key` was used before, and InsufficientFunds when the
    escrow does not hold that much.
    """
    _lock_collectors(shares)
    money = total((share.money for share in shares), shares[0].money.currency)
    post(
        business_key=business_key,
        code=PostingCode.REFUND,
        currency=money.currency,
        legs=[
            debit(chart.escrow_held(escrow_id), money.amount_minor),
            credit(chart.user_funds(client_id), money.amount_minor),
        ],
    )
    return [
        add_refund(
            escrow_id=escrow_id,
            client_id=client_id,
            share=share,
            business_key=f"{business_key}:{number}",
            actor=actor,
        )
        for number, share in enumerate(shares, start=1)
    ]


def _lock_collectors(shares: Sequence[RefundShare]) -> None:
    """Let nobody hand over at the same moment what a collector is about to pay back."""
    for source, currency in sorted({(share.source, share.money.currency) for share in shares}):
        family, _, owner = source.partition(":")
        if family == "collector":
            lock_collector(int(owner), currency)


def add_refund(
    *,
    escrow_id: int,
    client_id: int,
    share: RefundShare,
    business_key: str,
    actor: str,
    hold: Hold = Hold.NONE,
) -> Payment:
    """Order the payment of one share that is on the sender's own account already; one that a PSP
    makes waits under `hold`."""
    source = chart.source(share.source)
    payment = Payment(
        escrow_id=escrow_id,
        kind=PaymentKind.REFUND,
        method=PaymentMethod.EXTERNAL,
        payer_id=client_id,
        payee_id=client_id,
        amount_minor=share.money.amount_minor,
        currency=share.money.currency,
        charge_ref=share.charge_ref or "",
        business_key=business_key,
    )
    owner = share.source.partition(":")[2]
    if source.kind == chart.AccountKind.COLLECTOR:
        payment.collector_id = int(owner)
    elif owner == MANUAL:
        payment.psp = MANUAL
        destination = usable_by_people(client_id, share.money.currency)
        if destination is not None:
            payment.method, payment.destination = PaymentMethod.PSP, destination.reference
    else:
        if not share.charge_ref:
            raise ValueError("PSP money goes back through its charge, which is not named.")
        payment.psp = owner
        payment.method = PaymentMethod.PSP
    if payment.method == PaymentMethod.PSP:
        put_on_hold(payment, hold)
    return add_payment(payment, actor=actor)


@transaction.atomic
def confirm_external(*, payment_id: int, caller: Caller) -> Payment:
    """Say that an external refund was paid: SENT → SETTLED. Again: no change.

    Staff with no stake in it may say it, and a key of the collector that may confirm deposits.
    Raises PaymentNotFound, PaymentNotExternal for a payment that a PSP makes, and
    ConfirmationForbidden.
    """
    payment = selectors.get_payment(caller, payment_id)
    if payment.method != PaymentMethod.EXTERNAL:
        raise PaymentNotExternal
    if not _may_confirm(payment, caller):
        raise ConfirmationForbidden
    lock_owner(payment)
    payment = selectors.lock_payment(payment_id)
    if payment.status == PaymentStatus.SETTLED:
        return payment
    settle(payment, actor=caller.actor, on_behalf_of=caller.on_behalf_of)
    return payment


def _may_confirm(payment: Payment, caller: Caller) -> bool:
    sides = [side for side in (payment.payee_id, payment.collector_id) if side is not None]
    if not is_independent(caller, *sides):
        return False
    if caller.is_staff:
        return True
    collector_id = payment.collector_id
    return (
        caller.may_confirm_deposits
        and collector_id is not None
        and caller.may_act_for(collector_id)
    )
