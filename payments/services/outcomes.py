"""What a PSP says of a payment, from its answer, its own record or its signed report.

All three come through here, under one set of locks, and move a payment only forward: what
arrives twice, late or in the wrong order ends in the same state.
"""

from datetime import timedelta

from django.db import transaction

from audit.actions import Action
from audit.selectors import alerted_since
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from kobatela.kernel.crashpoints import crashpoint
from payments import hooks, selectors
from payments.models import Attempt, Hold, Payment, PaymentKind, PaymentStatus
from payments.psp.base import OrderState, Outcome, Reason
from payments.services import books
from payments.services.debts import set_off_refund
from payments.services.fees import book_fee
from payments.services.funds_pending import wait_for_funds
from payments.services.kept import stop_rest
from payments.services.late_words import reopen_if_it_turned_up
from payments.services.rows import add_payment, lock_owner, save, tell
from payments.services.same_money import was_given_back, was_taken_back

# When the PSP's own record is looked at although its report may still come.
LOOK_AFTER_ACCEPTED = timedelta(minutes=10)
FIRST_LOOK_AFTER = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=10)

WAITING = frozenset({PaymentStatus.PENDING, PaymentStatus.ERROR})
# Holds that end by a party's retry, by themselves or by one person; a contradiction takes two.
_WAS_PAID = frozenset({OrderState.SETTLED, OrderState.RETURNED})
_YIELDING = frozenset({Hold.NONE, Hold.RETURNED, Hold.STAFF, Hold.CHARGEBACK})
# One that was taken back has no next try, but may have been paid.
_IS_NOT_PAID = WAITING | {PaymentStatus.CANCELLED}
_RETURNED = "A payment came back; its successor waits until somebody executes it."
_GIVEN_BACK = (
    "A payment came back for which support has booked already that its money was given back; two "
    "people must say whether it is the same money, or may be paid again."
)
_FAILED = "A payment failed at the PSP; it can be tried again."
_NEVER_GOT = "The PSP never got a payment; it can be tried again, under a new key."


@transaction.atomic
def record_outcome(*, attempt_id: int, outcome: Outcome, actor: str) -> Payment:
    """Take what the PSP said of one attempt; `actor` is who brought it (`psp:fake`).

    A report that cannot be true beside what is known already changes nothing and raises an alert.
    """
    belongs_to = Attempt.objects.select_related("payment").get(pk=attempt_id).payment
    lock_owner(belongs_to)
    payment = selectors.lock_payment(belongs_to.pk)
    attempt = Attempt.objects.get(pk=attempt_id)
    if not (_fits(payment, attempt, outcome) and _take_reference(payment, attempt, outcome)):
        return payment
    reopen_if_it_turned_up(payment, attempt, outcome, actor=actor, lease=LOOK_AFTER_ACCEPTED)
    match outcome.state:
        case OrderState.ACCEPTED:
            _accepted(payment, attempt, outcome)
        case OrderState.SETTLED:
            _settled(payment, attempt, outcome, actor)
        case OrderState.FAILED:
            _failed(payment, attempt, outcome, actor)
        case OrderState.RETURNED:
            _returned(payment, attempt, outcome, actor)
        case OrderState.BLOCKED:
            _look_again_later(payment, attempt, outcome)
            _alert_blocked(payment)
        case OrderState.NOT_FOUND | OrderState.BUSY | OrderState.UNKNOWN:
            _look_again_later(payment, attempt, outcome)
    _book_fee(payment, attempt, outcome, actor)
    crashpoint("payment.outcome_written")
    return payment


def settle(payment: Payment, *, actor: str, on_behalf_of: int | None = None) -> None:
    """SENT → SETTLED of a payment whose owner and row are locked."""
    payment.transition_to(PaymentStatus.SETTLED)
    payment.settled_at = clock.now()
    payment.lease_until = None
    payment.reason = Reason.NONE
    save(payment, "status", "settled_at", "lease_until", "reason")
    books.book_settled(payment)
    tell(
        payment,
        Action.PAYMENT_SETTLED,
        actor,
        event="payment.settled",
        on_behalf_of=on_behalf_of,
        body={"psp_ref": payment.psp_ref},
    )
    hooks.payment_handler(payment.kind).settled(payment)


def _book_fee(payment: Payment, attempt: Attempt, outcome: Outcome, actor: str) -> None:
    """Book what the PSP charged, also when it is told after the payment has settled."""
    if outcome.fee is None or attempt.result not in _WAS_PAID:
        return
    book_fee(
        subject=f"{payment.reference}:{attempt.number}",
        escrow_id=payment.escrow_id,
        psp=attempt.psp,
        fee=outcome.fee,
        charged_for=payment.money,
        actor=actor,
    )


