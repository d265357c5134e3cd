"""What people write in a command stays on its row: the trail and the events hold no words."""

import json

import pytest

from audit.models import Alert, AuditEntry, OutboxEvent
from escrow.tests.factories import make_escrow, minor_of
from kobatela.accounts.tests.factories import ROOT, make_caller, make_staff_caller
from kobatela.kernel.caller import Scope
from payments.models import Payment
from payments.tests.factories import make_settled
from payments.tests.stub_psp import StubPsp
from spend.models import AllowedPayee, Purchase
from spend.services import catalogue, permissions, refunds, spendings, take_backs
from spend.services.destinations import Destination
from spend.tests.factories import as_sender, buy, make_mandate, make_merchant

pytestmark = pytest.mark.django_db
WORDS = "Awa Diop +221771234567"
ACCOUNT = Destination(
    kind="mobile_money", fields={"operator": "mtn", "number": "+22507010203"}, holder=WORDS
)


def name_everything() -> AllowedPayee:
    """Every command of the catalogue and of payees that takes a text of its own."""
    category = catalogue.create_category(caller=ROOT, code="food", label=WORDS)
    catalogue.update_category(
        caller=ROOT, category_id=category.pk, changes={"label": f"{WORDS} again"}
    )
    merchant = catalogue.create_merchant(caller=ROOT, name=WORDS, destination=ACCOUNT)
    catalogue.update_merchant(
        caller=ROOT, merchant_id=merchant.pk, changes={"name": f"{WORDS} again"}
    )
    payee = permissions.allow_payee(
        caller=ROOT,
        escrow_id=make_escrow().pk,
        payee_ref=WORDS,
        label=WORDS,
        destination=ACCOUNT,
        daily_limit_in=None,
        total_limit_in=None,
    )
    return permissions.update_payee(caller=ROOT, payee_id=payee.pk, label=f"{WORDS} again")


def spend_with_notes(payee: AllowedPayee, psp: StubPsp) -> Purchase:
    """Every command on money that takes a note."""
    client, staff = make_caller(Scope.SENDER, payee.escrow.client), make_staff_caller()
    paid = spendings.pay_payee(
        caller=client,
        escrow_id=payee.escrow_id,
        payee_ref=payee.payee_ref,
        amount_in=minor_of(1_000),
        note=WORDS,
    )
    assert paid.payment is not None
    take_backs.take_back_spending(caller=staff, payment_id=paid.payment.pk, note=WORDS)
    mandate = make_mandate(escrow=payee.escrow)
    purchase = buy(mandate, 1_000, make_merchant())
    make_settled(psp, Payment.objects.get(origin=purchase.reference))
    refunds.refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk, note=WORDS)
    refunds.deny_refund(caller=staff, purchase_id=purchase.pk, note=WORDS)
    assert Purchase.objects.get(pk=purchase.pk).refund_note == WORDS
    refunds.refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk, note=WORDS)
    refunds.refund_purchase(caller=staff, purchase_id=purchase.pk, note=WORDS)
    return purchase


def test_no_command_writes_words_into_the_trail_or_sends_them_with_an_event(psp: StubPsp) -> None:
    purchase = spend_with_notes(name_everything(), psp)

    denied = AuditEntry.objects.get(action="purchase.refund_denied", subject=purchase.reference)
    assert json.loads(denied.body)["has_note"] is True
    told = [
        *AuditEntry.objects.values_list("action", "body"),
        *OutboxEvent.objects.values_list("event", "body"),
        *Alert.objects.values_list("message", "payload"),
    ]
    assert len(told) > 20
    for name, body in told:
        assert "Awa" not in f"{name} {body}", name
        assert "771234567" not in f"{name} {body}", name
