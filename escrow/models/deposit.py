"""Money reported in, and how much of it one key with its rotations may confirm."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from escrow.models._choices import choices
from escrow.models.escrow import Escrow
from kobatela.kernel.money import format_minor
from kobatela.kernel.transitions import check_transition


class DepositStatus(StrEnum):
    """PENDING funds nothing: it waits for the PSP's report or for support."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"


class Deposit(models.Model):
    """Money reported in.

    source: where the money came in (`psp:<name>`, `collector:<user id>`); empty while pending.
    charge_ref: the PSP's own reference, to which a refund goes back.
    refunded_minor: how much of it was given back.
    disputed_minor: what of it a bank took back, or has taken for now; nothing of that is refunded.
    charged_back_minor: what the escrow lost with it, because the chargeback was lost.
    key: the API key that confirmed it at once; such sums are limited for each key.
    """

    TRANSITIONS: ClassVar[Mapping[DepositStatus, frozenset[DepositStatus]]] = {
        DepositStatus.PENDING: frozenset({DepositStatus.CONFIRMED, DepositStatus.FAILED}),
        DepositStatus.CONFIRMED: frozenset(),
        DepositStatus.FAILED: frozenset(),
    }

    escrow = models.ForeignKey(
        Escrow, on_delete=models.PROTECT, related_name="deposits", db_index=False
    )
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=choices(DepositStatus))
    source = models.CharField(max_length=80, default="", blank=True)
    charge_ref = models.CharField(max_length=128, default="", blank=True)
    refunded_minor = models.BigIntegerField(default=0)
    disputed_minor = models.BigIntegerField(default=0, db_default=0)
    charged_back_minor = models.BigIntegerField(default=0, db_default=0)
    reported_by = models.CharField(max_length=80)
    key = models.ForeignKey("accounts.ApiKey", on_delete=models.PROTECT, null=True, db_index=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="deposit_amount_positive", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="deposit_refunded_within_amount",
                condition=Q(
                    refunded_minor__gte=0,
                    refunded_minor__lte=F("amount_minor") - F("disputed_minor"),
                ),
            ),
            models.CheckConstraint(
                name="deposit_charged_back_was_disputed",
                condition=Q(charged_back_minor__gte=0, charged_back_minor__lte=F("disputed_minor")),
            ),
            models.CheckConstraint(
                name="deposit_confirmed_has_source",
                condition=Q(status="CONFIRMED") & ~Q(source="")
                | Q(status__in=["PENDING", "FAILED"], refunded_minor=0),
            ),
            models.UniqueConstraint(
                fields=["source", "charge_ref"],
                condition=~Q(charge_ref=""),
                name="deposit_charge_booked_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["escrow", "-id"], name="deposit_by_escrow"),
            models.Index(
                fields=["created_at"], name="deposit_waiting", condition=Q(status="PENDING")
            ),
        ]

    def __str__(self) -> str:
        amount = format_minor(self.amount_minor, self.currency)
        return (
            f"deposit {self.pk} of {amount} {self.currency} on escrow {self.escrow_id} "
            f"({self.status})"
        )

    @property
    def reference(self) -> str:
        """How audit entries and approvals name this deposit."""
        return f"deposit:{self.pk}"

    @property
    def refundable_minor(self) -> int:
        """What of it can still go back to where it came from."""
        return self.amount_minor - self.refunded_minor - self.disputed_minor

    def transition_to(self, target: DepositStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, DepositStatus(self.status), target, subject=self.reference
        )
        self.status = target


class KeyExposure(models.Model):
    """How much one API key confirmed, in one currency, on escrows that are still open.

    key: the first of a rotation; what its successors confirmed counts here too. A running total
    under its own row lock: summing the deposits instead would grow with them.
    """

    key = models.ForeignKey("accounts.ApiKey", on_delete=models.PROTECT, db_index=False)
    currency = models.CharField(max_length=3)
    open_minor = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key", "currency"], name="key_exposure_unique"),
            models.CheckConstraint(
                name="key_exposure_not_negative", condition=Q(open_minor__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"key {self.key_id}: {self.open_minor} {self.currency}"
