"""Paying out what was released."""

from django.db import transaction

from audit.actions import Action
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import Money
from payments import bells, cases, selectors
from payments.errors import PaymentOnHold, PaymentReturned, PaymentTakenBack
from payments.ledger import chart
from payments.ledger.chart import PostingCode
from payments.ledger.services import credit, debit, post
from payments.models import Hold, Payment, PaymentKind, PaymentMethod, PaymentStatus
from payments.psp import registry
from payments.psp.base import Reason
from payments.services.routes import set_route
from payments.services.rows import add_payment, save_started_over, start_over, tell

WAITING = frozenset({PaymentStatus.PENDING, PaymentStatus.ERROR})


@transaction.atomic
def request_payout(
    *,
    escrow_id: int,
    milestone_id: int | None,
    payer_id: int,
    payee_id: int,
    money: Money,
    fee_minor: int = 0,
    business_key: str,
    actor: str,
) -> Payment:
    """Release `money` from the escrow to the payee and order its payout, less the platform's fee.

    The escrow must be locked. The money is the payee's from this transaction on; a worker sends
    it after the commit, or people pay it from a batch, as the payee's destination wants it.
    Raises AlreadyPosted when `business_key` was used before, and InsufficientFunds when the
    escrow does not hold that much.
    """
    net_minor = money.amount_minor - fee_minor
    legs = [
        debit(chart.escrow_held(escrow_id), money.amount_minor),
        credit(chart.user_payable(payee_id), net_minor),
    ]
    if fee_minor:
        legs.append(credit(chart.platform_fee(), fee_minor))
    post(business_key=business_key, code=PostingCode.RELEASE, currency=money.currency, legs=legs)
    payment = Payment(
        escrow_id=escrow_id,
        milestone_id=milestone_id,
        kind=PaymentKind.PAYOUT,
        method=PaymentMethod.PSP,
        payer_id=payer_id,
        payee_id=payee_id,
        amount_minor=net_minor,
        currency=money.currency,
        psp=registry.default_name(),
        business_key=business_key,
    )
    set_route(payment)
    return add_payment(payment, actor=actor)


@transaction.atomic
def execute_payment(*, payment_id: int, caller: Caller) -> Payment:
    """Send a payment that waits, or try one that failed again: the same row, the next attempt.

    The row is answered as it is committed; a worker makes the call. A payment that is on its way
    or has arrived is answered as it stands. Raises PaymentNotFound, PaymentOnHold while staff
    must look at it or a chargeback on its escrow is open, PaymentReturned for one that came back
    and was replaced, and PaymentTakenBack.
    """
    selectors.get_payment(caller, payment_id)
    payment = selectors.lock_payment(payment_id)
    if payment.status == PaymentStatus.REFUNDED:
        raise PaymentReturned
    if payment.status == PaymentStatus.CANCELLED:
        raise PaymentTakenBack
    if payment.status in WAITING and _must_wait(payment):
        raise PaymentOnHold
    if payment.status == PaymentStatus.ERROR:
        start_over(payment)
        _retried(payment, caller)
    elif payment.status == PaymentStatus.PENDING and _waits_for_a_word(payment, caller):
        _retried(payment, caller)
    if payment.status in {PaymentStatus.PENDING, PaymentStatus.SENT}:
        bells.ring_for_payment(payment.pk)
    return payment


def _waits_for_a_word(payment: Payment, caller: Caller) -> bool:
    """Whether it is sent now because somebody says so. That the PSP may have the money by now is
    for staff to see; a party's retry would only be refused again."""
    is_early = payment.reason == Reason.FUNDS_PENDING and caller.is_staff
    return is_early or payment.hold_reason == Hold.RETURNED


def _must_wait(payment: Payment) -> bool:
    if payment.hold_reason not in {Hold.NONE, Hold.RETURNED}:
        return True
    return cases.has_open_chargeback(payment.escrow_id)


def _retried(payment: Payment, caller: Caller) -> None:
    payment.hold_reason = Hold.NONE
    payment.reason = Reason.NONE
    save_started_over(payment)
    tell(payment, Action.PAYMENT_RETRIED, caller.actor, on_behalf_of=caller.on_behalf_of)
