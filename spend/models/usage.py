"""Where somebody may buy."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from spend.models.catalogue import Category, Merchant


class AllowedUsage(models.Model):
    """The owner may buy from one merchant, or from every merchant of one category.

    A permission that was taken back stays as a row, and another can be given in its place.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="allowed_usages"
    )
    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, null=True, related_name="allowed_usages"
    )
    category = models.ForeignKey(
        Category, on_delete=models.PROTECT, null=True, related_name="allowed_usages"
    )
    deactivated_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="allowed_usage_names_one",
                condition=Q(merchant__isnull=True, category__isnull=False)
                | Q(merchant__isnull=False, category__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["owner", "merchant"],
                name="allowed_usage_merchant_once",
                condition=Q(deactivated_at__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["owner", "category"],
                name="allowed_usage_category_once",
                condition=Q(deactivated_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"allowed usage {self.pk} of user {self.owner_id}"

    @property
    def reference(self) -> str:
        """How audit entries name this permission."""
        return f"allowed_usage:{self.pk}"
