"""Escrows in any state for tests, made through the services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

from escrow.models import Domain, Escrow, EscrowStatus, Milestone, Project
from escrow.services.acceptance import approve_escrow, cancel_escrow
from escrow.services.agreements import EscrowTerms, create_escrow
from escrow.services.amounts import AmountIn
from escrow.services.deliveries import mark_delivered
from escrow.services.disputes import open_dispute
from escrow.services.fundings import EscrowFundings
from escrow.services.journal import Said
from escrow.services.milestones import MilestoneTerms
from escrow.services.projects import ProjectTerms, attach_escrow, create_project
from escrow.services.refunds import refund_escrow
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.money import Money

_charges = count(1)


@dataclass(frozen=True)
class ReportedFunding:
    """What a handler reads of a funding that a PSP reports."""

    pk: int
    escrow_id: int
    psp_ref: str


def minor_of(amount_minor: int) -> AmountIn:
    """An amount as services take it, whatever the currency."""
    return partial(_same, amount_minor)


def make_escrow(
    status: EscrowStatus | str = EscrowStatus.FUNDED,
    *,
    milestones: Sequence[int | Mapping[str, Any]] = (),
    funded: int | None = None,
    amount_total_minor: int = 10_000,
    currency: str = "EUR",
    psp: str = "fake",
    **overrides: Any,
) -> Escrow:
    """An escrow in `status`, as its parties and a PSP would bring it there.

    milestones: amounts in minor units, or the terms of a milestone with `amount_minor`; they are
    numbered from 1. funded: what came in; all of it unless given, nothing for DRAFT and CANCELLED.
    overrides: client, provider (users), and any of the terms of EscrowTerms.
    """
    status = EscrowStatus(status)
    client = overrides.pop("client", None) or make_user()
    provider = overrides.pop("provider", None) or make_user()
    terms: dict[str, Any] = {"deadline_at": clock.now() + timedelta(days=30)}
    escrow = create_escrow(
        caller=make_caller(Scope.SENDER, client),
        terms=EscrowTerms(
            client_id=client.pk,
            provider_id=provider.pk,
            amount_total=Money(amount_total_minor, currency),
            milestones=[_terms(item, index) for index, item in enumerate(milestones, start=1)],
            **(terms | overrides),
        ),
    )
    if funded is None:
        funded = 0 if status in {EscrowStatus.DRAFT, EscrowStatus.CANCELLED} else amount_total_minor
    if funded:
        fund(escrow, funded, psp=psp)
    return bring_to(escrow, status)


def fund(escrow: Escrow, amount_minor: int, *, psp: str = "fake") -> str:
    """Let a PSP report money for the escrow; the reference of its charge."""
    number = next(_charges)
    charge_ref = f"charge_test_{number}"
    EscrowFundings().succeeded(
        ReportedFunding(number, escrow.pk, charge_ref), Money(amount_minor, escrow.currency), psp
    )
    escrow.refresh_from_db()
    return charge_ref


def as_client(escrow: Escrow) -> Caller:
    """A caller with a sender's key of the client."""
    return make_caller(Scope.SENDER, escrow.client)


def as_provider(escrow: Escrow) -> Caller:
    """A caller with a provider's key of the provider."""
    return make_caller(Scope.PROVIDER, escrow.provider)


def milestone_of(escrow: Escrow, sequence_index: int = 1) -> Milestone:
    """The milestone as it is stored now."""
    return Milestone.objects.get(escrow=escrow, sequence_index=sequence_index)


def _terms(item: int | Mapping[str, Any], index: int) -> MilestoneTerms:
    values = {"amount_minor": item} if isinstance(item, int) else dict(item)
    amount_minor = values.pop("amount_minor")
    defaults = {"sequence_index": index, "label": f"Part {index}"}
    return MilestoneTerms(amount_in=minor_of(amount_minor), **(defaults | values))


def bring_to(escrow: Escrow, status: EscrowStatus) -> Escrow:
    """Let the parties bring a funded escrow, or an empty one, to a status."""
    if status == EscrowStatus.RELEASABLE:
        mark_delivered(caller=as_provider(escrow), escrow_id=escrow.pk, said=Said())
    elif status == EscrowStatus.DISPUTED:
        open_dispute(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    elif status == EscrowStatus.RELEASED:
        approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    elif status == EscrowStatus.REFUNDED:
        refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    elif status == EscrowStatus.CANCELLED:
        cancel_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    escrow.refresh_from_db()
    assert escrow.status == status, f"the escrow came out as {escrow.status}"
    return escrow


def _same(amount_minor: int, currency: str) -> int:
    return amount_minor


def make_project(manager: User, **overrides: Any) -> Project:
    """An active project of a public body or an NGO."""
    terms: dict[str, Any] = {
        "label": "Wells of the north",
        "project_type": "water",
        "country": "SN",
        "domain": Domain.AID,
    }
    terms |= overrides
    terms["domain"] = Domain(terms["domain"])
    caller = make_caller(Scope.SENDER, manager)
    return create_project(caller=caller, terms=ProjectTerms(**terms))


def attach(project: Project, *escrows: Escrow) -> None:
    """Count escrows to a project, each as its client's own."""
    manager = project.managers.get(is_primary=True).user
    caller = make_caller(Scope.SENDER, manager, acts_for=lambda _user_id: True)
    for escrow in escrows:
        attach_escrow(caller=caller, project_id=project.pk, escrow_id=escrow.pk)
