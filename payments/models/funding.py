"""Sessions in which PSPs collect deposits."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from kobatela.kernel.money import Money
from kobatela.kernel.transitions import check_transition
from payments.models._choices import choices, known


class FundingStatus(StrEnum):
    """FAILED is not final: money that arrives all the same is booked."""

    CREATED = "CREATED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Funding(models.Model):
    """A session in which a PSP collects a deposit from the payer.

    client_secret: what the payer's device needs to pay; empty until the PSP has answered.
    next_look_at: when the PSP's own record is looked at, should its report be lost.
    received_minor, received_currency: what the PSP reported, which is what was booked.
    received_ref: how it named what was paid, where it told a name.
    fee_minor: what it charged for that, in the same currency; None while it has not said.
    """

    TRANSITIONS: ClassVar[Mapping[FundingStatus, frozenset[FundingStatus]]] = {
        FundingStatus.CREATED: frozenset({FundingStatus.SUCCEEDED, FundingStatus.FAILED}),
        FundingStatus.FAILED: frozenset({FundingStatus.SUCCEEDED}),
        FundingStatus.SUCCEEDED: frozenset(),
    }

    escrow = models.ForeignKey("escrow.Escrow", on_delete=models.PROTECT, db_index=False)
    payer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="fundings", db_index=False
    )
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(
        max_length=10, choices=choices(FundingStatus), default=FundingStatus.CREATED
    )
    psp = models.CharField(max_length=20)
    psp_key = models.CharField(max_length=64, unique=True)
    psp_ref = models.CharField(max_length=128, null=True, unique=True)  # noqa: DJ001 - unique where set
    client_secret = models.CharField(max_length=255, default="", blank=True)
    request_body = models.TextField()
    reason = models.CharField(max_length=40, default="", blank=True)
    received_minor = models.BigIntegerField(null=True)
    received_currency = models.CharField(max_length=3, default="", blank=True)
    received_ref = models.CharField(max_length=128, default="", db_default="", blank=True)
    fee_minor = models.BigIntegerField(null=True)
    next_look_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="funding_amount_positive", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(name="funding_status_known", condition=known(FundingStatus)),
            models.CheckConstraint(
                name="funding_received_when_succeeded",
                condition=~Q(status="SUCCEEDED") | Q(received_minor__gt=0),
            ),
            models.UniqueConstraint(
                fields=["escrow"], name="funding_one_open", condition=Q(status="CREATED")
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["escrow", "-id"], name="funding_by_escrow"),
            models.Index(fields=["psp", "created_at"], name="funding_by_psp"),
            models.Index(
                fields=["next_look_at"],
                name="funding_wants_work",
                condition=Q(status="CREATED"),
            ),
            models.Index(
                fields=["updated_at"],
                name="funding_may_be_paid_yet",
                condition=Q(status="FAILED"),
            ),
            models.Index(
                fields=["next_look_at"],
                name="funding_wants_fee",
                condition=Q(status="SUCCEEDED", fee_minor__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"funding {self.pk} ({self.status})"

    @property
    def reference(self) -> str:
        """How audit entries and alerts name this funding."""
        return f"funding:{self.pk}"

    @property
    def money(self) -> Money:
        """What was asked of the payer."""
        return Money(self.amount_minor, self.currency)

    @property
    def received(self) -> Money:
        """What came in, of a session that has succeeded."""
        assert self.received_minor is not None, "the session has brought its money"
        return Money(self.received_minor, self.received_currency)

    def transition_to(self, target: FundingStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, FundingStatus(self.status), target, subject=self.reference
        )
        self.status = target
