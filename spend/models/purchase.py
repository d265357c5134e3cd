"""What was bought under a mandate."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from kobatela.kernel.transitions import check_transition
from spend.models._choices import choices
from spend.models.catalogue import Category, Merchant
from spend.models.mandate import Mandate


class PurchaseStatus(StrEnum):
    """REFUND_PENDING: the sender says that the merchant gives the money back, which support has
    not seen yet. Money and budget return together, with REFUNDED; where the money never came, it is
    COMPLETED as before."""

    COMPLETED = "COMPLETED"
    REFUND_PENDING = "REFUND_PENDING"
    REFUNDED = "REFUNDED"


# The purchases whose sum is what was spent under a mandate.
SPENT = frozenset({PurchaseStatus.COMPLETED, PurchaseStatus.REFUND_PENDING})


class Purchase(models.Model):
    """An authorized use of a mandate; its money moves where the mandate has an escrow.

    category: the merchant's own at the time. escrow, payment: where the merchant is paid.
    receipt: a file that shows what was bought.
    """

    TRANSITIONS: ClassVar[Mapping[PurchaseStatus, frozenset[PurchaseStatus]]] = {
        PurchaseStatus.COMPLETED: frozenset(
            {PurchaseStatus.REFUND_PENDING, PurchaseStatus.REFUNDED}
        ),
        PurchaseStatus.REFUND_PENDING: frozenset(
            {PurchaseStatus.COMPLETED, PurchaseStatus.REFUNDED}
        ),
        PurchaseStatus.REFUNDED: frozenset(),
    }

    mandate = models.ForeignKey(
        Mandate, on_delete=models.PROTECT, related_name="purchases", db_index=False
    )
    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="purchases_as_sender",
        db_index=False,
    )
    beneficiary = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="purchases_as_beneficiary",
        db_index=False,
    )
    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, related_name="purchases", db_index=False
    )
    category = models.ForeignKey(
        Category, on_delete=models.PROTECT, null=True, related_name="purchases", db_index=False
    )
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(
        max_length=16, choices=choices(PurchaseStatus), default=PurchaseStatus.COMPLETED
    )
    escrow = models.ForeignKey(
        "escrow.Escrow", on_delete=models.PROTECT, null=True, related_name="purchases"
    )
    payment = models.OneToOneField(
        "payments.Payment", on_delete=models.PROTECT, null=True, related_name="purchase"
    )
    receipt = models.ForeignKey(
        "uploads.Upload", on_delete=models.PROTECT, null=True, related_name="purchases"
    )
    refund_note = models.CharField(max_length=2000, default="", blank=True)
    refunded_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="purchase_amount_positive", condition=Q(amount_minor__gt=0)
            ),
            models.CheckConstraint(
                name="purchase_status_known",
                condition=Q(status__in=[status.value for status in PurchaseStatus]),
            ),
            models.CheckConstraint(
                name="purchase_paid_where_it_has_an_escrow",
                condition=Q(escrow__isnull=True, payment__isnull=True)
                | Q(escrow__isnull=False, payment__isnull=False),
            ),
            models.CheckConstraint(
                name="purchase_refunded_has_moment",
                condition=Q(status="REFUNDED", refunded_at__isnull=False)
                | (~Q(status="REFUNDED") & Q(refunded_at__isnull=True)),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["mandate", "status", "created_at"],
                include=["amount_minor"],
                name="purchase_in_window",
            ),
            models.Index(fields=["sender", "-id"], name="purchase_by_sender"),
            models.Index(fields=["beneficiary", "-id"], name="purchase_by_beneficiary"),
            models.Index(fields=["merchant", "-id"], name="purchase_by_merchant"),
            models.Index(fields=["status", "-id"], name="purchase_by_status"),
        ]

    def __str__(self) -> str:
        return f"purchase {self.pk} ({self.status})"

    @property
    def reference(self) -> str:
        """How audit entries and payments name this purchase."""
        return f"purchase:{self.pk}"

    def transition_to(self, target: PurchaseStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, PurchaseStatus(self.status), target, subject=self.reference
        )
        self.status = target
