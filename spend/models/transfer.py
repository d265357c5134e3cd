"""Who may receive transfers, and the transfers that were authorised. None of it moves money."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from kobatela.kernel.transitions import check_transition
from spend.models._choices import choices


class Level(StrEnum):
    """How well an account is known. Either level may receive from anybody."""

    BASIC = "BASIC"
    GOLD = "GOLD"


class Basis(StrEnum):
    """Why a transfer was authorised."""

    ALLOWLIST = "allowlist"
    CERTIFIED = "certified"


class TransferStatus(StrEnum):
    """COMPLETED: the instruction is recorded. It says nothing about money."""

    COMPLETED = "COMPLETED"


class AllowedRecipient(models.Model):
    """`owner` may transfer to `recipient`, until it is taken back."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="allowed_recipients"
    )
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="allowed_by"
    )
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "recipient"],
                name="spend_recipient_allowed_once",
                condition=Q(removed_at__isnull=True),
            ),
            models.CheckConstraint(
                name="spend_recipient_is_another", condition=~Q(owner=F("recipient"))
            ),
        ]

    def __str__(self) -> str:
        return f"user {self.owner_id} to user {self.recipient_id}"

    @property
    def reference(self) -> str:
        """How audit entries name this permission."""
        return f"allowed_recipient:{self.pk}"


class CertifiedAccount(models.Model):
    """A user to whom anybody may transfer, until it is taken back."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="certifications"
    )
    level = models.CharField(max_length=10, choices=choices(Level))
    certified_by = models.CharField(max_length=80)
    certified_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"],
                name="spend_account_certified_once",
                condition=Q(removed_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"user {self.user_id}: {self.level}"

    @property
    def reference(self) -> str:
        """How audit entries name this certification."""
        return f"certified:{self.pk}"


class Transfer(models.Model):
    """An instruction from one user to another that the rules allowed; no money moves by it."""

    TRANSITIONS: ClassVar[Mapping[TransferStatus, frozenset[TransferStatus]]] = {
        TransferStatus.COMPLETED: frozenset(),
    }

    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="transfers_sent",
        db_index=False,
    )
    receiver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="transfers_received",
        db_index=False,
    )
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(
        max_length=10, choices=choices(TransferStatus), default=TransferStatus.COMPLETED
    )
    basis = models.CharField(max_length=10, choices=choices(Basis))
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="spend_transfer_amount_positive", condition=Q(amount_minor__gt=0)
            ),
            models.CheckConstraint(
                name="spend_transfer_to_another", condition=~Q(sender=F("receiver"))
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["sender", "-id"], name="spend_transfer_by_sender"),
            models.Index(fields=["receiver", "-id"], name="spend_transfer_by_receiver"),
        ]

    def __str__(self) -> str:
        return f"transfer {self.pk}"

    @property
    def reference(self) -> str:
        """How audit entries name this transfer."""
        return f"transfer:{self.pk}"

    def transition_to(self, target: TransferStatus) -> None:
        """Move to `target`; raises InvalidState: a recorded transfer stays what it is."""
        check_transition(
            self.TRANSITIONS, TransferStatus(self.status), target, subject=self.reference
        )
        self.status = target