def _settled(payment: Payment, attempt: Attempt, outcome: Outcome, actor: str) -> None:
    if _is_open(payment, attempt):
        _finish(attempt, outcome)
        settle(payment, actor=actor)
    elif attempt.result not in {OrderState.SETTLED, OrderState.RETURNED}:
        _contradiction(payment, attempt, outcome)


def _failed(payment: Payment, attempt: Attempt, outcome: Outcome, actor: str) -> None:
    if payment.kind == PaymentKind.REFUND and attempt.result in _WAS_PAID:
        # The payer's bank did not take it after all: the money is back, as if it had returned.
        _returned(payment, attempt, outcome, actor)
        return
    never_received = outcome.reason == Reason.NEVER_RECEIVED
    if never_received and attempt.accepted_at is not None:
        return
    if not _is_open(payment, attempt):
        if attempt.result != OrderState.FAILED and not never_received:
            _contradiction(payment, attempt, outcome)
        return
    _finish(attempt, outcome)
    payment.transition_to(PaymentStatus.ERROR)
    payment.reason = outcome.reason or Reason.PSP_REFUSED
    payment.lease_until = None
    save(payment, "status", "reason", "lease_until")
    if payment.reason == Reason.FUNDS_PENDING:
        _wait_for_funds(payment, actor)
        return
    book = books.book_never_received if never_received else books.book_failed
    book(payment)
    tell(
        payment,
        Action.PAYMENT_FAILED,
        actor,
        event="payment.failed",
        body={"reason": str(payment.reason)},
    )
    hooks.payment_handler(payment.kind).failed(payment)
    _keep_if_owed(payment)
    raise_alert(
        type=AlertType.PAYOUT_FAILED,
        severity=Severity.WARNING,
        subject=payment.reference,
        message=_NEVER_GOT if never_received else _FAILED,
        payload=_figures(payment),
    )


def _wait_for_funds(payment: Payment, actor: str) -> None:
    books.book_failed(payment)
    hooks.payment_handler(payment.kind).failed(payment)
    wait_for_funds(payment, actor=actor)
    _keep_if_owed(payment)


def _returned(payment: Payment, attempt: Attempt, outcome: Outcome, actor: str) -> None:
    # What came back had arrived before, also when nobody told us so.
    if _is_open(payment, attempt):
        settle(payment, actor=actor)
    if attempt.number != payment.attempt or payment.status != PaymentStatus.SETTLED:
        if attempt.result != OrderState.RETURNED:
            _contradiction(payment, attempt, outcome)
        return
    _finish(attempt, outcome, OrderState.RETURNED)
    payment.transition_to(PaymentStatus.REFUNDED)
    payment.reason = outcome.reason or Reason.RETURNED_BY_BANK
    save(payment, "status", "reason")
    books.book_returned(payment)
    tell(payment, Action.PAYMENT_RETURNED, actor, event="payment.returned")
    hooks.payment_handler(payment.kind).returned(payment)
    is_told_twice = was_given_back(payment)
    successor = _add_successor(
        payment,
        Hold.CONTRADICTION if is_told_twice or was_taken_back(payment) else Hold.RETURNED,
        actor,
    )
    _keep_if_owed(successor)
    raise_alert(
        type=AlertType.PAYOUT_RETURNED,
        severity=Severity.CRITICAL,
        subject=payment.reference,
        message=_GIVEN_BACK if is_told_twice else _RETURNED,
        payload={**_figures(payment), "successor": successor.pk},
    )


def _keep_if_owed(payment: Payment) -> None:
    """A refund that came back after the payer's bank had given the payer the same money pays what
    they owe for that."""
    if payment.kind == PaymentKind.REFUND:
        set_off_refund(payment, actor="system:payments")


def _add_successor(payment: Payment, hold: Hold, actor: str) -> Payment:
    # It waits: sent at once it would go where the first one came back from.
    successor = Payment(
        escrow_id=payment.escrow_id,
        milestone_id=payment.milestone_id,
        kind=payment.kind,
        method=payment.method,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        party=payment.party,
        origin=payment.origin,
        destination=payment.destination,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        psp=payment.psp,
        charge_ref=payment.charge_ref,
        business_key=f"{payment.reference}:again",
        reason=Reason.ON_HOLD,
        hold_reason=hold,
    )
    return add_payment(successor, actor=actor)


def _accepted(payment: Payment, attempt: Attempt, outcome: Outcome) -> None:
    if not _is_open(payment, attempt):
        if attempt.reason == Reason.NEVER_RECEIVED:
            _contradiction(payment, attempt, outcome)
        return
    if attempt.accepted_at is None:
        attempt.accepted_at = clock.now()
        attempt.save(update_fields=["accepted_at"])
    payment.reason = Reason.NONE
    payment.lease_until = clock.now() + LOOK_AFTER_ACCEPTED
    save(payment, "reason", "lease_until")


