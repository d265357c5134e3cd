"""A debt that two people wrote off is our loss: what comes back makes it good first of all."""

import pytest

from escrow.services.refunds import refund_escrow
from escrow.tests.factories import as_client, as_provider
from kobatela.accounts.tests.factories import make_staff_caller
from payments.errors import PaymentOnHold
from payments.models import Payment
from payments.psp.base import OrderState
from payments.services.chargebacks import write_off
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.tests.factories import charged_escrow, make_settled, report
from payments.tests.stub_psp import StubPsp
from payments.tests.test_chargebacks import books, in_order, tell, the_case

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("amount", "lost", "rest"), [("100.00", 10_000, 0), ("30.00", 3_000, 7_000)]
)
def test_a_refund_that_comes_back_makes_a_written_off_debt_good_first(
    psp: StubPsp, amount: str, lost: int, rest: int
) -> None:
    escrow, funding = charged_escrow()
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    refund = make_settled(psp, Payment.objects.get())
    tell("lost", funding, amount=amount)
    for _ in range(2):
        write_off(chargeback_id=the_case().pk, caller=make_staff_caller("admin"))
    assert books(the_case()) == {"psp": -lost, "loss": lost}

    report(refund, OrderState.RETURNED)

    # The payer has the other from their bank: only what is above that is theirs.
    found = books(the_case())
    assert {"loss", "owed"}.isdisjoint(found)
    assert found.get("funds", 0) == rest
    assert the_case().recovered_minor == lost
    in_order()
    kept = Payment.objects.get(business_key=f"{refund.reference}:again")
    assert kept.hold_reason == "charged_back"
    with pytest.raises(PaymentOnHold):
        execute_payment(payment_id=kept.pk, caller=as_client(escrow))
    send_payment(payment_id=kept.pk)
    assert len(psp.sent) == 1
