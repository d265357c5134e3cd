"""A sender's permission to spend."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from kobatela.kernel.transitions import check_transition
from spend.models._choices import choices
from spend.models.catalogue import Category, Merchant


class MandateStatus(StrEnum):
    """CONSUMED: the whole budget is spent. A refund makes such a mandate ACTIVE again, unless it
    was revoked meanwhile."""

    ACTIVE = "ACTIVE"
    CONSUMED = "CONSUMED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


class Mandate(models.Model):
    """The beneficiary may spend up to `total_minor` of the sender's money until `expires_at`.

    allowed_category, allowed_merchant: the only ones, where they are named.
    escrow: an escrow of the sender, from whose free money the merchants are paid. Without one a
    purchase records an authorized use and moves no money.
    max_per_hour: how many purchases within any 60 minutes; null for no limit.
    What was spent is the sum of its purchases; nothing here counts along.
    """

    TRANSITIONS: ClassVar[Mapping[MandateStatus, frozenset[MandateStatus]]] = {
        MandateStatus.ACTIVE: frozenset(
            {MandateStatus.CONSUMED, MandateStatus.EXPIRED, MandateStatus.REVOKED}
        ),
        MandateStatus.CONSUMED: frozenset({MandateStatus.ACTIVE, MandateStatus.REVOKED}),
        MandateStatus.EXPIRED: frozenset(),
        MandateStatus.REVOKED: frozenset(),
    }

    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="mandates_as_sender",
        db_index=False,
    )
    beneficiary = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="mandates_as_beneficiary",
        db_index=False,
    )
    total_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    allowed_category = models.ForeignKey(
        Category, on_delete=models.PROTECT, null=True, related_name="mandates"
    )
    allowed_merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, null=True, related_name="mandates"
    )
    escrow = models.ForeignKey(
        "escrow.Escrow", on_delete=models.PROTECT, null=True, related_name="mandates"
    )
    max_per_hour = models.PositiveIntegerField(null=True)
    expires_at = models.DateTimeField()
    status = models.CharField(
        max_length=10, choices=choices(MandateStatus), default=MandateStatus.ACTIVE
    )
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="mandate_total_positive", condition=Q(total_minor__gt=0)),
            models.CheckConstraint(
                name="mandate_status_known",
                condition=Q(status__in=[status.value for status in MandateStatus]),
            ),
            models.CheckConstraint(
                name="mandate_per_hour_positive",
                condition=Q(max_per_hour__isnull=True) | Q(max_per_hour__gte=1),
            ),
            models.UniqueConstraint(
                fields=["sender", "beneficiary", "currency"],
                name="mandate_one_active",
                condition=Q(status="ACTIVE"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["sender", "-id"], name="mandate_by_sender"),
            models.Index(fields=["beneficiary", "-id"], name="mandate_by_beneficiary"),
            models.Index(fields=["status", "-id"], name="mandate_by_status"),
            models.Index(
                fields=["expires_at"], name="mandate_expiring", condition=Q(status="ACTIVE")
            ),
        ]

    def __str__(self) -> str:
        return f"mandate {self.pk} ({self.status})"

    @property
    def reference(self) -> str:
        """How audit entries name this mandate."""
        return f"mandate:{self.pk}"

    def transition_to(self, target: MandateStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, MandateStatus(self.status), target, subject=self.reference
        )
        self.status = target
