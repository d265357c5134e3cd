"""What must always hold between payments and the books."""

from audit import selectors as audit_selectors
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Payment, PaymentStatus


def assert_in_order() -> None:
    """The ledger agrees with itself, and every payment's money is where its state says."""
    assert ledger.check() == []
    for payment in Payment.objects.all():
        expected = payment.amount_minor if payment.status == PaymentStatus.SENT else 0
        found = ledger.balance_minor(chart.in_transit(payment.pk), payment.currency)
        assert found == expected, payment
    assert audit_selectors.stream_gaps() == []


def payable(payment: Payment) -> int:
    """What the payee may claim."""
    assert payment.payee_id is not None
    return ledger.balance_minor(chart.user_payable(payment.payee_id), payment.currency)


def funds(payment: Payment) -> int:
    """What is on the sender's own account."""
    assert payment.payee_id is not None
    return ledger.balance_minor(chart.user_funds(payment.payee_id), payment.currency)


def at_psp(currency: str = "EUR", name: str = "fake") -> int:
    """What we have at the PSP."""
    return ledger.balance_minor(chart.psp(name), currency)
