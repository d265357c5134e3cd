"""Making an agreement."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction

from audit.actions import Action
from escrow import deadlines
from escrow.errors import MilestonesExceedTotal, PublicDomainForbidden
from escrow.models import Domain, Escrow, EscrowStatus, Milestone, OnDeadline
from escrow.services import milestones
from escrow.services.journal import Acting, record
from escrow.services.milestones import MilestoneTerms
from kobatela.accounts.selectors import party_or_refuse, require_active_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import FieldProblem, ValidationFailed
from kobatela.kernel.money import Money, format_minor

# Deadlines beyond this are mistakes, and sums with them would leave the calendar.
LATEST_DEADLINE = timedelta(days=20 * 365)
_PUBLIC_TAGS = frozenset({"GOV", "ONG"})
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowTerms:
    """What two parties agree on."""

    client_id: int
    provider_id: int
    amount_total: Money
    deadline_at: datetime
    domain: Domain = Domain.PRIVATE
    release_conditions: Mapping[str, Any] = field(default_factory=dict)
    inspection_hours: int = 72
    on_deadline: OnDeadline = OnDeadline.REFUND
    milestones: Sequence[MilestoneTerms] = ()


@transaction.atomic(savepoint=False)
def create_escrow(*, caller: Caller, terms: EscrowTerms) -> Escrow:
    """Make a DRAFT escrow with its milestones. The client is one whom the caller acts for.

    Raises ValidationFailed that names every field, CurrencyMismatch, MilestonesExceedTotal and
    PublicDomainForbidden.
    """
    problems = _Problems()
    client = problems.collect(lambda: party_or_refuse(caller, terms.client_id, "client_id"))
    problems.collect(lambda: require_active_user(terms.provider_id, field="provider_id"))
    problems.add(_problems_of(terms))
    escrow = _draft(terms)
    parts = problems.collect(lambda: milestones.build(escrow, terms.milestones, "milestones"))
    problems.raise_any()
    assert client is not None, "an unknown client is a problem"
    assert parts is not None, "refused milestones are a problem"
    if terms.domain is not Domain.PRIVATE and not _PUBLIC_TAGS & {
        caller.public_tag,
        client.public_tag,
    }:
        raise PublicDomainForbidden
    _check_sum(escrow, parts)
    escrow.save()
    # `build` made the parts before the escrow had an id.
    for part in parts:
        part.escrow = escrow
    Milestone.objects.bulk_create(parts)
    _tell(escrow, parts, Acting.of(caller))
    return escrow


class _Problems:
    """Gathers what is wrong, so that one answer names all of it."""

    def __init__(self) -> None:
        self._found: list[FieldProblem] = []
        self._refusals: list[ValidationFailed] = []

    def collect(self, look: Callable[[], Found]) -> Found | None:
        """What `look` gives; None when it refuses a field."""
        try:
            return look()
        except ValidationFailed as refusal:
            self._refusals.append(refusal)
            self.add(refusal.details["fields"])
            return None

    def add(self, problems: Iterator[FieldProblem] | Sequence[FieldProblem]) -> None:
        """Take over problems that were found elsewhere."""
        self._found += problems

    def raise_any(self) -> None:
        """Raise the refusal of all fields; one that stands alone keeps its own code."""
        if len(self._found) == 1 and self._refusals:
            raise self._refusals[0]
        if self._found:
            raise ValidationFailed(self._found)


def _problems_of(terms: EscrowTerms) -> Iterator[FieldProblem]:
    if terms.client_id == terms.provider_id:
        message = "The provider must be somebody else than the client."
        yield {"field": "provider_id", "code": "same_as_client", "message": message}
    now = clock.now()
    if terms.deadline_at <= now:
        message = "The deadline is in the past."
        yield {"field": "deadline_at", "code": "in_past", "message": message}
    if terms.deadline_at > now + LATEST_DEADLINE:
        message = "The deadline is too far away."
        yield {"field": "deadline_at", "code": "too_far", "message": message}


def _draft(terms: EscrowTerms) -> Escrow:
    now = clock.now()
    escrow = Escrow(
        client_id=terms.client_id,
        provider_id=terms.provider_id,
        amount_total_minor=terms.amount_total.amount_minor,
        currency=terms.amount_total.currency,
        status=EscrowStatus.DRAFT,
        domain=terms.domain,
        release_conditions=dict(terms.release_conditions),
        deadline_at=terms.deadline_at,
        inspection_hours=terms.inspection_hours,
        on_deadline=terms.on_deadline,
        created_at=now,
        updated_at=now,
    )
    escrow.next_deadline_at = deadlines.next_at(escrow)
    return escrow


def _check_sum(escrow: Escrow, parts: Sequence[Milestone]) -> None:
    if sum(part.amount_minor for part in parts) > escrow.amount_total_minor:
        raise MilestonesExceedTotal(
            available=format_minor(escrow.amount_total_minor, escrow.currency)
        )


def _tell(escrow: Escrow, parts: Sequence[Milestone], by: Acting) -> None:
    record(
        escrow,
        Action.ESCROW_CREATED,
        by,
        event="escrow.created",
        client_id=escrow.client_id,
        provider_id=escrow.provider_id,
        amount_minor=escrow.amount_total_minor,
        currency=escrow.currency,
        domain=escrow.domain,
        deadline_at=escrow.deadline_at.isoformat(),
        milestones=len(parts),
    )
    for part in parts:
        milestones.tell_created(escrow, part, by)
