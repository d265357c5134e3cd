"""What support or a sender takes back while somebody spends: told that it is done, it is done."""

from collections.abc import Callable
from functools import partial

import pytest
from django.db import transaction

from escrow import selectors as escrow_selectors
from escrow.models import Escrow
from escrow.tests.factories import make_escrow
from kobatela.accounts.services.users import update_user
from kobatela.accounts.tests.factories import ROOT, make_caller, make_user
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import DomainError
from kobatela.kernel.money import Money
from payments.models import Payment
from spend.models import Basis, Level, Mandate, Merchant, Purchase, Transfer
from spend.services import transfers
from spend.services.catalogue import update_merchant
from spend.services.destinations import Destination
from spend.services.permissions import take_back_usage
from spend.tests.factories import allow, as_beneficiary, buy, make_mandate, make_merchant
from spend.tests.waiting import while_it_waits

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def outcome(spend: Callable[[], object]) -> str:
    """Whether it was spent, or the code of the refusal."""
    try:
        with transaction.atomic():
            spend()
    except DomainError as refusal:
        return refusal.code
    return "spent"


def bought_after(
    mandate: Mandate,
    merchant: Merchant,
    *,
    holding: Callable[[], object],
    then: Callable[[], object] = lambda: None,
) -> str:
    """What becomes of a purchase that waited for `holding`, while `then` was done."""
    purchase = partial(buy, mandate, 1_000, merchant, caller=as_beneficiary(mandate))
    return while_it_waits(lambda: outcome(purchase), holding=holding, then=then)


def hold(escrow: Escrow) -> Callable[[], object]:
    """Somebody else's command on the escrow, which takes its time."""
    return partial(escrow_selectors.lock_escrow, escrow.pk)


def test_a_purchase_is_decided_on_what_holds_after_its_wait_for_the_escrow() -> None:
    escrow, former, new = make_escrow(), make_user(), make_user()
    mandate = make_mandate(escrow=escrow)
    to_former, to_new = Destination(user_id=former.pk), Destination(user_id=new.pk)
    withdrawn, moved = (make_merchant(destination=to_former) for _ in range(2))
    change = partial(update_merchant, caller=ROOT)
    stop = partial(change, merchant_id=withdrawn.pk, changes={"is_active": False})
    redirect = partial(change, merchant_id=moved.pk, changes={}, destination=to_new)

    assert bought_after(mandate, withdrawn, holding=hold(escrow), then=stop) == "MERCHANT_INACTIVE"
    assert not Payment.objects.exists()
    assert bought_after(mandate, moved, holding=hold(escrow), then=redirect) == "spent"
    assert [payment.payee_id for payment in Payment.objects.all()] == [new.pk]

    # Either side that is deactivated meanwhile; whose key it is makes no difference.
    for side in (mandate.beneficiary, mandate.sender):
        switch = partial(update_user, caller=ROOT, user_id=side.pk)
        off = partial(switch, changes={"is_active": False})
        assert bought_after(mandate, moved, holding=hold(escrow), then=off) == "VALIDATION_ERROR"
        switch(changes={"is_active": True})
    assert Purchase.objects.count() == 1


def test_what_a_purchase_stands_on_is_not_taken_back_beneath_it() -> None:
    mandate, merchant = make_mandate(), make_merchant(is_certified=False)
    usage = allow(mandate.beneficiary, merchant=merchant)
    take_back = partial(take_back_usage, caller=ROOT, usage_id=usage.pk)
    stop = partial(
        update_merchant, caller=ROOT, merchant_id=merchant.pk, changes={"is_active": False}
    )

    assert bought_after(mandate, merchant, holding=take_back) == "UNAUTHORIZED_USAGE"
    assert bought_after(mandate, merchant, holding=stop) == "MERCHANT_INACTIVE"
    assert not Purchase.objects.exists()


def test_a_transfer_waits_for_who_is_taking_its_permission_back() -> None:
    sender, receiver = make_user(), make_user()
    pair = transfers.allow_recipient(caller=ROOT, owner_id=sender.pk, recipient_id=receiver.pk)
    certified = transfers.certify_account(caller=ROOT, user_id=receiver.pk, level=Level.GOLD)
    record = partial(
        transfers.record_transfer,
        caller=make_caller(Scope.ADMIN),
        sender_id=sender.pk,
        receiver_id=receiver.pk,
        money=Money(100, "EUR"),
    )
    uncertify = partial(transfers.remove_certification, caller=ROOT, certified_id=certified.row.pk)
    unlist = partial(transfers.remove_recipient, caller=ROOT, allowed_id=pair.row.pk)

    assert while_it_waits(lambda: outcome(record), holding=unlist) == "spent"
    assert Transfer.objects.get().basis == Basis.CERTIFIED
    assert while_it_waits(lambda: outcome(record), holding=uncertify) == "UNAUTHORIZED_TRANSFER"
    assert Transfer.objects.count() == 1
