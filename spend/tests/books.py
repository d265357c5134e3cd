"""What must always hold between what was spent and the books."""

from django.db.models import Sum

from escrow.models import Escrow
from escrow.tests.books import assert_in_order as escrows_in_order
from payments.models import Payment, PaymentStatus
from spend.models import AllowedPayee, Mandate, MandateStatus, Purchase, PurchaseStatus, Spending


def assert_in_order() -> None:
    """Nothing is spent above a limit, and everything spent stands in the books of its escrow."""
    escrows_in_order()
    for mandate in Mandate.objects.all():
        spent = spent_under(mandate)
        assert spent <= mandate.total_minor
        if mandate.status == MandateStatus.CONSUMED:
            assert spent == mandate.total_minor
    for payee in AllowedPayee.objects.filter(total_limit_minor__isnull=False):
        assert paid_to(payee) <= (payee.total_limit_minor or 0)
    for escrow in Escrow.objects.all():
        _agrees(escrow)


def spent_under(mandate: Mandate) -> int:
    """The purchases of a mandate that were not given back."""
    counted = Purchase.objects.filter(mandate=mandate).exclude(status=PurchaseStatus.REFUNDED)
    return counted.aggregate(sum=Sum("amount_minor"))["sum"] or 0


def paid_to(payee: AllowedPayee) -> int:
    """All that a payee was paid, or is to be."""
    paid = Spending.objects.filter(
        escrow=payee.escrow_id, payee_ref=payee.payee_ref, taken_back_at=None
    )
    return paid.aggregate(sum=Sum("amount_minor"))["sum"] or 0


def _agrees(escrow: Escrow) -> None:
    """What left the escrow for merchants and payees is what was spent and not given back."""
    money_back = Purchase.objects.filter(escrow=escrow, status=PurchaseStatus.REFUNDED)
    bought = Purchase.objects.filter(escrow=escrow).exclude(pk__in=money_back)
    spent = sum(purchase.amount_minor for purchase in bought)
    paid = Spending.objects.filter(escrow=escrow, taken_back_at=None)
    spent += sum(row.amount_minor for row in paid)
    payouts = Payment.objects.filter(escrow=escrow, kind="payout")
    payouts = payouts.exclude(status=PaymentStatus.REFUNDED)
    assert spent + sum(row.amount_minor for row in payouts) == escrow.released_minor
