"""Booking once what came back once: as a purchase that was given back, and again by its PSP."""

from django.db import transaction

from audit.actions import Action
from kobatela.accounts.services.approvals import ApprovalState, require_two
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState
from kobatela.rest.errors import InsufficientScope
from payments import selectors
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.ledger.chart import PostingCode
from payments.ledger.services import credit, debit, post
from payments.models import Hold, Payment, PaymentStatus
from payments.psp import registry
from payments.psp.base import Reason
from payments.services.books import owed
from payments.services.holds import require_no_stake
from payments.services.rows import lock_owner, save, tell

SAME_MONEY_COMMAND = "same_money"


@transaction.atomic
def say_same_money(*, payment_id: int, caller: Caller) -> ApprovalState:
    """Say that the money which a PSP returned is what support had booked as given back; the second
    person's word cancels the payment that waits because it returned.

    The money is where the PSP says: what was booked by hand leaves the books, and the merchant is
    owed nothing. The purchase, its budget and the escrow stay as the refund left them.

    Raises PaymentNotFound, InsufficientScope for who is not staff, OwnPaymentForbidden,
    ApprovalNeedsUser, and InvalidState for what does not wait because of both.
    """
    if not caller.is_staff:
        raise InsufficientScope
    seen = selectors.get_payment(caller, payment_id)
    lock_owner(seen)
    payment = selectors.lock_payment(payment_id)
    require_no_stake(payment, caller)
    refusal = why_not_same(payment)
    if refusal is not None:
        raise InvalidState(refusal)
    state = require_two(
        caller=caller,
        command=SAME_MONEY_COMMAND,
        subject=payment.reference,
        money=payment.money,
        figures={},
    )
    if state.granted:
        _cancel(payment, caller.actor)
    return state


def why_not_same(payment: Payment) -> str | None:
    """Why nobody can say of a payment that its money was given back already; None if they can."""
    if payment.hold_reason != Hold.CONTRADICTION or payment.status != PaymentStatus.PENDING:
        return "No contradiction holds it."
    if not was_given_back(payment):
        return "What it pays for was not given back."
    # Tried since, it waits for another reason: what was paid, or not, is the question then.
    return None if selectors.last_attempt(payment) is None else "It has been tried."


def was_given_back(payment: Payment) -> bool:
    """Whether support has booked that what the payment pays for came back, outside the PSP."""
    given_back = ledger.transfers([f"{payment.origin}:back"]) if payment.origin else None
    return given_back is not None and given_back.filter(code=PostingCode.SPEND_GIVEN_BACK).exists()


def was_taken_back(payment: Payment) -> bool:
    """Whether what the payment pays for was taken back before it was paid."""
    back = ledger.transfers([f"{payment.origin}:back"]) if payment.origin else None
    return back is not None and back.filter(code=PostingCode.SPEND_TAKEN_BACK).exists()


def _cancel(payment: Payment, actor: str) -> None:
    payment.transition_to(PaymentStatus.CANCELLED)
    payment.hold_reason, payment.reason = Hold.NONE, Reason.NONE
    save(payment, "status", "hold_reason", "reason")
    post(
        # What was given back once is the same money once.
        business_key=f"{payment.origin}:same_money",
        code=PostingCode.SPEND_SAME_MONEY,
        currency=payment.currency,
        legs=[
            debit(owed(payment), payment.amount_minor),
            credit(chart.psp(registry.MANUAL), payment.amount_minor),
        ],
    )
    tell(payment, Action.PAYMENT_SAME_MONEY, actor)
