"""Who is paid elsewhere from now on, and who is not paid because they were deactivated."""

from datetime import timedelta

import pytest
from pytest_django import Settings

from audit.models import Alert, AuditEntry
from escrow.tests.factories import make_escrow
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import ROOT, make_key, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Api
from payments.errors import NothingToCollect
from payments.models import Payment
from payments.selectors import payments_to_route
from payments.services.batches import collect_batch
from payments.services.routes import account_for
from payments.services.sending import send_payment
from payments.tests.accounts import make_destination
from payments.tests.stub_psp import StubPsp
from spend.errors import MerchantIsParty, OwnSpendForbidden, PayeeInactive, PayeeNotFound
from spend.models import Purchase, Spending
from spend.services.catalogue import update_merchant
from spend.services.destinations import Destination
from spend.services.permissions import take_back_payee, update_payee
from spend.tests.factories import as_sender, buy, make_mandate, make_merchant, make_payee, pay
from spend.tests.refusals import details_of, refused
from spend.tests.test_take_backs import take_back

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def account(number: str) -> Destination:
    """A mobile money account."""
    return Destination(kind="mobile_money", fields={"operator": "mtn", "number": number})


def sent(payment: Payment) -> Payment:
    """The payment, after a worker has had it."""
    send_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    return payment


def deactivate(user: User) -> None:
    """Stop a user."""
    User.objects.filter(pk=user.pk).update(is_active=False)


def test_what_waits_for_a_payee_goes_to_the_account_they_name_now(settings: Settings) -> None:
    settings.KOBATELA_PSP = "manual"
    payee = make_payee(destination=account("+22507010203"), total=1_000)
    payment = pay(payee, 1_000)

    update_payee(caller=ROOT, payee_id=payee.pk, destination=account("+22507040506"))

    place = account_for(payment)
    assert (place and place.masked, Spending.objects.get().payee_ref) == (
        "****0506",
        payee.payee_ref,
    )
    assert AuditEntry.objects.filter(action="payee.updated").count() == 1
    assert Alert.objects.get(type="DESTINATION_CHANGED").subject == payee.reference
    payee.refresh_from_db()
    assert (payee.total_limit_minor, payee.label) == (1_000, "A payee")


def test_a_payee_who_was_taken_back_and_a_friend_of_staff_are_named_by_nobody() -> None:
    payee = make_payee()
    staff = make_user()
    from_staff = ROOT.__class__(scope=ROOT.scope, actor=ROOT.actor, user_id=staff.pk)
    with refused(OwnSpendForbidden):
        update_payee(
            caller=from_staff, payee_id=payee.pk, destination=Destination(user_id=staff.pk)
        )
    take_back_payee(caller=ROOT, payee_id=payee.pk)
    with refused(PayeeNotFound):
        update_payee(caller=ROOT, payee_id=payee.pk, label="Somebody else")
    before = (payee.label, payee.payee_id)
    payee.refresh_from_db()
    assert (payee.label, payee.payee_id) == before
    assert not AuditEntry.objects.filter(action="payee.updated").exists()


@pytest.mark.parametrize("kind", ["merchant", "payee"])
def test_a_user_who_is_named_now_is_paid_after_the_cooling_off(
    kind: str, psp: StubPsp, settings: Settings
) -> None:
    user, escrow = make_user(), make_escrow()
    merchant, payee = make_merchant(), make_payee(escrow)
    settings.KOBATELA_DESTINATION_COOLING_S = int(DAY.total_seconds())
    with clock.frozen(clock.now()):
        to_user = Destination(user_id=user.pk)
        if kind == "merchant":
            update_merchant(caller=ROOT, merchant_id=merchant.pk, changes={}, destination=to_user)
            purchase = buy(make_mandate(escrow=escrow), 1_000, merchant)
            payment = Payment.objects.get(origin=purchase.reference)
        else:
            update_payee(caller=ROOT, payee_id=payee.pk, destination=to_user)
            payment = pay(payee)
        assert (payment.payee_id, payment.reason) == (user.pk, "PAYEE_TOO_NEW")
        assert Alert.objects.filter(type="DESTINATION_CHANGED").count() == 1
        clock.advance(DAY - timedelta(seconds=1))
        assert sent(payment).status == "PENDING"
        assert payments_to_route(clock.now(), 10) == []
        clock.advance(timedelta(seconds=1))
        assert payments_to_route(clock.now(), 10) == [payment.pk]
        assert (sent(payment).status, payment.reason) == ("SENT", "")
    assert len(psp.sent) == 1


