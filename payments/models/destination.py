"""Where users, and payees and merchants who are no users, want their money."""

from enum import StrEnum
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from payments.models._choices import choices, known


class DestinationKind(StrEnum):
    """What sort of account it is."""

    MOBILE_MONEY = "mobile_money"
    BANK = "bank"
    STRIPE = "stripe"


class DestinationManager(models.Manager["Destination"]):
    """Leaves the full account in the database; only the file of a batch and a PSP need it."""

    def get_queryset(self) -> models.QuerySet["Destination"]:
        """The rows without their accounts."""
        return super().get_queryset().defer("account")


class Destination(models.Model):
    """An account of somebody. What it leads to never changes: another account is another row.

    party: whose it is, where that is no user (`payee:3`, `merchant:7`).
    currency: the one that it takes; empty for any without an account of its own kind.
    account: the number, IBAN or PSP account in full. masked: what everybody is shown.
    operator: of mobile money. bank_code: the bank of a local account. holder: whose it is.
    usable_from: nothing is paid to it before; until then its predecessor is paid.
    usable_until: when its successor takes its place; null while it has none.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="destinations"
    )
    party = models.CharField(max_length=40, default="", db_default="", blank=True)
    kind = models.CharField(max_length=12, choices=choices(DestinationKind))
    currency = models.CharField(max_length=3, default="", blank=True)
    operator = models.CharField(max_length=40, default="", blank=True)
    account = models.CharField(max_length=64)
    bank_code = models.CharField(max_length=20, default="", blank=True)
    holder = models.CharField(max_length=150)
    masked = models.CharField(max_length=40)
    usable_from = models.DateTimeField()
    usable_until = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    verified_by = models.CharField(max_length=80, default="", blank=True)
    deactivated_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = DestinationManager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="destination_kind_known", condition=known(DestinationKind, "kind")
            ),
            models.CheckConstraint(
                name="destination_has_account", condition=~Q(account="") & ~Q(masked="")
            ),
            models.CheckConstraint(
                name="destination_until_after_from",
                condition=Q(usable_until__isnull=True) | Q(usable_until__gte=F("usable_from")),
            ),
            models.CheckConstraint(
                name="destination_of_one",
                condition=Q(user__isnull=False, party="") | (Q(user__isnull=True) & ~Q(party="")),
            ),
            models.UniqueConstraint(
                fields=["party"],
                name="destination_one_current_of_party",
                condition=~Q(party="") & Q(deactivated_at__isnull=True, usable_until__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["user", "kind", "currency"],
                name="destination_one_current",
                condition=Q(deactivated_at__isnull=True, usable_until__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"destination {self.pk} ({self.kind} {self.masked})"

    @property
    def reference(self) -> str:
        """How audit entries and payments name this destination."""
        return f"destination:{self.pk}"

    @property
    def owner_id(self) -> int:
        """The user whose it is; not for one of a party."""
        assert self.user_id is not None, "it is nobody's of the users"
        return self.user_id

    @property
    def verified(self) -> bool:
        """Whether somebody has seen that the account is the user's."""
        return self.verified_at is not None
