"""What each step of a payment books. Every step has one key, so it is booked once."""

from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.ledger.chart import AccountRef, PostingCode
from payments.ledger.services import Posted, credit, debit, post
from payments.models import Payment, PaymentKind, PaymentMethod
from payments.psp.registry import MANUAL


def book_sent(payment: Payment) -> Posted:
    """The money is on its way: it is no longer the payee's to claim, and not yet gone."""
    return _move(payment, "sent", PostingCode.PAYMENT_SENT, owed(payment), _transit(payment))


def book_settled(payment: Payment) -> Posted:
    """The money arrived: it has left the PSP, or the collector."""
    return _move(payment, "settled", PostingCode.PAYMENT_SETTLED, _transit(payment), _from(payment))


def book_failed(payment: Payment) -> Posted:
    """The money never left: it is the payee's again."""
    return _move(payment, "failed", PostingCode.PAYMENT_FAILED, _transit(payment), owed(payment))


def book_never_received(payment: Payment) -> Posted:
    """The PSP never got the order: the money is the payee's again, unless the order turns up."""
    code = PostingCode.PAYMENT_FAILED
    return _move(payment, "never_received", code, _transit(payment), owed(payment))


def book_found(payment: Payment) -> Posted:
    """The order turned up: the money is on its way, as it was before. One that failed then, and was
    paid after all, turns up a second time."""
    step = next_step(payment, "found")
    return _move(payment, step, PostingCode.PAYMENT_SENT, owed(payment), _transit(payment))


def book_returned(payment: Payment) -> Posted:
    """The money came back to the PSP: it is the payee's again."""
    return _move(payment, "returned", PostingCode.PAYMENT_RETURNED, _from(payment), owed(payment))


def next_step(payment: Payment, step: str) -> str:
    """The name of a step that one try of a payment may take twice."""
    first = f"{payment.reference}:{payment.attempt}:{step}"
    return f"{step}_again" if ledger.transfers([first]).exists() else step


def _move(
    payment: Payment, step: str, code: PostingCode, debited: AccountRef, credited: AccountRef
) -> Posted:
    return post(
        business_key=f"{payment.reference}:{payment.attempt}:{step}",
        code=code,
        currency=payment.currency,
        legs=[debit(debited, payment.amount_minor), credit(credited, payment.amount_minor)],
    )


def _transit(payment: Payment) -> AccountRef:
    return chart.in_transit(payment.pk)


def owed(payment: Payment) -> AccountRef:
    """The account of whoever is to be paid, for as long as the money is here."""
    if payment.payee_id is None:
        return chart.party_payable(payment.party)
    if payment.kind == PaymentKind.REFUND:
        return chart.user_funds(payment.payee_id)
    return chart.user_payable(payment.payee_id)


def _from(payment: Payment) -> AccountRef:
    if payment.method == PaymentMethod.PSP:
        return chart.psp(payment.psp)
    if payment.collector_id is not None:
        return chart.collector(payment.collector_id)
    return chart.psp(MANUAL)
