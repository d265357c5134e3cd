"""What was bought, given back, and then comes back from the PSP as well."""

import pytest

from escrow.tests.books import assert_in_order
from escrow.tests.factories import as_client
from kobatela.accounts.tests.factories import make_staff_caller
from payments.errors import PaymentOnHold
from payments.models import Payment
from payments.psp.base import OrderState
from payments.services.payouts import execute_payment
from payments.tests.conftest import psp as psp  # noqa: PLC0414 - the PSP that pays
from payments.tests.factories import charged_escrow, make_settled, report
from payments.tests.stub_psp import StubPsp
from spend.services.refunds import refund_purchase
from spend.tests.factories import buy, make_mandate

pytestmark = pytest.mark.django_db


def test_a_merchant_who_gave_the_money_back_is_not_paid_again_when_it_returns(
    psp: StubPsp,
) -> None:
    escrow, _ = charged_escrow()
    purchase = buy(make_mandate(escrow=escrow), 6_000)
    payment = make_settled(psp, Payment.objects.get())
    refund_purchase(
        caller=make_staff_caller("support"), purchase_id=purchase.pk, note="Seen on the account."
    )

    report(payment, OrderState.RETURNED)

    successor = Payment.objects.order_by("pk").last()
    assert successor is not None
    assert (successor.status, successor.hold_reason) == ("PENDING", "contradiction")
    with pytest.raises(PaymentOnHold):
        execute_payment(payment_id=successor.pk, caller=as_client(escrow))
    assert len(psp.orders) == 1
    assert_in_order()
