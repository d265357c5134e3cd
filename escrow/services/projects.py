"""What public bodies do with projects. Reading is audited like writing: it is public money."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from audit.actions import Action
from audit.services import entries
from escrow import projects, selectors
from escrow.errors import (
    DomainMismatch,
    EscrowAlreadyAttached,
    EscrowNotFound,
    EscrowRoleForbidden,
)
from escrow.models import (
    Domain,
    Escrow,
    EscrowGrant,
    ManagerRole,
    Project,
    ProjectEscrow,
    ProjectManager,
    ProjectStatus,
)
from kobatela.accounts.selectors import require_active_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState, ValidationFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectTerms:
    """What a project is. Nothing in it is about a person."""

    label: str
    project_type: str
    country: str
    domain: Domain
    city: str = ""


@transaction.atomic
def create_project(*, caller: Caller, terms: ProjectTerms) -> Project:
    """Make an active project; who makes it is its first and primary manager.

    Raises PublicUserNotFound and PublicAccessForbidden.
    """
    manager_id = projects.public_party(caller)
    now = clock.now()
    project = Project.objects.create(
        label=terms.label,
        project_type=terms.project_type,
        country=terms.country,
        city=terms.city,
        domain=terms.domain,
        created_at=now,
        updated_at=now,
    )
    ProjectManager.objects.create(
        project=project,
        user_id=manager_id,
        role=ManagerRole.PROJECT_MANAGER,
        is_primary=True,
        created_at=now,
    )
    # A label and a city are words that somebody wrote; the trail has ids and codes only.
    body = {"country": project.country, "domain": project.domain, "manager_id": manager_id}
    _tell(caller, Action.PROJECT_CREATED, project, body)
    return project


@transaction.atomic
def add_manager(
    *, caller: Caller, project_id: int, user_id: int, role: str, is_primary: bool = False
) -> bool:
    """Let another user manage the project; False when they do already, and nothing changes.

    A new primary manager takes the place of the former. Raises ProjectNotFound and
    ValidationFailed for a user who is unknown or not active.
    """
    project = projects.lock_project(caller, project_id)
    require_active_user(user_id, field="user_id")
    if ProjectManager.objects.filter(project=project, user=user_id).exists():
        return False
    if is_primary:
        ProjectManager.objects.filter(project=project, is_primary=True).update(is_primary=False)
    ProjectManager.objects.create(
        project=project, user_id=user_id, role=role, is_primary=is_primary, created_at=clock.now()
    )
    body = {"manager_id": user_id, "is_primary": is_primary}
    _tell(caller, Action.PROJECT_MANAGER_ADDED, project, body)
    return True


@transaction.atomic
def remove_manager(*, actor: str, project_id: int, user_id: int) -> None:
    """Let a user manage the project no more. The longest-serving of the others takes the place of
    the primary one.

    Raises ValidationFailed for a user who does not manage it, and InvalidState for the last one:
    nobody could add another.
    """
    project = Project.objects.select_for_update(no_key=True).get(pk=project_id)
    managers = list(ProjectManager.objects.filter(project=project).order_by("pk"))
    leaving = next((row for row in managers if row.user_id == user_id), None)
    if leaving is None:
        raise ValidationFailed.of("user_id", "unknown", "This user does not manage the project.")
    others = [row for row in managers if row != leaving]
    if not others:
        raise InvalidState("A project needs a manager; add another first.")
    leaving.delete()
    if leaving.is_primary:
        others[0].is_primary = True
        others[0].save(update_fields=["is_primary"])
    entries.record(
        actor=actor,
        action=Action.PROJECT_MANAGER_REMOVED,
        subject=project.reference,
        body={"manager_id": user_id, "was_primary": leaving.is_primary},
    )


@transaction.atomic
def attach_escrow(*, caller: Caller, project_id: int, escrow_id: int) -> bool:
    """Count an escrow to the project; False when it is there already, and nothing changes.

    It must be the caller's own as its client, or granted by its client. Raises ProjectNotFound,
    EscrowNotFound, EscrowRoleForbidden for one that the caller only provides for,
    DomainMismatch, EscrowAlreadyAttached and InvalidState for a closed project.
    """
    project = projects.lock_project(caller, project_id)
    escrow = _grantable(caller, escrow_id)
    attached = ProjectEscrow.objects.filter(escrow=escrow).first()
    if attached is not None and attached.project_id == project.pk:
        return False
    if project.status != ProjectStatus.ACTIVE:
        raise InvalidState("The project is closed.", current=project.status)
    if escrow.domain != project.domain:
        raise DomainMismatch(project=project.domain, escrow=escrow.domain)
    if attached is not None:
        raise EscrowAlreadyAttached
    _attach(project, escrow)
    entries.record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=Action.PROJECT_ESCROW_ATTACHED,
        subject=project.reference,
        stream=escrow.reference,
        body={"project_id": project.pk, "escrow_id": escrow.pk},
    )
    return True


@transaction.atomic
def grant_escrow(*, caller: Caller, escrow_id: int, user_id: int) -> EscrowGrant:
    """As its client, let another body attach an escrow. One that was given stays as it is.

    Raises EscrowNotFound, EscrowRoleForbidden, DomainMismatch for a private escrow and
    ValidationFailed for a user who is unknown or not active.
    """
    projects.public_party(caller)
    escrow = selectors.get_escrow(caller, escrow_id, field="escrow_id")
    if not caller.may_act_for(escrow.client_id):
        raise EscrowRoleForbidden
    if escrow.domain == Domain.PRIVATE:
        raise DomainMismatch(escrow=escrow.domain)
    require_active_user(user_id, field="user_id")
    grant, is_new = EscrowGrant.objects.get_or_create(
        escrow=escrow, user_id=user_id, defaults={"created_at": clock.now()}
    )
    if is_new:
        _tell_grant(caller, Action.ESCROW_GRANT_GIVEN, grant)
    return grant


@transaction.atomic
def withdraw_grant(*, caller: Caller, grant_id: int) -> None:
    """Take a grant back; an escrow that was attached by it stays where it is.

    Raises EscrowNotFound for a grant that the caller did not give.
    """
    projects.public_party(caller)
    found = EscrowGrant.objects.select_for_update(of=("self",)).select_related("escrow")
    grant = found.filter(pk=grant_id).first()
    if grant is None or not caller.may_act_for(grant.escrow.client_id):
        raise EscrowNotFound("There is no such grant.")
    _tell_grant(caller, Action.ESCROW_GRANT_WITHDRAWN, grant)
    grant.delete()


@transaction.atomic
def close_project(*, actor: str, project_id: int) -> Project:
    """Let the project take no more escrows. Raises InvalidState for a closed one."""
    project = Project.objects.select_for_update(no_key=True).get(pk=project_id)
    project.transition_to(ProjectStatus.CLOSED)
    project.updated_at = clock.now()
    project.save(update_fields=["status", "updated_at"])
    entries.record(actor=actor, action=Action.PROJECT_CLOSED, subject=project.reference)
    return project


@transaction.atomic
def read_project(*, caller: Caller, project_id: int) -> Project:
    """One project, and an entry that it was read. Raises ProjectNotFound."""
    project = projects.get_project(caller, project_id)
    _tell(caller, Action.PROJECT_READ, project, {})
    return project


@transaction.atomic
def report_on(*, caller: Caller, project_id: int, form: str) -> Project:
    """As read_project, for a report as `form`."""
    project = projects.get_project(caller, project_id)
    _tell(caller, Action.PROJECT_REPORTED, project, {"format": form})
    return project


@transaction.atomic
def tell_listed(*, caller: Caller, action: Action, filters: Mapping[str, Any]) -> None:
    """An entry that the caller looked at its projects or their escrows, and with which filters.

    Raises PublicUserNotFound and PublicAccessForbidden.
    """
    party_id = projects.public_party(caller)
    entries.record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=action,
        subject=f"user:{party_id}",
        body={"filters": {name: str(value) for name, value in sorted(filters.items())}},
    )


def _grantable(caller: Caller, escrow_id: int) -> Escrow:
    escrow = Escrow.objects.filter(pk=escrow_id).first()
    if escrow is not None and projects.is_granted(caller, escrow):
        return escrow
    if escrow is not None and caller.may_act_for(escrow.provider_id):
        raise EscrowRoleForbidden
    raise EscrowNotFound.in_body("escrow_id", escrow_id)


def _attach(project: Project, escrow: Escrow) -> None:
    try:
        with transaction.atomic():
            ProjectEscrow.objects.create(project=project, escrow=escrow, created_at=clock.now())
    except IntegrityError as error:
        # Another project was a moment faster.
        raise EscrowAlreadyAttached from error


def _tell(caller: Caller, action: Action, project: Project, body: Mapping[str, Any]) -> None:
    entries.record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=action,
        subject=project.reference,
        body=body,
    )


def _tell_grant(caller: Caller, action: Action, grant: EscrowGrant) -> None:
    entries.record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=action,
        subject=f"escrow_grant:{grant.pk}",
        stream=f"escrow:{grant.escrow_id}",
        body={"escrow_id": grant.escrow_id, "user_id": grant.user_id},
    )