def _look_again_later(payment: Payment, attempt: Attempt, outcome: Outcome) -> None:
    """Nothing is settled: the next look comes after a longer and longer wait."""
    if not _is_open(payment, attempt):
        return
    wait = min(FIRST_LOOK_AFTER * (1 << min(attempt.looks, 10)), LONGEST_WAIT)
    attempt.psp_message = outcome.message
    attempt.reason = outcome.reason
    attempt.save(update_fields=["psp_message", "reason"])
    payment.reason = outcome.reason or Reason.OUTCOME_UNKNOWN
    payment.lease_until = clock.now() + wait
    save(payment, "reason", "lease_until")
    if outcome.state is OrderState.NOT_FOUND and attempt.accepted_at is not None:
        _alert_forgotten(payment)


def _alert_forgotten(payment: Payment) -> None:
    type_, now = AlertType.PSP_EVENT_CONTRADICTS, clock.now()
    if not alerted_since(type_, [payment.reference], now - timedelta(days=1)):
        raise_alert(
            type=type_,
            severity=Severity.CRITICAL,
            subject=payment.reference,
            message="The PSP does not know a payment any more that it had accepted.",
            payload=_figures(payment),
        )


def _alert_blocked(payment: Payment) -> None:
    raise_alert(
        type=AlertType.PAYOUT_UNKNOWN,
        severity=Severity.CRITICAL,
        subject=f"psp:{payment.psp}",
        message="The PSP does not accept our credentials; nothing is paid out.",
        payload=_figures(payment),
    )


def _is_open(payment: Payment, attempt: Attempt) -> bool:
    return attempt.number == payment.attempt and payment.status == PaymentStatus.SENT


def _finish(attempt: Attempt, outcome: Outcome, state: OrderState | None = None) -> None:
    """Keep the final word on an attempt; `state` where it means something else than it says."""
    attempt.result = state or outcome.state
    attempt.reason = outcome.reason
    attempt.psp_message = outcome.message
    attempt.finished_at = clock.now()
    if attempt.accepted_at is None and attempt.psp_ref is not None:
        attempt.accepted_at = attempt.finished_at
    attempt.save(update_fields=["result", "reason", "psp_message", "finished_at", "accepted_at"])


def _take_reference(payment: Payment, attempt: Attempt, outcome: Outcome) -> bool:
    """Remember the PSP's reference; False when it cannot be this attempt's."""
    psp_ref = outcome.psp_ref
    if psp_ref is None or psp_ref == attempt.psp_ref:
        return True
    if attempt.psp_ref is not None or Attempt.objects.filter(psp_ref=psp_ref).exists():
        _contradiction(payment, attempt, outcome)
        return False
    attempt.psp_ref = psp_ref
    attempt.save(update_fields=["psp_ref"])
    if attempt.number == payment.attempt:
        payment.psp_ref = psp_ref
        save(payment, "psp_ref")
    return True


def _fits(payment: Payment, attempt: Attempt, outcome: Outcome) -> bool:
    """Whether the PSP speaks of our amount. If not, nothing moves until a person has looked."""
    if outcome.money is None or outcome.money == payment.money:
        return True
    raise_alert(
        type=AlertType.RECONCILIATION_MISMATCH,
        severity=Severity.CRITICAL,
        subject=payment.reference,
        message="The PSP reports another amount for a payment than the one it was given.",
        payload={
            **_figures(payment),
            "reported_minor": outcome.money.amount_minor,
            "reported_currency": outcome.money.currency,
            "reported_state": str(outcome.state),
        },
    )
    if _is_open(payment, attempt):
        payment.lease_until = clock.now() + LONGEST_WAIT
        save(payment, "lease_until")
    return False


def _contradiction(payment: Payment, attempt: Attempt, outcome: Outcome) -> None:
    """The report excludes what is known. Nothing is paid on this row until staff has looked."""
    if payment.status in _IS_NOT_PAID and payment.hold_reason in _YIELDING:
        payment.hold_reason = Hold.CONTRADICTION
        payment.reason = Reason.ON_HOLD
        save(payment, "hold_reason", "reason")
        tell(
            payment, Action.PAYMENT_HELD, "system:payments", body={"hold": str(Hold.CONTRADICTION)}
        )
    stop_rest(payment)
    raise_alert(
        type=AlertType.PSP_EVENT_CONTRADICTS,
        severity=Severity.CRITICAL,
        subject=payment.reference,
        message="The PSP reports something that contradicts what is known of a payment.",
        payload={
            **_figures(payment),
            "reported_attempt": attempt.number,
            "reported_state": str(outcome.state),
            "known_result": str(attempt.result),
        },
    )


def _figures(payment: Payment) -> dict[str, str | int]:
    return {
        "escrow": payment.escrow_id,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "status": str(payment.status),
        "attempt": payment.attempt,
        "reason": str(payment.reason),
    }
