"""Public-sector projects: what a ministry or an NGO does, with the escrows that pay for it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from escrow.models._choices import choices
from escrow.models.escrow import Domain, Escrow
from kobatela.kernel.transitions import check_transition


class ProjectStatus(StrEnum):
    """A closed project is read like any other and takes no more escrows."""

    ACTIVE = "active"
    CLOSED = "closed"


class ManagerRole(StrEnum):
    """What a manager does in a project, for people to read. Every one of them may do the same."""

    PROJECT_MANAGER = "project_manager"
    FINANCE = "finance"
    FIELD = "field"
    AUDITOR = "auditor"


class Project(models.Model):
    """What public or aid money is spent on. It holds no money: its escrows do."""

    TRANSITIONS: ClassVar[Mapping[ProjectStatus, frozenset[ProjectStatus]]] = {
        ProjectStatus.ACTIVE: frozenset({ProjectStatus.CLOSED}),
        ProjectStatus.CLOSED: frozenset(),
    }

    label = models.CharField(max_length=255)
    project_type = models.CharField(max_length=100)
    country = models.CharField(max_length=2)
    city = models.CharField(max_length=100, default="", blank=True)
    domain = models.CharField(max_length=10, choices=choices(Domain))
    status = models.CharField(
        max_length=10, choices=choices(ProjectStatus), default=ProjectStatus.ACTIVE
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="escrow_project_not_private",
                condition=Q(domain__in=[Domain.PUBLIC.value, Domain.AID.value]),
            ),
            models.CheckConstraint(
                name="escrow_project_status_known",
                condition=Q(status__in=[status.value for status in ProjectStatus]),
            ),
        ]

    def __str__(self) -> str:
        return f"project {self.pk}: {self.label}"

    @property
    def reference(self) -> str:
        """How audit entries name this project."""
        return f"project:{self.pk}"

    def transition_to(self, target: ProjectStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, ProjectStatus(self.status), target, subject=self.reference
        )
        self.status = target


class ProjectManager(models.Model):
    """Who sees a project and may add to it. `role` is for people; it grants nothing."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="managers")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="managed_projects"
    )
    role = models.CharField(max_length=30, choices=choices(ManagerRole))
    is_primary = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "user"], name="escrow_project_manager_once"),
            models.CheckConstraint(
                name="escrow_project_role_known",
                condition=Q(role__in=[role.value for role in ManagerRole]),
            ),
            models.UniqueConstraint(
                fields=["project"], condition=Q(is_primary=True), name="escrow_project_one_primary"
            ),
        ]

    def __str__(self) -> str:
        return f"user {self.user_id} manages project {self.project_id}"


class ProjectEscrow(models.Model):
    """An escrow that pays for a project; for one only, or its money would count twice."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="attached")
    escrow = models.OneToOneField(Escrow, on_delete=models.PROTECT, related_name="attachment")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"escrow {self.escrow_id} of project {self.project_id}"


class EscrowGrant(models.Model):
    """The client's permission that another public body attaches its escrow to a project."""

    escrow = models.ForeignKey(Escrow, on_delete=models.PROTECT, related_name="grants")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="granted_escrows"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["escrow", "user"], name="escrow_granted_once")
        ]

    def __str__(self) -> str:
        return f"escrow {self.escrow_id} for user {self.user_id}"
