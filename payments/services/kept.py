"""Refunds that are kept for ever because the payer's bank gave the payer the same money, and what
happens when such a refund turns out to have been paid all the same."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from audit.actions import Action
from audit.services import entries
from kobatela.kernel import clock
from kobatela.kernel.errors import InvalidState
from payments import selectors
from payments.ledger import chart
from payments.ledger.chart import AccountRef, PostingCode
from payments.ledger.services import credit, debit, post
from payments.models import Chargeback, Hold, KeptRefund, Payment, PaymentStatus
from payments.services import books
from payments.services.rows import add_payment, put_on_hold, rest_of, save, tell

if TYPE_CHECKING:
    from django.db.models import QuerySet

_WAITING = frozenset({PaymentStatus.PENDING, PaymentStatus.ERROR})
# Holds under which one person, or a party, could send the rest of a refund.
_YIELDING = frozenset({Hold.NONE, Hold.RETURNED, Hold.STAFF, Hold.CHARGEBACK})


def keep(payment: Payment, case: Chargeback, amount_minor: int, *, paid_a_debt: bool) -> None:
    """Remember for which case so much of a locked refund is kept; who asks books it.

    paid_a_debt: the case had left it owing; otherwise the case takes it as it is lost.
    """
    KeptRefund.objects.create(
        payment=payment,
        case=case,
        amount_minor=amount_minor,
        paid_a_debt=paid_a_debt,
        created_at=clock.now(),
    )


def where_debts_stand(parts: Iterable[tuple[Chargeback, int]]) -> dict[AccountRef, int]:
    """The accounts on which so much of each case stands, with their sums: the payer's debt, or our
    loss once two people have written that off."""
    sums: dict[AccountRef, int] = defaultdict(int)
    for case, amount_minor in parts:
        is_lost = case.written_off_at is not None
        account = chart.chargeback_loss() if is_lost else chart.receivable(case.payer_id)
        sums[account] += amount_minor
    return sums


def hold_of_rest(payment: Payment) -> Hold:
    """Whom the rest of a refund waits for, asked before the refund itself is kept back.

    A rest waits as the whole did. Of one that failed nobody knows for sure that it did not arrive,
    so that its rest waits until somebody executes it.
    """
    if payment.hold_reason not in {Hold.NONE, Hold.CHARGEBACK}:
        return Hold(payment.hold_reason)
    return Hold.RETURNED if payment.status == PaymentStatus.ERROR else Hold.NONE


def add_rest(payment: Payment, rest_minor: int, *, hold: Hold, actor: str) -> None:
    """Order what is left of a refund that is kept back: it is still owed to the payer."""
    rest = rest_of(payment, rest_minor, business_key=_next_key_of_rest(payment))
    put_on_hold(rest, hold)
    add_payment(rest, actor=actor)


def stop_rest(payment: Payment) -> None:
    """Let two people say whether what is left of a kept refund is paid: the whole of it may have
    been. The escrow and the refund must be locked."""
    rest = _lock_rest(payment)
    if rest is None or rest.status not in _WAITING or rest.hold_reason not in _YIELDING:
        return
    put_on_hold(rest, Hold.CONTRADICTION)
    save(rest, "hold_reason", "reason")
    tell(rest, Action.PAYMENT_HELD, "system:payments", body={"hold": str(Hold.CONTRADICTION)})


def rest_was_sent(payment: Payment) -> bool:
    """Whether what was left of a kept refund has been handed to a PSP, or is about to be."""
    rest = _rests(payment).first()
    if rest is None:
        return False
    return rest.status not in _WAITING or selectors.is_in_batch(rest.pk) or rest_was_sent(rest)


def owe_again(payment: Payment, *, actor: str) -> None:
    """Put on the payer's own account again what was kept of a refund, because it was paid: the
    payer owes what their bank gave them beside it, and what was left of it is not paid any more.

    No effect on a refund of which nothing was kept. The escrow and the refund must be locked.
    Raises InvalidState when what was left of it has been sent.
    """
    if rest_was_sent(payment):
        raise InvalidState("What was left of it has been sent on its own.")
    _give_up(payment, actor)


def _give_up(payment: Payment, actor: str) -> None:
    kept = KeptRefund.objects.filter(payment=payment, undone_at=None).select_related("case")
    parts = list(kept.select_for_update(of=("self", "case"), no_key=True).order_by("case"))
    if not parts:
        return
    assert payment.payee_id is not None, "a refund goes to a user"
    for part in parts:
        _stands_open(part, actor)
    owed_minor = where_debts_stand((part.case, part.amount_minor) for part in parts)
    legs = [debit(account, minor) for account, minor in owed_minor.items()]
    post(
        business_key=f"{payment.reference}:{payment.attempt}:{books.next_step(payment, 'owed')}",
        code=PostingCode.DEBT_OWED_AGAIN,
        currency=payment.currency,
        legs=[*legs, credit(chart.user_funds(payment.payee_id), sum(owed_minor.values()))],
    )
    rest = _lock_rest(payment)
    if rest is not None:
        _give_up(rest, actor)
        rest.transition_to(PaymentStatus.CANCELLED)
        save(rest, "status")
        tell(rest, Action.PAYMENT_TAKEN_BACK, actor)


def _stands_open(part: KeptRefund, actor: str) -> None:
    """Let the case owe so much again, or owe at last what the refund had spared it."""
    case, amount_minor = part.case, part.amount_minor
    if part.paid_a_debt:
        case.recovered_minor -= amount_minor
    else:
        case.returned_minor -= amount_minor
        case.owed_minor += amount_minor
    part.undone_at = case.updated_at = clock.now()
    part.save(update_fields=["undone_at"])
    case.save(update_fields=["recovered_minor", "returned_minor", "owed_minor", "updated_at"])
    entries.record(
        actor=actor,
        action=Action.CHARGEBACK_OWED_AGAIN,
        subject=case.reference,
        stream=f"escrow:{case.escrow_id}",
        body={
            "by": f"payment:{part.payment_id}",
            "amount_minor": amount_minor,
            "currency": case.currency,
            "paid_a_debt": part.paid_a_debt,
            "owed_minor": case.owed_minor,
            "recovered_minor": case.recovered_minor,
            "is_written_off": case.written_off_at is not None,
        },
    )


def _keys_of_rest(payment: Payment) -> list[str]:
    # Kept, found, failed and kept once more: never more often.
    return [f"{payment.reference}:rest", f"{payment.reference}:rest_again"]


def _next_key_of_rest(payment: Payment) -> str:
    first, second = _keys_of_rest(payment)
    return second if Payment.objects.filter(business_key=first).exists() else first


def _rests(payment: Payment) -> "QuerySet[Payment]":
    ours = Payment.objects.filter(business_key__in=_keys_of_rest(payment))
    return ours.exclude(status=PaymentStatus.CANCELLED).order_by()


def _lock_rest(payment: Payment) -> Payment | None:
    return _rests(payment).select_for_update(of=("self",), no_key=True).first()
