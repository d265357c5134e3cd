"""Buying under a mandate, and giving it back."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from audit.models import Alert, AuditEntry
from audit.selectors import entries
from escrow.models import Escrow, EscrowStatus
from escrow.services.disputes import open_dispute
from escrow.services.journal import Acting, Said
from escrow.services.outcomes import settle
from escrow.tests.factories import as_client, make_escrow
from kobatela.accounts.tests.factories import make_caller, make_key, make_staff_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import DomainError, InvalidState, ValidationFailed
from kobatela.rest.tests.client import Api
from payments.errors import PaymentInTransit
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Payment
from payments.psp.base import OrderState
from payments.services.sending import send_payment
from payments.tests.factories import make_failed, make_sent, make_settled, report
from payments.tests.stub_psp import StubPsp
from spend.errors import (
    CategoryMismatch,
    MandateConflict,
    MandateRequired,
    PurchaseAlreadyRefunded,
    SpendRoleForbidden,
    UnauthorizedUsage,
)
from spend.models import Mandate, Merchant, Purchase
from spend.services.destinations import Destination
from spend.services.mandates import revoke_mandate
from spend.services.purchases import make_purchase
from spend.services.refunds import deny_refund, refund_purchase
from spend.tests.books import assert_in_order
from spend.tests.factories import (
    allow,
    as_beneficiary,
    as_sender,
    buy,
    make_category,
    make_mandate,
    make_merchant,
    order_under,
)
from spend.tests.refusals import code_of, details_of, refused

pytestmark = pytest.mark.django_db


def held(escrow: Escrow) -> int:
    """What the ledger holds for an escrow."""
    return ledger.balance_minor(chart.escrow_held(escrow.pk), escrow.currency)


def owed_to(merchant: Merchant) -> int:
    """What a merchant has not been sent yet."""
    return ledger.balance_minor(chart.party_payable(merchant.reference), "EUR")


def payment_of(purchase: Purchase) -> Payment:
    """What pays for a purchase, as it is stored now."""
    assert purchase.payment_id is not None
    return Payment.objects.get(pk=purchase.payment_id)


def statuses() -> list[str]:
    """Where every purchase stands, oldest first."""
    return list(Purchase.objects.order_by("pk").values_list("status", flat=True))


def status_of(mandate: Mandate) -> str:
    """Where a mandate stands now."""
    return Mandate.objects.get(pk=mandate.pk).status


def test_without_an_escrow_a_purchase_records_a_use_and_moves_no_money() -> None:
    mandate = make_mandate(total_minor=5_000)
    purchase = buy(mandate, 1_500)

    assert (purchase.status, purchase.payment_id, purchase.escrow_id) == ("COMPLETED", None, None)
    assert not Payment.objects.exists()
    entry = AuditEntry.objects.get(action="purchase.made")
    assert (entry.subject, entry.stream) == (purchase.reference, mandate.reference)
    assert_in_order()


def test_with_an_escrow_the_merchant_is_paid_from_what_is_free(psp: StubPsp) -> None:
    escrow = make_escrow(milestones=[6_000])
    mandate, merchant = make_mandate(escrow=escrow), make_merchant()
    purchase = buy(mandate, 4_000, merchant)

    payment = payment_of(purchase)
    assert (payment.kind, payment.payee_id, payment.amount_minor) == ("purchase", None, 4_000)
    assert payment.destination == f"fake:merchant:{merchant.pk}"
    assert (held(escrow), owed_to(merchant)) == (6_000, 4_000)
    escrow.refresh_from_db()
    assert (escrow.released_minor, escrow.held_minor) == (4_000, 6_000)
    make_settled(psp, payment)
    assert owed_to(merchant) == 0
    assert AuditEntry.objects.filter(action="purchase.paid", subject=purchase.reference).exists()
    # The next coin is the milestone's.
    with refused(DomainError) as refusal:
        buy(mandate, 1, merchant)
    assert code_of(refusal) == "INSUFFICIENT_ESCROW_BALANCE"
    assert details_of(refusal)["rule"] == "escrow_balance"
    assert_in_order()


def test_a_merchant_who_is_a_user_is_paid_as_one(psp: StubPsp) -> None:
    user = make_user()
    merchant = make_merchant(destination=Destination(user_id=user.pk))
    payment = payment_of(buy(make_mandate(escrow=make_escrow()), 1_000, merchant))
    assert (payment.payee_id, payment.party) == (user.pk, "")
    assert payment.destination == f"fake:{user.pk}"


def test_the_whole_budget_can_be_spent_and_no_coin_more() -> None:
    mandate = make_mandate(total_minor=3_000)
    buy(mandate, 2_000)
    with refused(MandateConflict) as refusal:
        buy(mandate, 1_001)
    assert details_of(refusal)["limits"]["mandate"]["left"] == "10.00"
    buy(mandate, 1_000)
    assert status_of(mandate) == "CONSUMED"
    with refused(MandateRequired):
        buy(mandate, 1)
    assert_in_order()


def test_so_many_purchases_within_an_hour_and_then_again() -> None:
    with clock.frozen(clock.now()):
        mandate, merchant = make_mandate(max_per_hour=2), make_merchant()
        buy(mandate, 100, merchant)
        clock.advance(timedelta(minutes=30))
        refund_purchase(caller=as_sender(mandate), purchase_id=buy(mandate, 100, merchant).pk)
        with refused(DomainError) as refusal:
            buy(mandate, 100, merchant)
        assert code_of(refusal) == "HOURLY_LIMIT_REACHED"
        assert details_of(refusal)["limits"]["per_hour"] == {"limit": 2, "used": 2, "left": 0}
        clock.advance(timedelta(minutes=30))
        buy(mandate, 100, merchant)
        assert statuses() == ["COMPLETED", "REFUNDED", "COMPLETED"]


def test_who_is_not_certified_needs_a_permission_by_name_or_by_category() -> None:
    mandate, category = make_mandate(), make_category()
    merchant = make_merchant(category, is_certified=False)
    with refused(UnauthorizedUsage):
        buy(mandate, 100, merchant)
    allow(mandate.sender, merchant=merchant)
    with refused(UnauthorizedUsage):
        buy(mandate, 100, merchant)
    assert not Purchase.objects.exists()
    allow(mandate.beneficiary, category=category)
    bought = buy(mandate, 100, merchant)
    assert statuses() == ["COMPLETED"]
    assert (bought.merchant_id, bought.category_id) == (merchant.pk, category.pk)


def test_d20_the_category_is_the_merchants_own_whatever_the_buyer_says() -> None:
    food, games = make_category("food"), make_category("games")
    casino = make_merchant(games)
    mandate = make_mandate(allowed_category_id=food.pk)
    with refused(CategoryMismatch) as refusal:
        make_purchase(
            caller=as_beneficiary(mandate),
            order=order_under(mandate, 100, casino, category_id=food.pk),
        )
    assert details_of(refusal)["fields"][0]["field"] == "category_id"
    for category_id in (None, games.pk):
        order = order_under(mandate, 100, casino, category_id=category_id)
        with refused(DomainError) as forbidden:
            make_purchase(caller=as_beneficiary(mandate), order=order)
        assert code_of(forbidden) == "MANDATE_CATEGORY_FORBIDDEN"
    assert not Purchase.objects.exists()


def test_d05_the_caller_is_the_sender_or_the_beneficiary_and_nobody_else() -> None:
    mandate, merchant = make_mandate(), make_merchant()
    for caller in (make_caller(Scope.SENDER, make_user()), make_caller(Scope.SENDER)):
        with refused(ValidationFailed) as refusal:
            buy(mandate, 100, merchant, caller=caller)
        assert details_of(refusal)["fields"][0]["field"] == "sender_id"
    buy(mandate, 100, merchant, caller=as_sender(mandate))
    buy(mandate, 100, merchant, caller=as_beneficiary(mandate))
    manager = make_user()
    child = make_user(managed_by=manager)
    managed = make_mandate(beneficiary=child)
    buy(managed, 100, merchant, caller=make_caller(Scope.SENDER, manager))
    assert [(row.mandate_id, row.beneficiary_id) for row in Purchase.objects.order_by("pk")] == [
        (mandate.pk, mandate.beneficiary_id),
        (mandate.pk, mandate.beneficiary_id),
        (managed.pk, child.pk),
    ]


def test_a_person_who_is_not_active_buys_nothing() -> None:
    mandate = make_mandate()
    mandate.beneficiary.is_active = False
    mandate.beneficiary.save(update_fields=["is_active"])
    with refused(ValidationFailed) as refusal:
        buy(mandate, 100, caller=as_sender(mandate))
    assert details_of(refusal)["fields"][0]["field"] == "beneficiary_id"
    assert not Purchase.objects.exists()


def test_a_mandate_that_was_revoked_or_has_run_out_buys_nothing() -> None:
    with clock.frozen(clock.now()):
        revoked, expired = make_mandate(), make_mandate()
        revoke_mandate(caller=as_sender(revoked), mandate_id=revoked.pk)
        clock.advance(timedelta(days=30))
        for mandate in (revoked, expired):
            with refused(MandateRequired) as refusal:
                buy(mandate, 100)
            assert details_of(refusal)["rule"] == "mandate"
    assert not Purchase.objects.exists()


def test_a_disputed_escrow_pays_for_nothing_and_takes_nothing_back() -> None:
    escrow = make_escrow()
    mandate, merchant = make_mandate(escrow=escrow), make_merchant()
    purchase = buy(mandate, 1_000, merchant)
    open_dispute(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    with refused(InvalidState) as refusal:
        buy(mandate, 100, merchant)
    assert details_of(refusal)["rule"] == "escrow_state"
    with refused(InvalidState):
        refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk)
    assert_in_order()


def body_under(mandate: Mandate) -> dict[str, object]:
    """The body of a purchase of one euro."""
    return {
        "sender_id": mandate.sender_id,
        "beneficiary_id": mandate.beneficiary_id,
        "merchant_id": make_merchant().pk,
        "amount": "1.00",
        "currency": "EUR",
    }


def test_a_buyer_finds_the_end_of_the_escrow_applied_and_a_stranger_applies_none() -> None:
    escrow = make_escrow()
    mandate = make_mandate(escrow=escrow, expires_at=escrow.deadline_at + timedelta(days=1))
    order = body_under(mandate)
    with clock.frozen(escrow.deadline_at):
        for user, code, status in (
            (make_user(), "VALIDATION_ERROR", EscrowStatus.FUNDED),
            (mandate.beneficiary, "ESCROW_NOT_ACTIVE", EscrowStatus.REFUNDED),
        ):
            api = Api(make_key(Scope.SENDER, user=user)[1])
            answer = api.post("/spend/purchases", json=order, idempotency_key="k")
            escrow.refresh_from_db()
            assert (answer.code, escrow.status) == (code, status)


def test_a_simulation_tells_of_the_end_of_an_escrow_only_to_its_parties() -> None:
    escrow = make_escrow()
    mandate = make_mandate(escrow=escrow, expires_at=escrow.deadline_at + timedelta(days=1))
    order = body_under(mandate)
    with clock.frozen(escrow.deadline_at):
        for user, is_told in ((mandate.beneficiary, False), (mandate.sender, True)):
            api = Api(make_key(Scope.SENDER, user=user)[1])
            answer = api.post("/spend/purchases?simulate=true", json=order)
            assert answer.json["refusal"]["code"] == "ESCROW_NOT_ACTIVE"
            told = answer.json["postings"], answer.json["states"]
            assert [bool(part) for part in told] == [is_told, is_told]


def test_what_was_not_sent_yet_is_simply_not_paid(psp: StubPsp) -> None:
    escrow = make_escrow()
    mandate, merchant = make_mandate(escrow=escrow, total_minor=4_000), make_merchant()
    purchase = buy(mandate, 4_000, merchant)
    assert status_of(mandate) == "CONSUMED"
    refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk, note="Not delivered.")

    purchase.refresh_from_db()
    assert (purchase.status, payment_of(purchase).status) == ("REFUNDED", "CANCELLED")
    assert (held(escrow), owed_to(merchant), status_of(mandate)) == (10_000, 0, "ACTIVE")
    send_payment(payment_id=payment_of(purchase).pk)
    assert psp.sent == []
    buy(mandate, 4_000, merchant)
    with refused(PurchaseAlreadyRefunded):
        refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk)
    assert_in_order()


def test_money_on_its_way_is_not_asked_back(psp: StubPsp) -> None:
    mandate = make_mandate(escrow=make_escrow())
    purchase = buy(mandate)
    make_sent(psp, payment_of(purchase))
    with refused(PaymentInTransit):
        refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk)
    assert Purchase.objects.get(pk=purchase.pk).status == "COMPLETED"


def test_what_never_came_back_is_bought_as_before_and_may_be_asked_again(psp: StubPsp) -> None:
    escrow = make_escrow()
    mandate, staff = make_mandate(escrow=escrow, total_minor=3_000), make_staff_caller()
    purchase = buy(mandate, 3_000)
    make_settled(psp, payment_of(purchase))
    with refused(InvalidState):
        deny_refund(caller=staff, purchase_id=purchase.pk, note="Nobody asked.")
    for _ in range(2):
        refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk)
        with refused(SpendRoleForbidden):
            deny_refund(caller=as_sender(mandate), purchase_id=purchase.pk, note="No.")
        with refused(ValidationFailed):
            deny_refund(caller=staff, purchase_id=purchase.pk, note="")
        deny_refund(caller=staff, purchase_id=purchase.pk, note="Not on the statement.")
        purchase.refresh_from_db()
        assert (purchase.status, held(escrow)) == ("COMPLETED", 7_000)
        assert status_of(mandate) == "CONSUMED"
    assert purchase.refund_note == "Not on the statement."
    assert AuditEntry.objects.filter(action="purchase.refund_denied").count() == 2
    assert_in_order()


def test_the_senders_word_brings_no_money_back_that_the_merchant_has(psp: StubPsp) -> None:
    escrow = make_escrow()
    mandate, merchant = make_mandate(escrow=escrow, total_minor=3_000), make_merchant()
    purchase = buy(mandate, 3_000, merchant)
    make_settled(psp, payment_of(purchase))
    for _ in range(2):
        refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk, note="Brought back.")
        purchase.refresh_from_db()
        assert (purchase.status, held(escrow)) == ("REFUND_PENDING", 7_000)
    # Nor is the budget there a second time before the money is.
    assert status_of(mandate) == "CONSUMED"
    with refused(MandateRequired):
        buy(mandate, 1, merchant)
    assert Alert.objects.get(type="PURCHASE_REFUND_ASKED").count == 1
    staff = make_staff_caller()
    with refused(ValidationFailed):
        refund_purchase(caller=staff, purchase_id=purchase.pk)
    refund_purchase(caller=staff, purchase_id=purchase.pk, note="Seen on the statement.")

    purchase.refresh_from_db()
    escrow.refresh_from_db()
    assert (purchase.status, held(escrow), escrow.released_minor) == ("REFUNDED", 10_000, 0)
    assert (payment_of(purchase).status, status_of(mandate)) == ("SETTLED", "ACTIVE")
    assert_in_order()


def test_only_the_senders_side_gives_a_purchase_back() -> None:
    mandate = make_mandate()
    purchase = buy(mandate)
    with refused(SpendRoleForbidden):
        refund_purchase(caller=as_beneficiary(mandate), purchase_id=purchase.pk)
    assert Purchase.objects.get(pk=purchase.pk).status == "COMPLETED"


def test_what_comes_back_after_the_end_goes_on_to_the_sender(psp: StubPsp) -> None:
    escrow = make_escrow()
    mandate = make_mandate(escrow=escrow)
    purchase = buy(mandate, 4_000)
    make_failed(psp, payment_of(purchase))
    escrow.refresh_from_db()
    with transaction.atomic():
        settle(
            escrow=escrow,
            status=EscrowStatus.RELEASED,
            release_minor=6_000,
            by=Acting("system:tests"),
        )
    refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk)

    escrow.refresh_from_db()
    assert (escrow.status, escrow.held_minor, escrow.refunded_minor) == ("RELEASED", 0, 4_000)
    refund = Payment.objects.get(escrow=escrow, kind="refund")
    assert (refund.payee_id, refund.amount_minor) == (escrow.client_id, 4_000)
    assert_in_order()


def test_a_payment_that_failed_or_came_back_stays_the_merchants(psp: StubPsp) -> None:
    mandate, merchant = make_mandate(escrow=make_escrow()), make_merchant()
    failed, returned = buy(mandate, 1_000, merchant), buy(mandate, 2_000, merchant)
    make_failed(psp, payment_of(failed))
    report(make_settled(psp, payment_of(returned)), OrderState.RETURNED)
    assert owed_to(merchant) == 3_000
    told = set(
        AuditEntry.objects.filter(action__startswith="purchase.payout").values_list(
            "action", "subject"
        )
    )
    assert told == {
        ("purchase.payout_failed", failed.reference),
        ("purchase.payout_returned", returned.reference),
    }
    # Its successor is what a refund takes back.
    refund_purchase(caller=as_sender(mandate), purchase_id=returned.pk)
    assert owed_to(merchant) == 1_000
    successor = Payment.objects.filter(origin=returned.reference).latest("pk")
    assert (successor.status, successor.party) == ("CANCELLED", merchant.reference)
    assert_in_order()


@pytest.mark.django_db(transaction=True, databases=["default", "apart"])
def test_refusals_are_kept_with_what_was_left(settings: Settings) -> None:
    settings.AUDIT_APART_DATABASE = "apart"
    mandate, merchant = make_mandate(total_minor=1_000), make_merchant(is_certified=False)
    with refused(UnauthorizedUsage):
        buy(mandate, 400, merchant)
    with refused(MandateConflict):
        buy(mandate, 1_001)
    kept = AuditEntry.objects.filter(action="purchase.refused").order_by("pk")
    assert '"code":"UNAUTHORIZED_USAGE"' in kept[0].body
    assert '"left":{"mandate":1000}' in kept[1].body
    assert {entry.stream for entry in kept} == {f"apart:{mandate.reference}"}


@pytest.mark.django_db(transaction=True, databases=["default", "apart"])
def test_what_was_refused_of_an_escrows_money_is_found_with_the_escrow(settings: Settings) -> None:
    settings.AUDIT_APART_DATABASE = "apart"
    escrow = make_escrow()
    mandate = make_mandate(escrow=escrow, total_minor=1_000)
    with refused(MandateConflict):
        buy(mandate, 1_001)
    entry = entries(subject=escrow.reference).get(action="purchase.refused")
    assert (entry.subject, entry.stream) == (mandate.reference, f"apart:{escrow.reference}")
    assert list(entries(subject=mandate.reference).filter(action="purchase.refused")) == [entry]


def test_the_database_itself_keeps_what_must_hold() -> None:
    purchase = buy(make_mandate())
    for change in (
        {"amount_minor": 0},
        {"status": "LOST"},
        {"status": "REFUNDED"},
        {"escrow_id": make_escrow().pk},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Purchase.objects.filter(pk=purchase.pk).update(**change)
