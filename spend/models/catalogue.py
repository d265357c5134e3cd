"""What can be bought, and from whom."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower


class Category(models.Model):
    """A kind of goods. A category that is not active permits nothing.

    code: unique whatever its capitals, because people would take two such for one.
    """

    code = models.CharField(max_length=64)
    label = models.CharField(max_length=255)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "categories"
        constraints: ClassVar = [
            models.CheckConstraint(name="category_has_code", condition=~Q(code="")),
            models.UniqueConstraint(Lower("code"), name="category_code_once"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def reference(self) -> str:
        """How audit entries name this category."""
        return f"category:{self.pk}"


class Merchant(models.Model):
    """Somebody who sells. Purchases under a mandate with an escrow are paid to their destination.

    category: what they sell; every purchase from them is one of it.
    is_certified: anybody may buy from them who has a mandate, without a permission of their own.
    payee: the user who is paid, where the merchant is one, from `payee_from` on. Without one the
    merchant has an account of its own, or is known to the PSP by `party`.
    """

    name = models.CharField(max_length=255, unique=True)
    category = models.ForeignKey(
        Category, on_delete=models.PROTECT, null=True, related_name="merchants"
    )
    is_certified = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    payee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="merchants",
    )
    payee_from = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="merchant_has_name", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def reference(self) -> str:
        """How audit entries name this merchant, and payments who is owed."""
        return f"merchant:{self.pk}"
