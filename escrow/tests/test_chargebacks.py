"""What a charge that a bank takes back does to the escrow that it funded."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import transaction

from audit.models import Alert, AuditEntry
from escrow import rules, selectors
from escrow.errors import InsufficientEscrowBalance
from escrow.models import Deposit, Escrow, Milestone
from escrow.rules import allowed_actions
from escrow.selectors import running_deadlines
from escrow.services.acceptance import approve_escrow, reject_escrow
from escrow.services.deadlines import apply_due
from escrow.services.deliveries import mark_delivered
from escrow.services.disputes import open_dispute, resolve_dispute
from escrow.services.evidence import (
    begin_review,
    lock_for_decision,
    lock_open_milestone,
    release_milestone,
)
from escrow.services.journal import Said
from escrow.services.milestones import MilestoneTerms, add_milestone
from escrow.services.refunds import refund_escrow
from escrow.tests.books import assert_in_order
from escrow.tests.factories import as_client, as_provider, milestone_of, minor_of
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from payments.models import Funding, Payment
from payments.tests.conftest import psp  # noqa: F401 - the PSP that charges
from payments.tests.factories import charge, charged_escrow, take_event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("psp")]


def tell(what: str, funding: Funding, **fields: str) -> None:
    """The PSP reports something of the case about a charge."""
    named = {"psp_ref": "cb_1", "payment_reference": funding.psp_ref}
    assert take_event(f"chargeback.{what}", **named, **fields).status == "PROCESSED"


@contextmanager
def short() -> Iterator["pytest.ExceptionInfo[InsufficientEscrowBalance]"]:
    """What is done here is refused for lack of money, and changes nothing."""
    with pytest.raises(InsufficientEscrowBalance) as refusal, transaction.atomic():
        yield refusal


def again(escrow: Escrow) -> Escrow:
    """The escrow as it is stored."""
    return Escrow.objects.get(pk=escrow.pk)


def prove(escrow: Escrow, index: int) -> Milestone:
    """A proof with a file for a milestone."""
    locked, milestone = lock_open_milestone(escrow_id=escrow.pk, milestone_idx=index)
    begin_review(
        escrow=locked,
        milestone=milestone,
        has_file=True,
        submitted_at=clock.now(),
        actor="apikey:test",
    )
    return milestone


def accept(escrow: Escrow, index: int) -> Payment:
    """The proof of a milestone is accepted."""
    milestone = milestone_of(escrow, index)
    locked, row = lock_for_decision(escrow_id=escrow.pk, milestone_id=milestone.pk)
    return release_milestone(
        escrow=locked, milestone=row, proof_id=1_000_000 + milestone.pk, actor="staff:1"
    )


def test_frozen_money_stays_held_but_is_neither_free_nor_released() -> None:
    escrow, funding = charged_escrow(milestones=[4_000])
    tell("opened", funding, amount="60.00")

    escrow = again(escrow)
    assert (escrow.funded_minor, escrow.held_minor, escrow.frozen_minor) == (10_000, 10_000, 6_000)
    assert selectors.free_minor(escrow) == 0
    with short():
        refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=minor_of(1))
    with short():
        add_milestone(
            caller=as_client(escrow),
            escrow_id=escrow.pk,
            terms=MilestoneTerms(sequence_index=2, label="More", amount_in=minor_of(1)),
        )
    assert_in_order()


@pytest.mark.parametrize("end", ["opened", "lost"])
def test_a_milestone_whose_money_is_gone_is_refused_and_never_overdrawn(end: str) -> None:
    escrow, funding = charged_escrow(milestones=[4_000, 6_000])
    prove(escrow, 1)
    tell("opened", funding, amount="60.01")
    if end == "lost":
        tell("lost", funding)

    with short() as refusal:
        accept(escrow, 1)

    assert refusal.value.details["held"] == ("100.00" if end == "opened" else "39.99")
    assert milestone_of(escrow, 1).status == "PENDING_REVIEW"
    assert not Payment.objects.exists()
    assert_in_order()


def test_no_proof_is_taken_for_a_milestone_whose_money_is_gone() -> None:
    escrow, funding = charged_escrow(milestones=[4_000, 6_000])
    tell("lost", funding, amount="60.01")
    with short():
        prove(escrow, 1)


def test_what_is_still_there_pays_the_milestones_that_it_covers() -> None:
    escrow, funding = charged_escrow(milestones=[4_000, 6_000])
    prove(escrow, 1)
    tell("opened", funding, amount="60.00")

    payment = accept(escrow, 1)

    assert (payment.amount_minor, payment.hold_reason) == (4_000, "chargeback")
    with short():
        prove(escrow, 2)
    assert_in_order()


def test_what_was_charged_back_can_be_paid_in_again() -> None:
    escrow, funding = charged_escrow(milestones=[4_000, 6_000])
    tell("lost", funding, amount="60.00")
    assert rules.missing_minor(again(escrow)) == 6_000

    charge(escrow, 6_000)
    prove(escrow, 1)
    accept(escrow, 1)
    prove(escrow, 2)
    accept(escrow, 2)

    escrow = again(escrow)
    assert (escrow.status, escrow.funded_minor, escrow.released_minor) == (
        "RELEASED",
        10_000,
        10_000,
    )
    assert_in_order()


@pytest.mark.parametrize("milestones", [[], [10_000]])
def test_nothing_ends_the_escrow_while_money_is_frozen(milestones: list[int]) -> None:
    escrow, funding = charged_escrow(milestones=milestones)
    tell("opened", funding, amount="10.00")
    client, provider = as_client(escrow), as_provider(escrow)

    with short():
        approve_escrow(caller=client, escrow_id=escrow.pk, said=Said())
    with short():
        reject_escrow(caller=client, escrow_id=escrow.pk, said=Said())
    for caller in (client, provider):
        with short():
            refund_escrow(caller=caller, escrow_id=escrow.pk, amount_in=None)

    offered = allowed_actions(selectors.standing(client, again(escrow)), lambda _who, _what: True)
    assert not {"client_approve", "client_reject", "cancel"} & set(offered)
    assert again(escrow).status == "FUNDED"
    assert_in_order()


def test_support_resolves_what_is_left_once_the_case_is_decided() -> None:
    escrow, funding = charged_escrow()
    tell("opened", funding, amount="40.00")
    open_dispute(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())

    def resolve(release: int, refund: int) -> None:
        resolve_dispute(
            caller=make_caller(Scope.SUPPORT, make_user()),
            escrow_id=escrow.pk,
            release_in=minor_of(release),
            refund_in=minor_of(refund),
            note="Heard both.",
        )

    with short():
        resolve(10_000, 0)
    tell("lost", funding)
    resolve(5_000, 1_000)

    escrow = again(escrow)
    assert (escrow.status, escrow.released_minor, escrow.refunded_minor) == (
        "RELEASED",
        5_000,
        1_000,
    )
    assert_in_order()


@pytest.mark.parametrize("end", ["won", "lost"])
def test_the_last_milestone_ends_the_escrow_once_the_case_is_decided(end: str) -> None:
    escrow, funding = charged_escrow(milestones=[4_000])
    prove(escrow, 1)
    tell("opened", funding, amount="50.00")
    accept(escrow, 1)
    assert again(escrow).status == "FUNDED"

    tell(end, funding)

    escrow = again(escrow)
    returned = {"won": 6_000, "lost": 1_000}[end]
    assert (escrow.status, escrow.refunded_minor, escrow.held_minor) == ("RELEASED", returned, 0)
    assert sorted(Payment.objects.values_list("amount_minor", flat=True)) == sorted(
        [4_000, returned]
    )
    assert set(Payment.objects.values_list("hold_reason", flat=True)) == {""}
    assert_in_order()


@pytest.mark.parametrize("on_deadline", ["release", "refund"])
def test_a_deadline_leaves_frozen_money_to_people(on_deadline: str) -> None:
    escrow, funding = charged_escrow(on_deadline=on_deadline)
    tell("opened", funding, amount="10.00")
    told = running_deadlines(again(escrow), has_milestones=False)
    assert {row.name: row.outcome for row in told}["deadline"] == "review"

    with clock.frozen(escrow.deadline_at + timedelta(seconds=1)):
        apply_due(escrow_id=escrow.pk)

    assert again(escrow).status == "DISPUTED"
    assert Alert.objects.filter(type="DISPUTE_OPENED").count() == 1
    assert not Payment.objects.exists()
    assert_in_order()


def test_silence_releases_no_less_than_was_agreed() -> None:
    escrow, funding = charged_escrow(on_deadline="release")
    mark_delivered(caller=as_provider(escrow), escrow_id=escrow.pk, said=Said())
    tell("lost", funding, amount="10.00")

    with short():
        approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    with clock.frozen(escrow.deadline_at + timedelta(days=60)):
        apply_due(escrow_id=escrow.pk)

    assert again(escrow).status == "DISPUTED"


def test_a_deadline_that_passed_unapplied_does_not_give_the_money_away_first() -> None:
    escrow, funding = charged_escrow(on_deadline="refund")
    with clock.frozen(escrow.deadline_at + timedelta(hours=1)):
        tell("opened", funding)
        assert (again(escrow).status, again(escrow).frozen_minor) == ("FUNDED", 10_000)
        apply_due(escrow_id=escrow.pk)
    assert again(escrow).status == "DISPUTED"
    assert not Payment.objects.exists()


def test_a_draft_escrow_loses_what_it_held_and_may_be_called_off() -> None:
    escrow, funding = charged_escrow()
    draft = Escrow.objects.get(pk=escrow.pk)
    Escrow.objects.filter(pk=draft.pk).update(status="DRAFT", amount_total_minor=20_000)
    tell("lost", funding)

    reject_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())

    escrow = again(escrow)
    assert (escrow.status, escrow.funded_minor) == ("CANCELLED", 0)
    assert not Payment.objects.exists()
    assert_in_order()


def test_the_deposit_remembers_what_was_taken_of_it() -> None:
    _, funding = charged_escrow()
    tell("opened", funding, amount="40.00")
    deposit = Deposit.objects.get()
    assert (deposit.disputed_minor, deposit.charged_back_minor) == (4_000, 0)
    assert deposit.refundable_minor == 6_000
    tell("lost", funding)
    deposit.refresh_from_db()
    assert (deposit.disputed_minor, deposit.charged_back_minor) == (4_000, 4_000)


def test_both_parties_hear_of_it() -> None:
    escrow, funding = charged_escrow()
    tell("opened", funding)
    tell("lost", funding)

    told = AuditEntry.objects.filter(action__in=["escrow.money_frozen", "escrow.charged_back"])
    assert [entry.subject for entry in told] == [escrow.reference] * 2
    kinds = [entry.action for entry in selectors.timeline(again(escrow))]
    assert {"escrow.money_frozen", "escrow.charged_back"} <= set(kinds)


def test_a_dispute_does_not_keep_a_case_from_being_decided() -> None:
    escrow, funding = charged_escrow()
    open_dispute(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    tell("opened", funding)
    tell("won", funding)
    assert (again(escrow).status, again(escrow).frozen_minor) == ("DISPUTED", 0)
    assert_in_order()
