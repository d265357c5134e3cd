"""Booking as paid what had failed, when its PSP or bank says later that it was paid after all."""

from django.db import transaction

from kobatela.accounts.services.approvals import ApprovalState, require_two
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState
from kobatela.rest.errors import InsufficientScope
from payments import hooks, selectors
from payments.batches import lock_batch
from payments.ledger import chart
from payments.ledger.chart import PostingCode
from payments.ledger.services import credit, debit, post
from payments.models import Attempt, BatchLine, BatchLineStatus, Hold, Payment, PaymentStatus
from payments.psp.base import OrderState, Outcome
from payments.services import books
from payments.services.batches import end_line
from payments.services.holds import require_no_stake
from payments.services.kept import rest_was_sent
from payments.services.late_words import reopen
from payments.services.outcomes import LOOK_AFTER_ACCEPTED, WAITING, record_outcome
from payments.services.rows import lock_owner, save
from payments.services.same_money import was_taken_back

PAID_COMMAND = "was_paid"
_MAY_HAVE_BEEN = frozenset({Hold.CONTRADICTION, Hold.CHARGED_BACK})
_PAID = "Two people say that a payment was made although it had failed; it is booked as paid."


@transaction.atomic
def say_was_paid(*, payment_id: int, caller: Caller) -> ApprovalState:
    """Say that the last try of a payment that a contradiction holds was paid; the second person's
    word books it, as if it had never failed.

    The same of a refund that was kept because the payer's bank gave the payer this money: then they
    owe that again. And of what was spent and taken back: it is taken from what is free in the
    escrow, and what is not there any more is owed by the payer.

    Raises PaymentNotFound, InsufficientScope for who is not staff, OwnPaymentForbidden,
    ApprovalNeedsUser, InvalidState for what no contradiction holds or was never tried, and
    InsufficientFunds when the payee does not have the money here any more.
    """
    if not caller.is_staff:
        raise InsufficientScope
    seen = selectors.get_payment(caller, payment_id)
    line = _lock_line(selectors.last_attempt(seen))
    lock_owner(seen)
    payment = selectors.lock_payment(payment_id)
    require_no_stake(payment, caller)
    attempt = selectors.last_attempt(payment)
    refusal = why_not_paid(payment, attempt)
    if attempt is None or refusal is not None:
        raise InvalidState(refusal or "")
    state = require_two(
        caller=caller,
        command=PAID_COMMAND,
        subject=payment.reference,
        money=payment.money,
        figures={"attempt": attempt.number},
    )
    if state.granted:
        _book(payment, attempt, line, caller.actor)
    return state


def why_not_paid(payment: Payment, attempt: Attempt | None) -> str | None:
    """Why nobody can say of a payment whose last try this is that it was paid; None if they can."""
    is_there = payment.status in WAITING or (
        payment.status == PaymentStatus.CANCELLED and was_taken_back(payment)
    )
    if payment.hold_reason not in _MAY_HAVE_BEEN or not is_there:
        return "No contradiction holds it."
    if attempt is None or attempt.result != OrderState.FAILED:
        return "No try of it has failed."
    return "What was left of it has been sent on its own." if rest_was_sent(payment) else None


def _take_again(payment: Payment) -> None:
    """Owe its payee again what was taken back: first from the escrow, then by its payer."""
    assert payment.payer_id is not None, "what is spent of an escrow has a payer"
    free_minor = hooks.payment_handler(payment.kind).paid_after_all(payment)
    payment.debt_minor = payment.amount_minor - free_minor
    save(payment, "debt_minor")
    parts = {
        chart.escrow_held(payment.escrow_id): free_minor,
        chart.receivable(payment.payer_id): payment.debt_minor,
    }
    legs = [debit(account, minor) for account, minor in parts.items() if minor]
    post(
        business_key=f"{payment.origin}:after_all",
        code=PostingCode.SPEND_AFTER_ALL,
        currency=payment.currency,
        legs=[*legs, credit(books.owed(payment), payment.amount_minor)],
    )


def _lock_line(attempt: Attempt | None) -> BatchLine | None:
    """The line of a file by which people made the try; its batch is locked before the payment."""
    line = BatchLine.objects.filter(attempt=attempt).first() if attempt is not None else None
    if line is not None:
        lock_batch(line.batch_id)
        line.refresh_from_db(fields=["status"])
    return line


def _book(payment: Payment, attempt: Attempt, line: BatchLine | None, actor: str) -> None:
    # The next try may have been ordered already, and was not begun: the last one counts again.
    payment.attempt, payment.psp = attempt.number, attempt.psp
    payment.psp_key, payment.psp_ref = attempt.psp_key, attempt.psp_ref
    payment.sent_at = attempt.started_at
    save(payment, "attempt", "psp", "psp_key", "psp_ref", "sent_at")
    if payment.status == PaymentStatus.CANCELLED:
        _take_again(payment)
    reopen(payment, attempt, actor=actor, lease=LOOK_AFTER_ACCEPTED, message=_PAID)
    record_outcome(attempt_id=attempt.pk, outcome=Outcome(OrderState.SETTLED), actor=actor)
    if line is not None and line.status == BatchLineStatus.FAILED:
        end_line(line, BatchLineStatus.SETTLED)
