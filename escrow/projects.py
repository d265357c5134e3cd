"""Reading public-sector projects: who may, which escrows, and their figures by currency."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest
from django.db.models.lookups import GreaterThanOrEqual

from escrow import rules
from escrow.errors import ProjectNotFound, PublicAccessForbidden, PublicUserNotFound
from escrow.models import (
    Escrow,
    EscrowGrant,
    Milestone,
    MilestoneStatus,
    Project,
    ProjectEscrow,
    ProjectManager,
)
from kobatela.accounts.selectors import parties_of
from kobatela.kernel.caller import Caller
from payments import figures as payment_figures

PUBLIC_TAGS = frozenset({"GOV", "ONG"})


def public_party(caller: Caller) -> int:
    """The public body that the caller speaks for.

    Raises PublicUserNotFound for a key of nobody and PublicAccessForbidden for a private user.
    """
    if caller.party_id is None:
        raise PublicUserNotFound
    if caller.public_tag not in PUBLIC_TAGS:
        raise PublicAccessForbidden
    return caller.party_id


def managed_projects(caller: Caller) -> QuerySet[Project]:
    """The projects that the caller, or whom it acts for, manages. Raises as public_party."""
    public_party(caller)
    manages = ProjectManager.objects.filter(project=OuterRef("pk"), user__in=parties_of(caller))
    return Project.objects.filter(Exists(manages))


def get_project(caller: Caller, project_id: int) -> Project:
    """One project. Raises ProjectNotFound, also for one that the caller does not manage."""
    project = managed_projects(caller).filter(pk=project_id).first()
    if project is None:
        raise ProjectNotFound
    return project


def lock_project(caller: Caller, project_id: int) -> Project:
    """As get_project, locked until the transaction ends; before the escrow that joins it."""
    get_project(caller, project_id)
    return Project.objects.select_for_update(no_key=True).get(pk=project_id)


def is_granted(caller: Caller, escrow: Escrow) -> bool:
    """Whether the escrow is the caller's own as its client, or its client has granted it."""
    if caller.may_act_for(escrow.client_id):
        return True
    return EscrowGrant.objects.filter(escrow=escrow, user__in=parties_of(caller)).exists()


def visible_grants(caller: Caller) -> QuerySet[EscrowGrant]:
    """The grants that the caller gave as a client, or was given."""
    parties = parties_of(caller)
    return EscrowGrant.objects.filter(Q(escrow__client__in=parties) | Q(user__in=parties))


def public_escrows(
    caller: Caller,
    *,
    project_id: int | None = None,
    domain: str | None = None,
    country: str | None = None,
    status: str | None = None,
    currency: str | None = None,
    updated_since: datetime | None = None,
) -> QuerySet[Escrow]:
    """The escrows of managed projects by the filters of `GET /kct_public/mandates`.

    Each has `changed_at`, `milestones_total`, `milestones_paid` and `current_index` besides its
    own fields. A milestone that was paid changed the escrow, though it left its row alone.
    """
    exact = {
        "attachment__project": project_id,
        "domain": domain,
        "attachment__project__country": country,
        "status": status,
        "currency": currency,
    }
    wanted = {name: value for name, value in exact.items() if value is not None}
    found = _with_progress(
        Escrow.objects.filter(attachment__project__in=managed_projects(caller), **wanted)
    )
    if updated_since is not None:
        found = found.filter(GreaterThanOrEqual(F("changed_at"), Value(updated_since)))
    return found.select_related("attachment__project")


def escrows_of(project: Project) -> QuerySet[Escrow]:
    """The escrows of one project with their progress, in the order of their ids."""
    return _with_progress(Escrow.objects.filter(attachment__project=project)).order_by("pk")


def _with_progress(escrows: QuerySet[Escrow]) -> QuerySet[Escrow]:
    milestones = Milestone.objects.filter(escrow=OuterRef("pk")).order_by()

    def of_milestones(figure: Any, *conditions: Q) -> Subquery:
        grouped = milestones.filter(*conditions).values("escrow").annotate(figure=figure)
        return Subquery(grouped.values("figure")[:1])

    count = Count("pk")
    return escrows.annotate(
        changed_at=Greatest("updated_at", of_milestones(Max("updated_at"))),
        milestones_total=Coalesce(of_milestones(count), Value(0)),
        milestones_paid=Coalesce(of_milestones(count, Q(status=MilestoneStatus.PAID)), Value(0)),
        current_index=of_milestones(Min("sequence_index"), Q(status__in=rules.OPEN_MILESTONE)),
    )


