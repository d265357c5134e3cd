"""Making agreements and their milestones."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from audit import selectors as audit_selectors
from escrow.errors import (
    EscrowRoleForbidden,
    InsufficientEscrowBalance,
    MilestoneIndexTaken,
    MilestoneOutOfOrder,
    MilestonesExceedTotal,
    PublicDomainForbidden,
)
from escrow.models import Domain, Escrow, EscrowStatus, Milestone
from escrow.selectors import free_minor
from escrow.services.agreements import EscrowTerms, create_escrow
from escrow.services.evidence import begin_review, reject_evidence
from escrow.services.milestones import MilestoneTerms, add_milestone
from escrow.services.refunds import refund_escrow
from escrow.tests.factories import as_client, as_provider, make_escrow, milestone_of, minor_of
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState, ValidationFailed
from kobatela.kernel.money import CurrencyMismatch, Money
from kobatela.rest.fields import minor

pytestmark = pytest.mark.django_db
E = EscrowStatus


def part(index: int = 1, amount_minor: int = 1_000, **overrides: Any) -> MilestoneTerms:
    values: dict[str, Any] = {
        "sequence_index": index,
        "label": f"Part {index}",
        "amount_in": minor_of(amount_minor),
    }
    return MilestoneTerms(**(values | overrides))


def create(client: User, provider: User, **overrides: Any) -> Escrow:
    caller = overrides.pop("caller", None) or make_caller(Scope.SENDER, client)
    values: dict[str, Any] = {
        "client_id": client.pk,
        "provider_id": provider.pk,
        "amount_total": Money(10_000, "EUR"),
        "deadline_at": clock.now() + timedelta(days=1),
    }
    return create_escrow(caller=caller, terms=EscrowTerms(**(values | overrides)))


def refused(action: Callable[[], Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationFailed) as refusal, transaction.atomic():
        action()
    return [(item["field"], item["code"]) for item in refusal.value.details["fields"]]


def test_an_escrow_starts_as_a_draft_with_its_milestones() -> None:
    escrow = create(make_user(), make_user(), milestones=[part(1), part(3)])
    assert escrow.status == E.DRAFT
    assert list(escrow.milestones.values_list("sequence_index", flat=True)) == [1, 3]
    told = [entry.action for entry in audit_selectors.entries(subject=escrow.reference)]
    assert sorted(told) == ["escrow.created", "milestone.created", "milestone.created"]
    assert escrow.next_deadline_at == escrow.deadline_at


def test_d05_nobody_makes_an_escrow_in_a_strangers_name() -> None:
    client, provider = make_user(), make_user()
    stranger = make_caller(Scope.SENDER, make_user())
    unknown = refused(lambda: create(client, provider, caller=stranger))
    nobody = refused(lambda: create(client, provider, caller=stranger, client_id=2**40))
    assert unknown == nobody == [("client_id", "unknown")]
    assert Escrow.objects.count() == 0


def test_a_manager_makes_escrows_for_whom_it_manages() -> None:
    manager = make_user()
    client = make_user(managed_by=manager)
    escrow = create(client, make_user(), caller=make_caller(Scope.SENDER, manager))
    assert escrow.client_id == client.pk


def test_d33_every_problem_is_named_at_once() -> None:
    client = make_user()
    fields = refused(
        lambda: create(
            client,
            client,
            provider_id=2**40,
            deadline_at=clock.now() - timedelta(seconds=1),
            milestones=[
                part(1, geofence_lat=Decimal(1)),
                part(1, proof_requirements={"expected_currency": "euro"}),
            ],
        )
    )
    assert fields == [
        ("provider_id", "unknown"),
        ("deadline_at", "in_past"),
        ("milestones.0.geofence_lng", "required"),
        ("milestones.0.geofence_radius_m", "required"),
        ("milestones.1.proof_requirements.expected_currency", "invalid"),
        ("milestones.1.sequence_index", "repeated"),
    ]


def test_client_and_provider_are_two_people() -> None:
    user = make_user()
    assert refused(lambda: create(user, user)) == [("provider_id", "same_as_client")]


def test_an_inactive_provider_is_not_named() -> None:
    gone = make_user(is_active=False)
    assert refused(lambda: create(make_user(), gone)) == [("provider_id", "unknown")]


def test_a_deadline_beyond_the_calendar_is_refused() -> None:
    far = clock.now() + timedelta(days=40 * 365)
    problems = refused(lambda: create(make_user(), make_user(), deadline_at=far))
    assert problems == [("deadline_at", "too_far")]


@pytest.mark.parametrize("domain", [Domain.PUBLIC, Domain.AID])
def test_public_money_needs_a_public_body(domain: Domain) -> None:
    with pytest.raises(PublicDomainForbidden), transaction.atomic():
        create(make_user(), make_user(), domain=domain)
    for tag in ("GOV", "ONG"):
        body = make_user(public_tag=tag)
        assert create(body, make_user(), domain=domain).domain == domain


def test_the_milestones_are_not_worth_more_than_the_escrow() -> None:
    parts = [part(1, 6_000), part(2, 4_001)]
    with pytest.raises(MilestonesExceedTotal), transaction.atomic():
        create(make_user(), make_user(), milestones=parts)
    assert Escrow.objects.count() == 0


def test_a_milestone_has_the_escrows_currency() -> None:
    with pytest.raises(CurrencyMismatch), transaction.atomic():
        create(make_user(), make_user(), milestones=[part(1, currency="USD")])


def test_d22_an_amount_with_too_many_digits_is_named_with_its_own_code() -> None:
    def too_precise(currency: str) -> int:
        return minor(Decimal("1.005"), currency)

    with pytest.raises(ValidationFailed) as refusal, transaction.atomic():
        create(make_user(), make_user(), milestones=[part(1, amount_in=too_precise)])
    assert refusal.value.code == "AMOUNT_PRECISION"
    assert refusal.value.details["fields"][0]["field"] == "milestones.0.amount"


def test_d32_fence_validator_and_age_are_kept_as_agreed() -> None:
    terms = part(
        geofence_lat=Decimal("14.716677"),
        geofence_lng=Decimal("-17.467686"),
        geofence_radius_m=Decimal("50.25"),
        max_age_minutes=None,
        proof_requirements={"expected_amount": 12.5, "colour": "red"},
    )
    escrow = create(make_user(), make_user(), milestones=[terms])
    milestone = milestone_of(escrow)
    assert milestone.validator == "SUPPORT"
    assert (milestone.geofence_lat, milestone.geofence_radius_m) == (
        Decimal("14.716677"),
        Decimal("50.25"),
    )
    assert milestone.max_age_minutes is None
    assert milestone.proof_requirements == {"expected_amount": "12.5", "colour": "red"}


def test_r1_no_column_is_a_float_and_a_fence_keeps_its_digits() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND data_type IN ('real', 'double precision')"
        )
        assert cursor.fetchall() == []
        cursor.execute(
            "SELECT column_name, numeric_precision, numeric_scale FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = 'escrow_milestone'"
            " AND column_name LIKE 'geofence%' ORDER BY 1"
        )
        assert cursor.fetchall() == [
            ("geofence_lat", 9, 6),
            ("geofence_lng", 9, 6),
            ("geofence_radius_m", 9, 2),
        ]


# --- adding milestones --------------------------------------------------------------------------


def add(escrow: Escrow, terms: MilestoneTerms, **overrides: Any) -> Milestone:
    caller = overrides.get("caller") or as_client(escrow)
    return add_milestone(caller=caller, escrow_id=escrow.pk, terms=terms)


def test_a_milestone_is_added_to_a_draft() -> None:
    escrow = make_escrow(E.DRAFT, milestones=[1_000])
    added = add(escrow, part(2, 9_000))
    assert (added.sequence_index, added.status, added.amount_minor) == (2, "WAITING", 9_000)


def test_d34_the_sum_the_index_and_the_order_are_kept() -> None:
    escrow = make_escrow(milestones=[{"amount_minor": 3_000, "sequence_index": 5}])
    with pytest.raises(MilestoneIndexTaken), transaction.atomic():
        add(escrow, part(5, 1))
    begin_review(
        escrow=escrow,
        milestone=milestone_of(escrow, 5),
        has_file=True,
        submitted_at=clock.now(),
        actor="apikey:provider",
    )
    with pytest.raises(MilestoneOutOfOrder), transaction.atomic():
        add(escrow, part(4, 1))
    reject_evidence(escrow=escrow, milestone=milestone_of(escrow, 5), actor="staff:1")
    with pytest.raises(MilestoneOutOfOrder), transaction.atomic():
        add(escrow, part(4, 1))
    with pytest.raises(InsufficientEscrowBalance), transaction.atomic():
        add(escrow, part(6, 7_001))
    assert add(escrow, part(6, 7_000)).sequence_index == 6
    assert free_minor(Escrow.objects.get(pk=escrow.pk)) == 0


def test_money_that_went_back_is_not_there_for_milestones() -> None:
    escrow = make_escrow(E.DRAFT, funded=5_000)
    refund_escrow(caller=as_client(escrow), escrow_id=escrow.pk, amount_in=minor_of(4_000))
    with pytest.raises(MilestonesExceedTotal) as refusal, transaction.atomic():
        add(escrow, part(1, 6_001))
    assert refusal.value.details == {"available": "60.00"}
    add(escrow, part(1, 6_000))


@pytest.mark.parametrize("status", [E.RELEASABLE, E.DISPUTED, E.RELEASED, E.REFUNDED, E.CANCELLED])
def test_d34_no_milestone_is_added_later(status: EscrowStatus) -> None:
    escrow = make_escrow(status)
    with pytest.raises(InvalidState), transaction.atomic():
        add(escrow, part(1, 1))
    assert Milestone.objects.count() == 0


def test_only_the_clients_side_adds_milestones() -> None:
    escrow = make_escrow(E.DRAFT)
    with pytest.raises(EscrowRoleForbidden), transaction.atomic():
        add(escrow, part(1), caller=as_provider(escrow))


def test_the_free_money_of_a_selector_is_that_of_the_rules() -> None:
    escrow = make_escrow(milestones=[3_000, 2_000])
    assert free_minor(escrow) == 5_000
    assert free_minor(make_escrow(E.DISPUTED, milestones=[3_000])) == 0