def test_nobody_buys_from_themselves_nor_lets_the_other_side_be_the_seller() -> None:
    mandate = make_mandate(escrow=make_escrow())
    for side in (mandate.sender_id, mandate.beneficiary_id):
        merchant = make_merchant(destination=Destination(user_id=side))
        with refused(MerchantIsParty) as refusal:
            buy(mandate, 100, merchant)
        assert details_of(refusal)["rule"] == "merchant_apart"
    assert not Purchase.objects.exists()


def test_a_budget_is_not_paid_out_to_who_is_close_to_its_sender_or_its_buyer() -> None:
    manager = make_user()
    child, sibling = make_user(managed_by=manager), make_user(managed_by=manager)
    seller = make_merchant(destination=Destination(user_id=manager.pk))
    sisters = make_merchant(destination=Destination(user_id=sibling.pk))
    childs = make_merchant(destination=Destination(user_id=child.pk))
    for sender, beneficiary, merchant in (
        (make_user(), child, seller),
        (make_user(), child, sisters),
        (child, make_user(), sisters),
        (manager, make_user(), childs),
    ):
        mandate = make_mandate(sender, beneficiary)
        with refused(MerchantIsParty):
            buy(mandate, 100, merchant, caller=as_sender(mandate))
        api = Api(make_key(Scope.SENDER, user=mandate.sender)[1])
        asked = {
            "sender_id": mandate.sender_id,
            "beneficiary_id": mandate.beneficiary_id,
            "merchant_id": merchant.pk,
            "amount": "1.00",
            "currency": "EUR",
        }
        answer = api.post("/spend/purchases?simulate=true", json=asked)
        assert answer.json["refusal"]["code"] == "MERCHANT_IS_PARTY"
    assert not Purchase.objects.exists()
    # Who is close to neither sells to both.
    apart = make_merchant(destination=Destination(user_id=make_user().pk))
    buy(make_mandate(manager, child), 100, apart)


def test_nothing_is_spent_on_who_was_deactivated_and_what_waits_goes_on_waiting(
    psp: StubPsp,
) -> None:
    user, escrow = make_user(), make_escrow()
    payee = make_payee(escrow, destination=Destination(user_id=user.pk))
    merchant = make_merchant(destination=Destination(user_id=user.pk))
    waiting, unwanted = pay(payee), pay(payee, 500)
    mandate = make_mandate(escrow=escrow)
    deactivate(user)

    with refused(PayeeInactive) as refusal:
        pay(payee)
    assert details_of(refusal)["rule"] == "payee_active"
    with refused(PayeeInactive):
        buy(mandate, 100, merchant, caller=as_sender(mandate))
    assert not Purchase.objects.exists()
    assert (sent(waiting).status, waiting.reason) == ("PENDING", "PAYEE_INACTIVE")
    assert payments_to_route(clock.now(), 10) == []
    take_back(payee, unwanted)
    User.objects.filter(pk=user.pk).update(is_active=True)
    assert payments_to_route(clock.now(), 10) == [waiting.pk]
    assert sent(waiting).status == "SENT"
    assert len(psp.sent) == 1


def test_people_collect_nothing_for_who_was_deactivated(settings: Settings) -> None:
    settings.KOBATELA_PSP = "manual"
    user = make_user()
    make_destination(user)
    payee = make_payee(destination=Destination(user_id=user.pk))
    payment = pay(payee)
    assert (payment.psp, payment.reason) == ("manual", "")
    deactivate(user)

    with refused(NothingToCollect):
        collect_batch(caller=ROOT, currency="EUR", kind="mobile_money")
    assert payments_to_route(clock.now(), 10) == [payment.pk]
    assert sent(payment).reason == "PAYEE_INACTIVE"