def remaining_minor(escrow: Escrow) -> int:
    """What may still reach the provider: nothing once the escrow has ended."""
    if escrow.status in rules.TERMINAL:
        return 0
    return escrow.amount_total_minor - escrow.released_minor - escrow.refunded_minor


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """What several escrows of one currency come to, in its minor units.

    released: given to the provider, paid or on its way. remaining: what may still be.
    """

    currency: str
    escrows: int
    total_minor: int
    funded_minor: int
    released_minor: int
    refunded_minor: int
    remaining_minor: int


@dataclass(frozen=True, slots=True)
class ProjectFigures:
    """What a project's escrows come to; its current milestone only where it has one escrow."""

    totals: Sequence[CurrencyTotal]
    current_milestone: int | None


def totals(escrows: QuerySet[Escrow]) -> list[CurrencyTotal]:
    """The sums of `escrows`, one for each currency: amounts of two are never added up."""
    return [_total(row) for row in _summed(escrows, "currency")]


def figures(projects: Sequence[Project]) -> Mapping[int, ProjectFigures]:
    """The figures of each project by its id, in two queries for all of them."""
    by_project = "attachment__project"
    ids = [project.pk for project in projects]
    summed: dict[int, list[CurrencyTotal]] = {project_id: [] for project_id in ids}
    attached = Escrow.objects.filter(attachment__project__in=ids)
    for row in _summed(attached, by_project, "currency"):
        summed[row[by_project]].append(_total(row))
    undecided = Milestone.objects.filter(
        escrow__attachment__project__in=ids, status__in=rules.OPEN_MILESTONE
    ).order_by()
    current = dict(
        undecided.values_list("escrow__attachment__project").annotate(Min("sequence_index"))
    )
    return {
        project_id: ProjectFigures(
            found, current.get(project_id) if sum(one.escrows for one in found) == 1 else None
        )
        for project_id, found in summed.items()
    }


def _summed(escrows: QuerySet[Escrow], *groups: str) -> QuerySet[Any, dict[str, Any]]:
    open_rest = F("amount_total_minor") - F("released_minor") - F("refunded_minor")
    remaining = Case(When(status__in=rules.TERMINAL, then=Value(0)), default=open_rest)
    grouped: QuerySet[Any, dict[str, Any]] = escrows.order_by().values(*groups)
    summed: QuerySet[Any, dict[str, Any]] = grouped.annotate(
        escrows=Count("pk"),
        total=Sum("amount_total_minor"),
        funded=Sum("funded_minor"),
        released=Sum("released_minor"),
        refunded=Sum("refunded_minor"),
        remaining=Sum(remaining),
    )
    return summed.order_by(*groups)


def _total(row: Mapping[str, Any]) -> CurrencyTotal:
    return CurrencyTotal(
        currency=row["currency"],
        escrows=row["escrows"],
        total_minor=int(row["total"]),
        funded_minor=int(row["funded"]),
        released_minor=int(row["released"]),
        refunded_minor=int(row["refunded"]),
        remaining_minor=int(row["remaining"]),
    )


def settled_minor(escrows: Sequence[Escrow]) -> Mapping[int, int]:
    """What has arrived at providers and payees, in minor units, by escrow."""
    return payment_figures.settled_minor_by_escrow([escrow.pk for escrow in escrows])


def settled_minor_by_currency(project: Project) -> Mapping[str, int]:
    """What has arrived for the escrows of one project, by currency."""
    attached = ProjectEscrow.objects.filter(project=project).values("escrow")
    return payment_figures.settled_minor_by_currency(attached)


def in_batches(escrows: QuerySet[Escrow], size: int = 100) -> Iterator[list[Escrow]]:
    """`escrows` in the order of their ids, `size` at a time, however many there are."""
    last = 0
    while batch := list(escrows.filter(pk__gt=last).order_by("pk")[:size]):
        yield batch
        last = batch[-1].pk
