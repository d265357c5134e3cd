"""The parts of the work and what they cost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import transaction

from audit.actions import Action
from audit.services import entries
from escrow import requirements, rules, selectors
from escrow.errors import (
    InsufficientEscrowBalance,
    MilestoneIndexTaken,
    MilestoneOutOfOrder,
    MilestonesExceedTotal,
)
from escrow.models import Escrow, EscrowStatus, Milestone, MilestoneStatus, ProofKind, Validator
from escrow.services.amounts import AmountIn
from escrow.services.journal import Acting
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import FieldProblem, ValidationFailed
from kobatela.kernel.money import CurrencyMismatch, format_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneTerms:
    """What a milestone asks for and pays. `currency` is the client's word for it, if any.

    max_age_minutes: how old a photo may be; None sets no limit.
    """

    sequence_index: int
    label: str
    amount_in: AmountIn
    currency: str | None = None
    proof_kind: ProofKind = ProofKind.PHOTO
    validator: Validator = Validator.SUPPORT
    proof_requirements: Mapping[str, Any] = field(default_factory=dict)
    geofence_lat: Decimal | None = None
    geofence_lng: Decimal | None = None
    geofence_radius_m: Decimal | None = None
    max_age_minutes: int | None = 120


@transaction.atomic(savepoint=False)
def add_milestone(*, caller: Caller, escrow_id: int, terms: MilestoneTerms) -> Milestone:
    """Add a milestone to an escrow that is DRAFT, or FUNDED with enough money free.

    Raises EscrowNotFound, EscrowRoleForbidden, InvalidState, ValidationFailed, CurrencyMismatch,
    MilestoneIndexTaken, MilestoneOutOfOrder, MilestonesExceedTotal, InsufficientEscrowBalance.
    """
    escrow = selectors.lock_visible_escrow(caller, escrow_id)
    milestone = build(escrow, [terms])[0]
    standing = selectors.standing(caller, escrow)
    rules.ADD_MILESTONE.check(standing)
    _check_place(milestone, standing.milestones)
    _check_sum(escrow, milestone.amount_minor, standing.milestones)
    milestone.save()
    tell_created(escrow, milestone, Acting.of(caller))
    return milestone


def build(escrow: Escrow, terms: Sequence[MilestoneTerms], prefix: str = "") -> list[Milestone]:
    """Milestones of `escrow` that are not saved yet, their terms checked one by one.

    prefix: what stands before the index in the names of fields; empty for a single milestone.
    Raises ValidationFailed that names every field, and CurrencyMismatch.
    """
    built: list[Milestone] = []
    problems: list[FieldProblem] = []
    refusals: list[ValidationFailed] = []
    for position, item in enumerate(terms):
        path = f"{prefix}.{position}." if prefix else ""
        if item.currency is not None and item.currency != escrow.currency:
            raise CurrencyMismatch(field=f"{path}currency", expected=escrow.currency)
        found = list(_problems_of(item, path))
        try:
            amount_minor = item.amount_in(escrow.currency)
        except ValidationFailed as refusal:
            refusals.append(refusal)
            found += [_under(path, problem) for problem in refusal.details["fields"]]
        else:
            if not found:
                built.append(_milestone(escrow, item, amount_minor))
        problems += found
    problems += _repeated(terms, prefix)
    if len(problems) == 1 and refusals:
        # A single refused amount keeps its own code.
        raise type(refusals[0])(problems)
    if problems:
        raise ValidationFailed(problems)
    return built


def tell_created(escrow: Escrow, milestone: Milestone, by: Acting) -> None:
    """Write the audit entry of a new milestone."""
    entries.record(
        actor=by.actor,
        on_behalf_of=by.on_behalf_of,
        action=Action.MILESTONE_CREATED,
        subject=milestone.reference,
        stream=escrow.reference,
        body={
            "milestone_id": milestone.pk,
            "milestone_idx": milestone.sequence_index,
            "amount_minor": milestone.amount_minor,
            "currency": milestone.currency,
            "status": milestone.status,
            "proof_kind": milestone.proof_kind,
            "validator": milestone.validator,
        },
    )


def _milestone(escrow: Escrow, terms: MilestoneTerms, amount_minor: int) -> Milestone:
    now = clock.now()
    return Milestone(
        escrow=escrow,
        sequence_index=terms.sequence_index,
        label=terms.label,
        amount_minor=amount_minor,
        currency=escrow.currency,
        status=MilestoneStatus.WAITING,
        proof_kind=terms.proof_kind,
        validator=terms.validator,
        proof_requirements=requirements.normalised(terms.proof_requirements),
        geofence_lat=terms.geofence_lat,
        geofence_lng=terms.geofence_lng,
        geofence_radius_m=terms.geofence_radius_m,
        max_age_minutes=terms.max_age_minutes,
        created_at=now,
        updated_at=now,
    )


def _problems_of(terms: MilestoneTerms, path: str) -> Iterator[FieldProblem]:
    fence = {
        "geofence_lat": terms.geofence_lat,
        "geofence_lng": terms.geofence_lng,
        "geofence_radius_m": terms.geofence_radius_m,
    }
    missing = [name for name, value in fence.items() if value is None]
    if len(missing) in {1, 2}:
        message = "A geofence has a latitude, a longitude and a radius."
        for name in missing:
            yield {"field": path + name, "code": "required", "message": message}
    yield from requirements.problems_of(terms.proof_requirements, field=f"{path}proof_requirements")


def _under(path: str, problem: FieldProblem) -> FieldProblem:
    return {
        "field": path + problem["field"],
        "code": problem["code"],
        "message": problem["message"],
    }


def _repeated(terms: Sequence[MilestoneTerms], prefix: str) -> Iterator[FieldProblem]:
    seen: set[int] = set()
    for position, item in enumerate(terms):
        if item.sequence_index in seen:
            field_name = f"{prefix}.{position}.sequence_index"
            message = "Another milestone has this sequence index."
            yield {"field": field_name, "code": "repeated", "message": message}
        seen.add(item.sequence_index)


def _check_place(milestone: Milestone, others: Sequence[Milestone]) -> None:
    index = milestone.sequence_index
    if any(other.sequence_index == index for other in others):
        raise MilestoneIndexTaken(sequence_index=index)
    if any(
        other.sequence_index > index and other.status != MilestoneStatus.WAITING for other in others
    ):
        raise MilestoneOutOfOrder


def _check_sum(escrow: Escrow, amount_minor: int, others: Sequence[Milestone]) -> None:
    """What has been paid out or given back is not there for milestones any more."""
    gone_minor = escrow.released_minor + escrow.refunded_minor
    open_minor = rules.open_minor(others)
    available_minor = escrow.amount_total_minor - gone_minor - open_minor
    if escrow.status == EscrowStatus.FUNDED:
        # Less than the rest of the total once a chargeback froze or took some of it.
        available_minor = min(available_minor, rules.free_of(escrow, open_minor))
    if amount_minor <= available_minor:
        return
    available = format_minor(max(0, available_minor), escrow.currency)
    if escrow.status == EscrowStatus.FUNDED:
        raise InsufficientEscrowBalance(free=available)
    raise MilestonesExceedTotal(available=available)
