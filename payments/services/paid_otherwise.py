"""A payment of which its PSP says that it paid another amount than it was given."""

from dataclasses import replace

from django.db import transaction

from audit.actions import Action
from kobatela.accounts.services.approvals import ApprovalState, require_two
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState
from kobatela.rest.errors import InsufficientScope
from payments import selectors
from payments.ledger import chart
from payments.ledger.chart import PostingCode
from payments.ledger.services import credit, debit, post
from payments.models import Payment, PaymentKind, PaymentMethod, PaymentStatus
from payments.psp import registry
from payments.psp.base import OrderState, Outcome
from payments.services import books
from payments.services.holds import require_no_stake
from payments.services.outcomes import record_outcome
from payments.services.rows import add_payment, lock_owner, rest_of, save, tell
from payments.services.sending import ask_about

PAID_OTHERWISE_COMMAND = "paid_otherwise"
_ENDED = frozenset({OrderState.SETTLED, OrderState.FAILED})


def settle_as_told(*, payment_id: int, caller: Caller) -> ApprovalState:
    """Book a payment in transit as its PSP says that it was paid; the second person's word does it.

    Less than it was given: so much is booked as paid, and what is left is still owed and a payment
    of its own, which goes its way. More: the payment is booked whole, and what is above it is our
    loss (`operator:capital`), never taken from anybody else's money. Nothing: it has failed.

    The PSP is asked, so call it outside a transaction; both people speak of the same figure.
    Raises PaymentNotFound, InsufficientScope for who is not staff, OwnPaymentForbidden,
    ApprovalNeedsUser, and InvalidState for what is not in transit, or when the PSP tells no other
    amount, another currency, or no end.
    """
    if not caller.is_staff:
        raise InsufficientScope
    seen = selectors.get_payment(caller, payment_id)
    _require_in_transit(seen)
    attempt = selectors.current_attempt(seen)
    assert attempt is not None, "what is in transit has been tried"
    return _count(seen, ask_about(seen, attempt), caller)


def why_not_as_told(payment: Payment) -> str | None:
    """Why nobody can book a payment as its PSP says; None if they may try."""
    is_at_psp = payment.method == PaymentMethod.PSP and payment.psp in registry.reachable()
    if payment.status != PaymentStatus.SENT or not is_at_psp:
        return "It is not in transit at a PSP that can be asked."
    return None


def _require_in_transit(payment: Payment) -> None:
    refusal = why_not_as_told(payment)
    if refusal is not None:
        raise InvalidState(refusal)


@transaction.atomic
def _count(seen: Payment, found: Outcome, caller: Caller) -> ApprovalState:
    lock_owner(seen)
    payment = selectors.lock_payment(seen.pk)
    require_no_stake(payment, caller)
    _require_in_transit(payment)
    attempt = selectors.current_attempt(payment)
    assert attempt is not None, "what is in transit has been tried"
    paid_minor = _other_amount(payment, found)
    state = require_two(
        caller=caller,
        command=PAID_OTHERWISE_COMMAND,
        subject=payment.reference,
        money=payment.money,
        figures={"attempt": attempt.number, "paid_minor": paid_minor},
    )
    if state.granted:
        _book(payment, paid_minor, caller.actor)
        told = replace(found, money=payment.money)
        record_outcome(attempt_id=attempt.pk, outcome=told, actor=caller.actor)
    return state


def _other_amount(payment: Payment, found: Outcome) -> int:
    """What the PSP has paid, in minor units; nothing of an order that failed."""
    if found.state not in _ENDED or found.money is None or found.money == payment.money:
        raise InvalidState("The PSP does not say that it paid another amount.")
    if found.state is OrderState.FAILED:
        return 0
    if found.money.currency != payment.currency:
        raise InvalidState("The PSP paid in another currency: have it corrected there.")
    return found.money.amount_minor


def _book(payment: Payment, paid_minor: int, actor: str) -> None:
    ordered_minor = payment.amount_minor
    told = {"ordered_minor": ordered_minor, "paid_minor": paid_minor}
    if 0 < paid_minor < ordered_minor:
        _still_owe(payment, ordered_minor - paid_minor, actor)
    elif paid_minor > ordered_minor:
        _lose(payment, paid_minor - ordered_minor)
    tell(payment, Action.PAYMENT_PAID_OTHERWISE, actor, body=told)


def _still_owe(payment: Payment, rest_minor: int, actor: str) -> None:
    """Cut the payment down to what was paid; the rest is owed as before, and ordered on its own."""
    post(
        business_key=f"{payment.reference}:{payment.attempt}:unpaid",
        code=PostingCode.PAYMENT_FAILED,
        currency=payment.currency,
        legs=[
            debit(chart.in_transit(payment.pk), rest_minor),
            credit(books.owed(payment), rest_minor),
        ],
    )
    payment.amount_minor -= rest_minor
    save(payment, "amount_minor")
    rest = rest_of(payment, rest_minor, business_key=f"{payment.reference}:unpaid")
    if payment.kind != PaymentKind.REFUND:
        # A purchase and a milestone have one payment that stands for them: the first. So the rest
        # is a payout of neither.
        rest.kind = PaymentKind.PAYOUT
    add_payment(rest, actor=actor)


def _lose(payment: Payment, surplus_minor: int) -> None:
    post(
        business_key=f"{payment.reference}:{payment.attempt}:overpaid",
        code=PostingCode.PAYMENT_OVERPAID,
        currency=payment.currency,
        legs=[
            debit(chart.operator(), surplus_minor),
            credit(chart.psp(payment.psp), surplus_minor),
        ],
    )
