"""The parts of the work, each with its own price and proof."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q

from escrow.models._choices import choices
from escrow.models.escrow import Escrow
from kobatela.kernel.transitions import check_transition


class MilestoneStatus(StrEnum):
    """APPROVED: the money is the provider's. PAYING: its payment was sent. PAID: it arrived."""

    WAITING = "WAITING"
    PENDING_REVIEW = "PENDING_REVIEW"
    REJECTED = "REJECTED"
    APPROVED = "APPROVED"
    PAYING = "PAYING"
    PAID = "PAID"
    CANCELLED = "CANCELLED"


class ProofKind(StrEnum):
    """What a milestone asks for."""

    PHOTO = "PHOTO"
    INVOICE = "INVOICE"
    CONTRACT = "CONTRACT"
    DOCUMENT = "DOCUMENT"


class Validator(StrEnum):
    """Who decides a milestone's proofs."""

    SUPPORT = "SUPPORT"
    SENDER = "SENDER"


class Milestone(models.Model):
    """A part of the work with its own price and its own proof.

    more_asked_at: while its proof is under review, when more was asked for than that shows; the
    provider may send it in the proof's place, and where more_asked_of_client the client, too.
    """

    TRANSITIONS: ClassVar[Mapping[MilestoneStatus, frozenset[MilestoneStatus]]] = {
        MilestoneStatus.WAITING: frozenset(
            {MilestoneStatus.PENDING_REVIEW, MilestoneStatus.APPROVED, MilestoneStatus.CANCELLED}
        ),
        MilestoneStatus.PENDING_REVIEW: frozenset(
            {MilestoneStatus.APPROVED, MilestoneStatus.REJECTED, MilestoneStatus.CANCELLED}
        ),
        MilestoneStatus.REJECTED: frozenset(
            {MilestoneStatus.PENDING_REVIEW, MilestoneStatus.APPROVED, MilestoneStatus.CANCELLED}
        ),
        MilestoneStatus.APPROVED: frozenset({MilestoneStatus.PAYING}),
        MilestoneStatus.PAYING: frozenset({MilestoneStatus.PAID, MilestoneStatus.APPROVED}),
        MilestoneStatus.PAID: frozenset({MilestoneStatus.APPROVED}),
        MilestoneStatus.CANCELLED: frozenset(),
    }

    escrow = models.ForeignKey(
        Escrow, on_delete=models.PROTECT, related_name="milestones", db_index=False
    )
    sequence_index = models.PositiveIntegerField()
    label = models.CharField(max_length=200)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(
        max_length=20, choices=choices(MilestoneStatus), default=MilestoneStatus.WAITING
    )
    proof_kind = models.CharField(
        max_length=10, choices=choices(ProofKind), default=ProofKind.PHOTO
    )
    validator = models.CharField(
        max_length=10, choices=choices(Validator), default=Validator.SUPPORT
    )
    proof_requirements = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    geofence_lat = models.DecimalField(max_digits=9, decimal_places=6, null=True)
    geofence_lng = models.DecimalField(max_digits=9, decimal_places=6, null=True)
    geofence_radius_m = models.DecimalField(max_digits=9, decimal_places=2, null=True)
    max_age_minutes = models.PositiveIntegerField(null=True)
    more_asked_at = models.DateTimeField(null=True)
    more_asked_of_client = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["escrow", "sequence_index"], name="milestone_sequence_unique"
            ),
            models.CheckConstraint(
                name="milestone_sequence_positive", condition=Q(sequence_index__gte=1)
            ),
            models.CheckConstraint(
                name="milestone_amount_positive", condition=Q(amount_minor__gt=0)
            ),
            models.CheckConstraint(
                name="milestone_status_known",
                condition=Q(status__in=[status.value for status in MilestoneStatus]),
            ),
            models.CheckConstraint(
                name="milestone_more_asked_in_review",
                condition=Q(more_asked_at__isnull=True, more_asked_of_client=False)
                | Q(more_asked_at__isnull=False, status=MilestoneStatus.PENDING_REVIEW.value),
            ),
            models.CheckConstraint(
                name="milestone_geofence_whole",
                condition=Q(
                    geofence_lat__isnull=True,
                    geofence_lng__isnull=True,
                    geofence_radius_m__isnull=True,
                )
                | Q(
                    geofence_lat__gte=-90,
                    geofence_lat__lte=90,
                    geofence_lng__gte=-180,
                    geofence_lng__lte=180,
                    geofence_radius_m__gt=0,
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"milestone {self.sequence_index} of escrow {self.escrow_id} ({self.status})"

    @property
    def reference(self) -> str:
        """How audit entries name this milestone."""
        return f"milestone:{self.pk}"

    def transition_to(self, target: MilestoneStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, MilestoneStatus(self.status), target, subject=self.reference
        )
        self.status = target
