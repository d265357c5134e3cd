"""Mandates: given, revoked, run out."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from audit.models import AuditEntry, JobRun
from audit.services.jobs import RowsFailed
from escrow.errors import EscrowNotFound
from escrow.models import Escrow, EscrowStatus
from escrow.services.journal import Acting
from escrow.services.outcomes import settle
from escrow.tests.factories import make_escrow
from kobatela.accounts.tests.factories import make_caller, make_staff_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import ValidationFailed
from kobatela.kernel.money import CurrencyMismatch, Money
from spend import selectors
from spend.errors import (
    ActiveMandateExists,
    CategoryNotFound,
    EscrowNotActive,
    MandateExpiresInPast,
    MandateNotFound,
    MerchantNotFound,
    SpendRoleForbidden,
)
from spend.models import Mandate
from spend.services.mandates import (
    MandateTerms,
    clean_up_mandates,
    create_mandate,
    revoke_mandate,
)
from spend.services.refunds import refund_purchase
from spend.tasks import expire_mandates
from spend.tests.factories import as_beneficiary, as_sender, buy, make_mandate
from spend.tests.refusals import details_of, refused

pytestmark = pytest.mark.django_db
BY_TESTS = Acting("system:tests")


def status_of(mandate: Mandate) -> str:
    """Where a mandate stands now."""
    return Mandate.objects.get(pk=mandate.pk).status


def end(escrow: Escrow) -> None:
    """The escrow is closed and gives everything that it still holds back."""
    escrow.refresh_from_db()
    with transaction.atomic():
        settle(escrow=escrow, status=EscrowStatus.REFUNDED, release_minor=0, by=BY_TESTS)


def test_one_mandate_is_in_force_between_two_in_a_currency() -> None:
    first = make_mandate()
    same: dict[str, Any] = {"sender": first.sender, "beneficiary": first.beneficiary}
    with refused(ActiveMandateExists) as refusal:
        make_mandate(**same)
    assert details_of(refusal) == {"id": first.pk}
    make_mandate(**same, currency="XOF")
    make_mandate(sender=first.beneficiary, beneficiary=first.sender)
    revoke_mandate(caller=as_sender(first), mandate_id=first.pk)
    make_mandate(**same)
    with pytest.raises(IntegrityError), transaction.atomic():
        Mandate.objects.filter(pk=first.pk).update(status="ACTIVE")


def test_a_mandate_that_has_run_out_does_not_stand_in_the_way() -> None:
    with clock.frozen(clock.now()):
        first = make_mandate()
        clock.advance(timedelta(days=30))
        second = make_mandate(sender=first.sender, beneficiary=first.beneficiary)
    assert (status_of(first), status_of(second)) == ("EXPIRED", "ACTIVE")
    assert AuditEntry.objects.get(action="mandate.expired").subject == first.reference


def test_d29_the_job_expires_what_has_run_out_and_tells_of_it() -> None:
    with clock.frozen(clock.now()):
        gone, lasting = make_mandate(), make_mandate(expires_at=clock.now() + timedelta(days=60))
        clock.advance(timedelta(days=30))
        expire_mandates()
        expire_mandates()
    assert (status_of(gone), status_of(lasting)) == ("EXPIRED", "ACTIVE")
    entry = AuditEntry.objects.get(action="mandate.expired")
    assert (entry.actor, entry.subject) == ("system:mandates", gone.reference)
    assert [run.status for run in JobRun.objects.filter(name="mandate_expiry")] == ["DONE", "DONE"]


def test_a_mandate_that_cannot_be_expired_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock = selectors.lock_mandate
    with clock.frozen(clock.now()):
        broken, other = make_mandate(), make_mandate()
        clock.advance(timedelta(days=30))

        def fail(mandate_id: int) -> Mandate:
            if mandate_id == broken.pk:
                raise IntegrityError
            return lock(mandate_id)

        monkeypatch.setattr(selectors, "lock_mandate", fail)
        with pytest.raises(RowsFailed, match=rf"\[{broken.pk}\]"):
            expire_mandates()
    assert (status_of(broken), status_of(other)) == ("ACTIVE", "EXPIRED")
    assert JobRun.objects.get(name="mandate_expiry").status == "FAILED"


def test_a_mandate_whose_escrow_has_ended_does_not_stand_in_the_way() -> None:
    ended, open_still = make_escrow(), make_escrow()
    first, other = make_mandate(escrow=ended), make_mandate(escrow=open_still)
    end(ended)
    second = make_mandate(sender=first.sender, beneficiary=first.beneficiary)
    assert (status_of(first), status_of(second)) == ("EXPIRED", "ACTIVE")
    assert AuditEntry.objects.get(action="mandate.expired").subject == first.reference
    with refused(ActiveMandateExists):
        make_mandate(sender=other.sender, beneficiary=other.beneficiary)


@pytest.mark.parametrize("why", ["it has run out", "its escrow has ended"])
def test_a_refund_brings_no_mandate_back_under_which_nothing_can_be_bought(why: str) -> None:
    escrow = make_escrow()
    mandate = make_mandate(escrow=escrow, total_minor=1_000)
    purchase = buy(mandate, 1_000)
    with clock.frozen(clock.now()):
        if why == "it has run out":
            clock.advance(mandate.expires_at - clock.now())
        else:
            end(escrow)
        refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk)
    assert status_of(mandate) == "CONSUMED"
    assert not AuditEntry.objects.filter(action="mandate.restored").exists()
    make_mandate(sender=mandate.sender, beneficiary=mandate.beneficiary)


def test_a_sender_cleans_up_only_what_they_may_see() -> None:
    with clock.frozen(clock.now()):
        mine, others = make_mandate(), make_mandate()
        clock.advance(timedelta(days=30))
        assert clean_up_mandates(caller=as_sender(mine)) == 1
        assert (status_of(mine), status_of(others)) == ("EXPIRED", "ACTIVE")
        assert clean_up_mandates(caller=make_staff_caller()) == 1
        assert clean_up_mandates(caller=make_staff_caller()) == 0


def test_d05_a_mandate_is_given_by_the_sender_and_their_manager_only() -> None:
    sender, stranger = make_user(), make_user()

    def give(caller_user: Any, sender_id: int) -> None:
        create_mandate(
            caller=make_caller(Scope.SENDER, caller_user),
            terms=MandateTerms(
                sender_id=sender_id,
                beneficiary_id=stranger.pk,
                total=Money(100, "EUR"),
                expires_at=clock.now() + timedelta(days=1),
            ),
        )

    for unknown in (sender.pk, 10**12):
        with refused(ValidationFailed) as refusal:
            give(stranger, unknown)
        assert details_of(refusal)["fields"][0]["field"] == "sender_id"
    assert not Mandate.objects.exists()
    give(sender, sender.pk)
    created = AuditEntry.objects.get(action="mandate.created")
    assert created.actor.startswith("apikey:")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"allowed_category_id": 10**12}, CategoryNotFound),
        ({"allowed_merchant_id": 10**12}, MerchantNotFound),
        ({"escrow_id": 10**12}, EscrowNotFound),
        ({"beneficiary_id": 10**12}, ValidationFailed),
        ({"expires_at": clock.now() - timedelta(seconds=1)}, MandateExpiresInPast),
    ],
)
def test_d33_what_does_not_exist_is_named_and_nothing_is_made(
    wrong: dict[str, Any], error: type[Exception]
) -> None:
    with refused(error):
        make_mandate(**wrong)
    assert not Mandate.objects.exists()


def test_the_escrow_is_the_senders_own_open_and_in_the_same_currency() -> None:
    foreign = make_escrow()
    sender = make_user()
    with refused(EscrowNotFound):
        make_mandate(sender, escrow_id=foreign.pk)
    with refused(CurrencyMismatch):
        make_mandate(escrow=foreign, currency="USD")
    with refused(EscrowNotActive):
        make_mandate(escrow=make_escrow("RELEASED"))
    assert not Mandate.objects.exists()


def test_only_the_sender_and_staff_revoke() -> None:
    mandate = make_mandate()
    with refused(SpendRoleForbidden):
        revoke_mandate(caller=as_beneficiary(mandate), mandate_id=mandate.pk)
    with refused(MandateNotFound):
        revoke_mandate(caller=make_caller(Scope.SENDER, make_user()), mandate_id=mandate.pk)
    assert status_of(mandate) == "ACTIVE"
    revoke_mandate(caller=make_staff_caller(), mandate_id=mandate.pk)
    revoke_mandate(caller=as_sender(mandate), mandate_id=mandate.pk)
    assert status_of(mandate) == "REVOKED"
    assert AuditEntry.objects.filter(action="mandate.revoked").count() == 1


def test_a_spent_mandate_that_is_revoked_is_not_brought_back_by_a_refund() -> None:
    mandate = make_mandate(total_minor=1_000)
    purchase = buy(mandate, 1_000)
    revoke_mandate(caller=as_sender(mandate), mandate_id=mandate.pk)
    refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk)
    assert status_of(mandate) == "REVOKED"


def test_an_admin_lets_money_go_in_a_senders_name_with_a_second_person() -> None:
    escrow = make_escrow(amount_total_minor=3_000_000)
    terms = MandateTerms(
        sender_id=escrow.client_id,
        beneficiary_id=make_user().pk,
        total=Money(2_000_000, "EUR"),
        expires_at=clock.now() + timedelta(days=1),
        escrow_id=escrow.pk,
    )
    first, second = (
        make_caller(Scope.ADMIN, make_user(), on_behalf_of=escrow.client_id) for _ in range(2)
    )
    for _ in range(2):
        waits = create_mandate(caller=first, terms=terms)
        assert waits.approvals is not None
        assert (waits.approvals.given, waits.approvals.needed) == (1, 2)
    # Other figures are another request, and count as one.
    other = create_mandate(caller=second, terms=replace(terms, max_per_hour=1))
    assert other.approvals is not None
    assert not Mandate.objects.exists()
    create_mandate(caller=first, terms=replace(terms, max_per_hour=1))
    mandate = Mandate.objects.get()
    assert (mandate.total_minor, mandate.max_per_hour, mandate.status) == (2_000_000, 1, "ACTIVE")
    # Without an escrow no money goes, and one person is enough.
    alone = replace(terms, escrow_id=None, beneficiary_id=make_user().pk)
    assert create_mandate(caller=first, terms=alone).approvals is None


def test_a_refund_restores_a_spent_mandate_unless_another_took_its_place() -> None:
    first, second = make_mandate(total_minor=1_000), make_mandate(total_minor=1_000)
    bought = [buy(mandate, 1_000) for mandate in (first, second)]
    make_mandate(sender=second.sender, beneficiary=second.beneficiary)
    for mandate, purchase in zip((first, second), bought, strict=True):
        refund_purchase(caller=as_sender(mandate), purchase_id=purchase.pk)
    assert (status_of(first), status_of(second)) == ("ACTIVE", "CONSUMED")
