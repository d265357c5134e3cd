"""The agreement and the money it holds."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q

from escrow.models._choices import choices
from kobatela.kernel.transitions import check_transition


class EscrowStatus(StrEnum):
    """Where an escrow stands. RELEASED: all money is decided; its payments may be under way."""

    DRAFT = "DRAFT"
    FUNDED = "FUNDED"
    RELEASABLE = "RELEASABLE"
    DISPUTED = "DISPUTED"
    RELEASED = "RELEASED"
    REFUNDED = "REFUNDED"
    CANCELLED = "CANCELLED"


class Domain(StrEnum):
    """Whose money it is: public and aid escrows are opened by public bodies and NGOs."""

    PRIVATE = "private"
    PUBLIC = "public"
    AID = "aid"


class OnDeadline(StrEnum):
    """What a passed deadline does to a funded escrow."""

    REFUND = "refund"
    RELEASE = "release"
    REVIEW = "review"


class Escrow(models.Model):
    """Money held for two parties until the work is accepted.

    funded_minor: confirmed deposits. released_minor: given to the provider, paid or on its way,
    before the platform's fee. refunded_minor: given back, likewise. What is held is the difference.
    frozen_minor: what of it a chargeback may take, which nobody may touch until that is decided.
    They change only together with the ledger, under the lock of this row.

    evidence_at: arrival of the file now under review; while it is set a deadline waits for it.
    next_deadline_at: the first moment at which a deadline of this escrow acts, so that one
    indexed look tells whether anything is due.
    """

    TRANSITIONS: ClassVar[Mapping[EscrowStatus, frozenset[EscrowStatus]]] = {
        EscrowStatus.DRAFT: frozenset(
            {
                EscrowStatus.FUNDED,
                EscrowStatus.CANCELLED,
                EscrowStatus.DISPUTED,
                EscrowStatus.RELEASED,
            }
        ),
        EscrowStatus.FUNDED: frozenset(
            {
                EscrowStatus.RELEASABLE,
                EscrowStatus.RELEASED,
                EscrowStatus.REFUNDED,
                EscrowStatus.DISPUTED,
            }
        ),
        EscrowStatus.RELEASABLE: frozenset(
            {EscrowStatus.RELEASED, EscrowStatus.REFUNDED, EscrowStatus.DISPUTED}
        ),
        EscrowStatus.DISPUTED: frozenset({EscrowStatus.RELEASED, EscrowStatus.REFUNDED}),
        EscrowStatus.RELEASED: frozenset(),
        EscrowStatus.REFUNDED: frozenset(),
        EscrowStatus.CANCELLED: frozenset(),
    }

    client = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="escrows_as_client",
        db_index=False,
    )
    provider = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="escrows_as_provider",
        db_index=False,
    )
    amount_total_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(
        max_length=10, choices=choices(EscrowStatus), default=EscrowStatus.DRAFT
    )
    domain = models.CharField(max_length=10, choices=choices(Domain), default=Domain.PRIVATE)
    release_conditions = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    deadline_at = models.DateTimeField()
    inspection_hours = models.PositiveIntegerField()
    on_deadline = models.CharField(max_length=10, choices=choices(OnDeadline))

    funded_minor = models.BigIntegerField(default=0)
    released_minor = models.BigIntegerField(default=0)
    refunded_minor = models.BigIntegerField(default=0)
    frozen_minor = models.BigIntegerField(default=0, db_default=0)

    delivered_at = models.DateTimeField(null=True)
    delivery_has_evidence = models.BooleanField(default=False)
    inspection_started_at = models.DateTimeField(null=True)
    evidence_at = models.DateTimeField(null=True)
    deadline_paused_at = models.DateTimeField(null=True)
    psp_hold_ends_at = models.DateTimeField(null=True)
    psp_hold_warned_at = models.DateTimeField(null=True)
    next_deadline_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="escrow_never_overdrawn",
                condition=Q(
                    funded_minor__gte=F("released_minor") + F("refunded_minor") + F("frozen_minor")
                )
                & Q(released_minor__gte=0)
                & Q(refunded_minor__gte=0)
                & Q(frozen_minor__gte=0),
            ),
            models.CheckConstraint(
                name="escrow_funded_within_total",
                condition=Q(funded_minor__lte=F("amount_total_minor")),
            ),
            models.CheckConstraint(
                name="escrow_total_positive", condition=Q(amount_total_minor__gt=0)
            ),
            models.CheckConstraint(
                name="escrow_parties_differ", condition=~Q(client=F("provider"))
            ),
            models.CheckConstraint(
                name="escrow_inspection_hours",
                condition=Q(inspection_hours__gte=24, inspection_hours__lte=720),
            ),
            models.CheckConstraint(
                name="escrow_status_known",
                condition=Q(status__in=[status.value for status in EscrowStatus]),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["client", "-id"], name="escrow_by_client"),
            models.Index(fields=["provider", "-id"], name="escrow_by_provider"),
            models.Index(fields=["status", "-id"], name="escrow_by_status"),
            models.Index(fields=["deadline_at"], name="escrow_by_deadline"),
            models.Index(
                fields=["next_deadline_at"],
                name="escrow_due",
                condition=Q(next_deadline_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"escrow {self.pk} ({self.status})"

    @property
    def reference(self) -> str:
        """How audit entries and alerts name this escrow."""
        return f"escrow:{self.pk}"

    @property
    def held_minor(self) -> int:
        """What the escrow holds now."""
        return self.funded_minor - self.released_minor - self.refunded_minor

    @property
    def available_minor(self) -> int:
        """What of it may be decided about: all that no chargeback has frozen."""
        return self.held_minor - self.frozen_minor

    def transition_to(self, target: EscrowStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, EscrowStatus(self.status), target, subject=self.reference
        )
        self.status = target
