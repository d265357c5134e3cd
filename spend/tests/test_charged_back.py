"""What was bought from an escrow whose payer's bank takes the deposit back."""

from datetime import timedelta

import pytest
from django.db import transaction

from audit.models import Alert, AuditEntry
from escrow.models import Escrow
from escrow.services.acceptance import approve_escrow
from escrow.services.deadlines import apply_due
from escrow.services.journal import Said
from escrow.tests.books import assert_in_order
from escrow.tests.factories import as_client
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments.errors import PaymentOnHold
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Chargeback, Funding, FundsMove, Payment
from payments.services.chargebacks import write_off
from payments.services.funds import approve_move, propose_move
from payments.services.sending import send_payment
from payments.tests.conftest import psp as psp  # noqa: PLC0414 - the PSP that charges
from payments.tests.factories import charged_escrow, make_failed, make_settled, take_event
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


def tell(what: str, funding: Funding, **fields: str) -> None:
    """The PSP reports of the case about the charge."""
    take_event(f"chargeback.{what}", psp_ref="cb_1", payment_reference=funding.psp_ref, **fields)


def make_good(case: Chargeback) -> None:
    """The payer pays the debt with money of their own."""
    first, second = make_staff_caller("admin"), make_staff_caller("admin")
    move = propose_move(
        caller=first,
        source=f"chargeback:{case.pk}",
        target="fake",
        money=Money(case.open_debt_minor, "EUR"),
        bank_ref="VIR 9/26",
    ).move
    approve_move(caller=second, move_id=move.pk)


def test_a_payer_does_not_take_back_what_the_bank_may_be_about_to_give_them(psp: StubPsp) -> None:
    purchase, funding, escrow = failed_purchase(psp)
    tell("opened", funding)

    with pytest.raises(PaymentOnHold), transaction.atomic():
        refund_purchase(caller=as_sender(purchase.mandate), purchase_id=purchase.pk)

    escrow.refresh_from_db()
    purchase.refresh_from_db()
    assert (escrow.released_minor, purchase.status) == (6_000, "COMPLETED")
    assert_in_order()


@pytest.mark.parametrize(
    ("amount", "set_off", "free"), [("100.00", 6_000, 0), ("70.00", 3_000, 3_000)]
)
def test_what_is_taken_back_pays_what_the_bank_gave_the_payer_and_the_rest_is_free(
    psp: StubPsp, amount: str, set_off: int, free: int
) -> None:
    purchase, funding, escrow = failed_purchase(psp)
    tell("lost", funding, amount=amount)
    case = Chargeback.objects.get()
    assert (case.frozen_minor, case.open_debt_minor) == (4_000, set_off)

    refund_purchase(caller=as_sender(purchase.mandate), purchase_id=purchase.pk)

    escrow.refresh_from_db()
    case.refresh_from_db()
    assert (case.recovered_minor, case.open_debt_minor) == (set_off, 0)
    assert ledger.balance_minor(chart.receivable(case.payer_id), "EUR") == 0
    assert (escrow.released_minor, escrow.available_minor) == (0, free)
    assert escrow.funded_minor == 10_000 - 4_000 - set_off
    assert_in_order()


def test_what_a_merchant_gave_back_pays_the_debt_first(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    purchase = buy(make_mandate(escrow=escrow), 6_000)
    make_settled(psp, Payment.objects.get())
    tell("lost", funding, amount="70.00")

    for _ in range(2):
        refund_purchase(caller=make_staff_caller(), purchase_id=purchase.pk, note="It came back.")
        purchase.refresh_from_db()
        if purchase.status == "REFUNDED":
            break

    escrow.refresh_from_db()
    assert (escrow.released_minor, escrow.available_minor) == (0, 3_000)
    assert ledger.balance_minor(chart.psp("manual"), "EUR") == 6_000
    assert Chargeback.objects.get().open_debt_minor == 0
    assert_in_order()


def test_the_senders_word_alone_pays_no_debt(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    purchase = buy(make_mandate(escrow=escrow), 6_000)
    make_settled(psp, Payment.objects.get())
    tell("lost", funding)

    refund_purchase(caller=as_sender(purchase.mandate), purchase_id=purchase.pk)

    purchase.refresh_from_db()
    assert (purchase.status, Chargeback.objects.get().open_debt_minor) == ("REFUND_PENDING", 6_000)
    assert_in_order()


@pytest.mark.parametrize(
    ("amount", "lost", "free"), [("100.00", 6_000, 0), ("70.00", 3_000, 3_000)]
)
def test_what_is_taken_back_makes_a_written_off_debt_good_first(
    psp: StubPsp, amount: str, lost: int, free: int
) -> None:
    purchase, funding, escrow = failed_purchase(psp)
    tell("lost", funding, amount=amount)
    case = Chargeback.objects.get()
    assert case.owed_minor == lost
    for _ in range(2):
        write_off(chargeback_id=case.pk, caller=make_staff_caller("admin"))

    refund_purchase(caller=as_sender(purchase.mandate), purchase_id=purchase.pk)

    escrow.refresh_from_db()
    assert (escrow.released_minor, escrow.available_minor) == (0, free)
    assert escrow.funded_minor == 10_000 - 4_000 - lost
    assert ledger.balance_minor(chart.chargeback_loss(), "EUR") == 0
    assert_in_order()


@pytest.mark.parametrize("ends", ["at its deadline", "before"])
def test_what_comes_back_after_the_debt_was_made_good_goes_back_by_hand(
    psp: StubPsp, ends: str
) -> None:
    purchase, funding, escrow = failed_purchase(psp)
    if ends == "before":
        approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    tell("lost", funding)
    make_good(Chargeback.objects.get())
    refund_purchase(caller=as_sender(purchase.mandate), purchase_id=purchase.pk)
    with clock.frozen(escrow.deadline_at + timedelta(hours=1)):
        apply_due(escrow_id=escrow.pk)

    escrow.refresh_from_db()
    refund = Payment.objects.latest("pk")
    assert (refund.kind, refund.amount_minor, refund.psp) == ("refund", 6_000, "manual")
    assert (refund.method, refund.charge_ref, refund.payee_id) == ("external", "", escrow.client_id)
    assert (escrow.held_minor, escrow.refunded_minor) == (0, 6_000)
    assert_in_order()


def test_a_deadline_that_can_give_nothing_back_asks_people(psp: StubPsp) -> None:
    purchase, funding, escrow = failed_purchase(psp)
    tell("lost", funding)
    make_good(Chargeback.objects.get())
    refund_purchase(caller=as_sender(purchase.mandate), purchase_id=purchase.pk)
    # Nobody knows any more what made it good.
    FundsMove.objects.update(source="operator")
    with clock.frozen(escrow.deadline_at + timedelta(hours=1)):
        assert apply_due(escrow_id=escrow.pk)
        assert not apply_due(escrow_id=escrow.pk)

    escrow.refresh_from_db()
    assert (escrow.status, escrow.held_minor, escrow.refunded_minor) == ("DISPUTED", 6_000, 0)
    assert "cannot go back" in Alert.objects.get(type="DISPUTE_OPENED").message
    assert AuditEntry.objects.get(action="escrow.disputed").actor == "system:deadline"


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
