"""What was bought from an escrow whose payer's bank takes the deposit back."""

import pytest
from django.db import transaction

from escrow.models import Escrow
from escrow.tests.books import assert_in_order
from kobatela.accounts.tests.factories import make_staff_caller
from payments.errors import PaymentOnHold
from payments.models import Chargeback, Funding, Payment
from payments.services.chargebacks import write_off
from payments.services.sending import send_payment
from payments.tests.conftest import psp as psp  # noqa: PLC0414 - the PSP that charges
from payments.tests.factories import charged_escrow, make_failed, take_event
from payments.tests.stub_psp import StubPsp
from spend.models import Purchase
from spend.services.refunds import refund_purchase
from spend.tests.factories import as_sender, buy, make_mandate

pytestmark = pytest.mark.django_db


def failed_purchase(psp: StubPsp) -> tuple[Purchase, Funding, Escrow]:
    """60 of 100 were to go to a merchant, and the PSP would not."""
    escrow, funding = charged_escrow()
    mandate = make_mandate(escrow=escrow)
    purchase = buy(mandate, 6_000)
    make_failed(psp, Payment.objects.get())
    return purchase, funding, escrow


def tell(what: str, funding: Funding) -> None:
    """The PSP reports of the case about the charge."""
    take_event(f"chargeback.{what}", psp_ref="cb_1", payment_reference=funding.psp_ref)


@pytest.mark.parametrize("told", [["opened"], ["opened", "lost"]])
def test_a_payer_does_not_take_back_what_the_bank_gives_or_gave_them(
    psp: StubPsp, told: list[str]
) -> None:
    purchase, funding, escrow = failed_purchase(psp)
    for what in told:
        tell(what, funding)

    with pytest.raises(PaymentOnHold), transaction.atomic():
        refund_purchase(caller=as_sender(purchase.mandate), purchase_id=purchase.pk)

    escrow.refresh_from_db()
    purchase.refresh_from_db()
    assert (escrow.released_minor, purchase.status) == (6_000, "COMPLETED")
    assert_in_order()


def test_once_the_debt_is_written_off_the_purchase_can_be_taken_back(psp: StubPsp) -> None:
    purchase, funding, escrow = failed_purchase(psp)
    tell("lost", funding)
    case = Chargeback.objects.get()
    assert case.owed_minor == 6_000
    write_off(chargeback_id=case.pk, caller=make_staff_caller("admin"))

    refund_purchase(caller=as_sender(purchase.mandate), purchase_id=purchase.pk)

    escrow.refresh_from_db()
    assert escrow.released_minor == 0
    assert_in_order()


def test_a_case_that_was_won_stands_in_nobodys_way(psp: StubPsp) -> None:
    purchase, funding, escrow = failed_purchase(psp)
    tell("opened", funding)
    tell("won", funding)

    refund_purchase(caller=as_sender(purchase.mandate), purchase_id=purchase.pk)

    escrow.refresh_from_db()
    assert escrow.released_minor == 0
    send_payment(payment_id=Payment.objects.get().pk)
    assert Payment.objects.get().status == "CANCELLED"
    assert_in_order()
