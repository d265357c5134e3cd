"""Paying the payees of an escrow within their limits."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from audit.models import AuditEntry
from escrow.errors import EscrowNotFound, InsufficientEscrowBalance
from escrow.models import EscrowStatus
from escrow.tests.factories import bring_to, make_escrow
from escrow.tests.http import api
from kobatela.accounts.tests.factories import ROOT, make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState, ValidationFailed
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Destination as Account
from payments.models import Payment
from payments.services.routes import find_route
from payments.tests.factories import make_failed, make_settled
from payments.tests.stub_psp import StubPsp
from spend.errors import (
    DailyLimitReached,
    EscrowNotActive,
    OwnSpendForbidden,
    PayeeAlreadyAllowed,
    PayeeNotAllowed,
    SpendRoleForbidden,
    TotalLimitReached,
)
from spend.models import AllowedPayee, Spending
from spend.services.destinations import Destination
from spend.services.permissions import allow_payee, take_back_payee
from spend.tests.books import assert_in_order
from spend.tests.factories import make_payee, pay
from spend.tests.refusals import code_of, details_of, refused

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC)


def test_d12_the_payee_is_paid_and_not_the_escrows_provider(psp: StubPsp) -> None:
    payee = make_payee(make_escrow(milestones=[6_000]))
    payment = pay(payee, 4_000)

    assert (payment.kind, payment.payee_id, payment.party) == ("spend", None, payee.reference)
    assert payment.destination == f"fake:payee:{payee.pk}"
    make_settled(psp, payment)
    assert "fake:payee" in psp.sent[0][2]
    provider = chart.user_payable(payee.escrow.provider_id)
    assert ledger.balance_minor(provider, "EUR") == 0
    payee.escrow.refresh_from_db()
    assert (payee.escrow.released_minor, payee.escrow.held_minor) == (4_000, 6_000)
    assert_in_order()


def test_a_payee_who_is_a_user_is_paid_as_one() -> None:
    user = make_user()
    payment = pay(make_payee(destination=Destination(user_id=user.pk)))
    assert (payment.payee_id, payment.destination) == (user.pk, f"fake:{user.pk}")


def test_without_a_sandbox_people_pay_the_account_of_a_payee(settings: Settings) -> None:
    settings.KOBATELA_PSP = "manual"
    account = Destination(kind="mobile_money", fields={"operator": "mtn", "number": "+22507010203"})
    known, unknown = make_payee(destination=account), make_payee()
    paid, waits = pay(known), pay(unknown)
    row = Account.objects.get(party=known.reference)
    assert (row.user_id, row.masked) == (None, "****0203")
    assert (paid.psp, paid.destination, paid.reason) == ("manual", row.reference, "")
    assert (waits.destination, waits.reason) == ("", "DESTINATION_MISSING")
    assert find_route(waits) is None


def test_a_day_ends_at_midnight_and_its_limit_begins_anew() -> None:
    with clock.frozen(MIDNIGHT - timedelta(minutes=1)):
        payee = make_payee(daily=3_000, total=7_000)
        pay(payee, 3_000)
        with refused(DailyLimitReached) as refusal:
            pay(payee, 1)
        assert details_of(refusal)["rule"] == "daily"
        assert details_of(refusal)["limits"]["daily"] == {
            "limit": "30.00",
            "used": "30.00",
            "left": "0.00",
        }
        clock.advance(timedelta(minutes=1))
        pay(payee, 3_000)
        clock.advance(timedelta(days=1))
        with refused(TotalLimitReached) as refusal:
            pay(payee, 1_001)
        assert details_of(refusal)["limits"]["total"]["left"] == "10.00"
        pay(payee, 1_000)
    assert_in_order()


def test_what_is_paid_at_midnight_is_paid_on_the_new_day() -> None:
    with clock.frozen(MIDNIGHT):
        payee = make_payee(daily=1_000)
        pay(payee, 1_000)
        with refused(DailyLimitReached):
            pay(payee, 1)
    assert [spending.amount_minor for spending in Spending.objects.all()] == [1_000]
    assert_in_order()


def test_a_payee_named_again_goes_on_where_the_first_stood() -> None:
    payee = make_payee(total=2_000)
    pay(payee, 1_500)
    take_back_payee(caller=ROOT, payee_id=payee.pk)
    with refused(PayeeNotAllowed):
        pay(payee, 100)
    again = make_payee(payee.escrow, payee_ref=payee.payee_ref, total=2_000)
    with refused(TotalLimitReached) as refusal:
        pay(again, 501)
    assert details_of(refusal)["limits"]["total"] == {
        "limit": "20.00",
        "used": "15.00",
        "left": "5.00",
    }
    pay(again, 500)
    paid = Spending.objects.order_by("pk").values_list("payee_id", "amount_minor")
    assert list(paid) == [(payee.pk, 1_500), (again.pk, 500)]
    assert_in_order()


def test_one_reference_has_one_payee_in_an_escrow() -> None:
    payee = make_payee()
    with refused(PayeeAlreadyAllowed) as refusal:
        make_payee(payee.escrow, payee_ref=payee.payee_ref)
    assert details_of(refusal) == {"id": payee.pk}
    make_payee(payee_ref=payee.payee_ref)
    with pytest.raises(IntegrityError), transaction.atomic():
        AllowedPayee.objects.create(
            escrow=payee.escrow,
            payee_ref=payee.payee_ref,
            label="x",
            currency="EUR",
            created_by="x",
            created_at=clock.now(),
            updated_at=clock.now(),
        )


def test_only_the_clients_side_pays_payees() -> None:
    payee = make_payee()
    with refused(SpendRoleForbidden):
        pay(payee, caller=make_caller(Scope.SENDER, payee.escrow.provider))
    assert not Spending.objects.exists()


def test_the_sender_is_no_payee_of_their_own_escrow() -> None:
    escrow = make_escrow()
    with refused(ValidationFailed) as refusal:
        make_payee(escrow, destination=Destination(user_id=escrow.client_id))
    assert details_of(refusal)["fields"][0]["field"] == "destination.user_id"


def test_nobody_of_the_staff_names_themselves_as_payee() -> None:
    support = make_user()
    with refused(OwnSpendForbidden):
        allow_payee(
            caller=make_caller(Scope.SUPPORT, support),
            escrow_id=make_escrow().pk,
            payee_ref="me",
            label="me",
            destination=Destination(user_id=support.pk),
            daily_limit_in=None,
            total_limit_in=None,
        )
    assert not AllowedPayee.objects.exists()


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        ("DISPUTED", InvalidState, "INVALID_STATE"),
        ("RELEASED", EscrowNotActive, "ESCROW_NOT_ACTIVE"),
        ("REFUNDED", EscrowNotActive, "ESCROW_NOT_ACTIVE"),
    ],
)
def test_an_escrow_that_is_frozen_or_over_pays_nobody(
    status: str, error: type[Exception], code: str
) -> None:
    payee = make_payee()
    bring_to(payee.escrow, EscrowStatus(status))
    with refused(error) as refusal:
        pay(payee)
    assert (code_of(refusal), details_of(refusal)["rule"]) == (code, "escrow_state")
    assert not Payment.objects.filter(kind="spend").exists()


def test_a_payment_that_failed_counts_and_can_be_tried_again(psp: StubPsp) -> None:
    payee = make_payee(daily=1_000)
    payment = make_failed(psp, pay(payee, 1_000))
    assert ledger.balance_minor(chart.party_payable(payee.reference), "EUR") == 1_000
    assert AuditEntry.objects.filter(action="spending.payout_failed").count() == 1
    with refused(DailyLimitReached):
        pay(payee, 1)
    assert payment.status == "ERROR"
    assert_in_order()


@pytest.mark.django_db(transaction=True, databases=["default", "apart"])
def test_d41_all_six_refusals_of_a_payment_are_kept(settings: Settings) -> None:
    settings.AUDIT_APART_DATABASE = "apart"
    payee = make_payee(make_escrow(milestones=[6_000]), daily=3_000)
    total = make_payee(payee.escrow, total=100)
    client = make_caller(Scope.SENDER, payee.escrow.client)
    stranger = make_caller(Scope.SENDER, make_user())

    def attempt(error: type[Exception], *args: object, **options: object) -> None:
        with refused(error):
            pay(*args, **options)  # type: ignore[arg-type]  # passed on as they are

    attempt(EscrowNotFound, payee, caller=stranger)
    attempt(DailyLimitReached, payee, 3_001, caller=client)
    attempt(TotalLimitReached, total, 101, caller=client)
    unlimited = make_payee(payee.escrow)
    attempt(InsufficientEscrowBalance, unlimited, 4_001, caller=client)
    take_back_payee(caller=ROOT, payee_id=total.pk)
    attempt(PayeeNotAllowed, total, caller=client)
    bring_to(payee.escrow, EscrowStatus.RELEASED)
    attempt(EscrowNotActive, payee, caller=client)

    kept = AuditEntry.objects.filter(action="spending.refused").order_by("pk")
    rules = [
        body.split('"rule":"')[1].split('"')[0] for body in kept.values_list("body", flat=True)
    ]
    assert rules == ["escrow", "daily", "total", "escrow_balance", "payee", "escrow_state"]
    assert not Spending.objects.exists()


def test_a_provider_does_not_read_whom_else_the_sender_pays_from_the_escrow() -> None:
    escrow = make_escrow()
    payment = pay(make_payee(escrow))
    path = f"/escrows/{escrow.pk}/payments"
    provider, sender = api(Scope.PROVIDER, escrow.provider), api(Scope.SENDER, escrow.client)

    assert provider.get(path).json["items"] == []
    assert provider.get(f"/payments/{payment.pk}").status == 404
    assert [item["id"] for item in sender.get(path).json["items"]] == [payment.pk]
