"""Whom an escrow's sender may pay directly, and what each was paid."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class AllowedPayee(models.Model):
    """Somebody who may be paid from one escrow, within limits of their own.

    payee_ref: what the client system calls them. payee: the user who is paid, where it is one,
    from `payee_from` on; else they have an account of their own, or are known to the PSP by
    `reference`.
    daily_limit_minor: per UTC day. total_limit_minor: for ever. Null: none. currency: the escrow's.
    """

    escrow = models.ForeignKey(
        "escrow.Escrow", on_delete=models.PROTECT, related_name="allowed_payees", db_index=False
    )
    payee_ref = models.CharField(max_length=120)
    label = models.CharField(max_length=200)
    payee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="allowed_payees",
    )
    payee_from = models.DateTimeField(null=True)
    currency = models.CharField(max_length=3)
    daily_limit_minor = models.BigIntegerField(null=True)
    total_limit_minor = models.BigIntegerField(null=True)
    deactivated_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["escrow", "payee_ref"],
                name="allowed_payee_once",
                condition=Q(deactivated_at__isnull=True),
            ),
            models.CheckConstraint(
                name="allowed_payee_daily_positive",
                condition=Q(daily_limit_minor__isnull=True) | Q(daily_limit_minor__gt=0),
            ),
            models.CheckConstraint(
                name="allowed_payee_total_positive",
                condition=Q(total_limit_minor__isnull=True) | Q(total_limit_minor__gt=0),
            ),
            models.CheckConstraint(name="allowed_payee_has_ref", condition=~Q(payee_ref="")),
        ]
        indexes: ClassVar = [
            models.Index(fields=["escrow", "-id"], name="allowed_payee_by_escrow"),
        ]

    def __str__(self) -> str:
        return f"payee {self.pk} ({self.payee_ref}) of escrow {self.escrow_id}"

    @property
    def reference(self) -> str:
        """How audit entries name this payee, and payments who is owed."""
        return f"payee:{self.pk}"


class Spending(models.Model):
    """One payment to an allowed payee. The limits are sums over the rows that were not taken back.

    payee_ref: as on the payee. A payee that was taken back and named again goes on where the first
    one stood, so the sums are over the reference and not over the row.
    taken_back_at: when the order was cancelled before it was paid, and its money put back.
    """

    payee = models.ForeignKey(
        AllowedPayee, on_delete=models.PROTECT, related_name="spendings", db_index=False
    )
    escrow = models.ForeignKey(
        "escrow.Escrow", on_delete=models.PROTECT, related_name="spendings", db_index=False
    )
    payee_ref = models.CharField(max_length=120)
    payment = models.OneToOneField(
        "payments.Payment", on_delete=models.PROTECT, related_name="spending"
    )
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    note = models.CharField(max_length=2000, default="", blank=True)
    actor = models.CharField(max_length=80)
    taken_back_at = models.DateTimeField(null=True)
    taken_back_note = models.CharField(max_length=2000, default="", blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="spending_amount_positive", condition=Q(amount_minor__gt=0)
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["escrow", "payee_ref", "created_at"],
                include=["amount_minor"],
                name="spending_in_window",
                condition=Q(taken_back_at__isnull=True),
            ),
            models.Index(fields=["payee", "-id"], name="spending_by_payee"),
        ]

    def __str__(self) -> str:
        return f"spending {self.pk} on payee {self.payee_id}"

    @property
    def reference(self) -> str:
        """How audit entries and payments name this spending."""
        return f"spending:{self.pk}"
