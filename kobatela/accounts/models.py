"""People, the keys of their systems, and approvals by two people."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower

from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.transitions import check_transition


def _choices(kind: type[StrEnum]) -> list[tuple[str, str]]:
    # Plain values, so that migrations name no code of ours.
    return [(item.value, item.value) for item in kind]


class Language(StrEnum):
    """The languages that people are written to in."""

    FRENCH = "fr"
    ENGLISH = "en"


class PublicTag(StrEnum):
    """What kind of body a user stands for."""

    PRIVATE = "private"
    GOVERNMENT = "GOV"
    NGO = "ONG"


class User(AbstractUser):
    """A party of escrows, or a member of staff (`is_staff`).

    `managed_by` is the partner whose key acts for this user too; a manager has none itself.
    `approves_from`: from when on this member of staff counts as one of two people, because
    somebody else had the means to come in as them.
    """

    first_name = None  # type: ignore[assignment]  # a username and an e-mail are all we keep
    last_name = None  # type: ignore[assignment]
    date_joined = None  # type: ignore[assignment]  # created_at
    username = models.CharField(
        max_length=100,
        unique=True,
        validators=[RegexValidator(r"^[^\x00-\x1f\x7f]+$", "Control characters are not allowed.")],
    )
    email = models.EmailField(max_length=254)
    phone = models.CharField(max_length=30, blank=True)
    language = models.CharField(
        max_length=2, choices=_choices(Language), default=Language.FRENCH.value
    )
    public_tag = models.CharField(
        max_length=10, choices=_choices(PublicTag), default=PublicTag.PRIVATE.value
    )
    managed_by = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="managed"
    )
    stripe_account_id = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001
    approves_from = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("email"), name="accounts_user_email"),
            models.CheckConstraint(
                condition=~models.Q(managed_by=models.F("id")), name="accounts_user_not_own_manager"
            ),
            models.CheckConstraint(
                condition=models.Q(public_tag__in=[tag.value for tag in PublicTag]),
                name="accounts_user_public_tag",
            ),
        ]

    def __str__(self) -> str:
        return self.username


class ApiKey(models.Model):
    """A key of a client system. Only its public id and a peppered hash are kept.

    `confirm_limit` maps currencies to minor units and stands in for the default limits of
    deposits that this key may confirm. `rotation_of` is the first key of a rotation.
    `large_sums_from`: from when on it moves large sums, because whoever issued it has seen it.
    """

    name = models.CharField(max_length=100)
    scope = models.CharField(max_length=10, choices=_choices(Scope))
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="api_keys"
    )
    public_id = models.CharField(max_length=8, unique=True)
    digest = models.CharField(max_length=64, editable=False)
    may_confirm_deposits = models.BooleanField(default=False)
    confirm_limit = models.JSONField(null=True, blank=True)
    confirm_reason = models.TextField(default="", blank=True)
    allowed_ips = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    rotation_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="rotations"
    )
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    large_sums_from = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=False)
                | models.Q(scope__in=[Scope.SUPPORT.value, Scope.ADMIN.value]),
                name="accounts_apikey_party_is_bound",
            ),
            models.CheckConstraint(
                condition=models.Q(may_confirm_deposits=False)
                | (models.Q(user__isnull=False) & ~models.Q(confirm_reason="")),
                name="accounts_apikey_confirming_is_explained",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"

    @property
    def family_id(self) -> int:
        """The first key of this key's rotation: itself, or the one that it succeeds."""
        return self.rotation_of_id or self.pk

    def is_live(self, at: datetime) -> bool:
        """Whether the key itself opens at `at`; its user must be active too."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > at)


class FreshKeySum(models.Model):
    """What a party's key has moved, in one currency, while it moved no large sums.

    A running total: many sums below the figure are as one above it.
    """

    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, db_index=False)
    currency = models.CharField(max_length=3)
    moved_minor = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["api_key", "currency"], name="accounts_freshkeysum_once"
            ),
            models.CheckConstraint(
                condition=models.Q(moved_minor__gte=0), name="accounts_freshkeysum_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"key {self.api_key_id}: {self.moved_minor} {self.currency}"


class ApiKeyUse(models.Model):
    """That a key came from an address in an hour, and how that ended.

    The audit trail tells of the first time only: a busy key, or one that is refused over and
    over, must not fill it.
    """

    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT)
    outcome = models.CharField(max_length=20)
    address_sha256 = models.CharField(max_length=64)
    hour = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["api_key", "outcome", "address_sha256", "hour"],
                name="accounts_apikeyuse_once",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["hour"], name="accounts_apikeyuse_age")]

    def __str__(self) -> str:
        return f"{self.api_key_id} {self.hour:%Y-%m-%d %H}h {self.outcome}"


class ApprovalStatus(StrEnum):
    """PENDING waits for a second person; the others are final."""

    PENDING = "PENDING"
    GRANTED = "GRANTED"
    REPLACED = "REPLACED"
    WITHDRAWN = "WITHDRAWN"


class Approval(models.Model):
    """What staff want to do with money, who said yes, and whether that was enough.

    `needed` is 1 below the four-eyes figure: such a row is GRANTED at once and kept because what
    staff released for one escrow within 24 hours counts together. `figures` is canonical JSON of
    all that the second person must ask for likewise. `escrow_id` and `subject` are plain
    references: this floor knows nothing of escrows. `escrow_id` is null for what belongs to no
    single escrow. `first_note` and `second_note` are why each person said yes; `note` is why it was
    withdrawn.
    """

    TRANSITIONS: ClassVar[Mapping[ApprovalStatus, frozenset[ApprovalStatus]]] = {
        ApprovalStatus.PENDING: frozenset(
            {ApprovalStatus.GRANTED, ApprovalStatus.REPLACED, ApprovalStatus.WITHDRAWN}
        ),
        ApprovalStatus.GRANTED: frozenset(),
        ApprovalStatus.REPLACED: frozenset(),
        ApprovalStatus.WITHDRAWN: frozenset(),
    }

    command = models.CharField(max_length=60)
    subject = models.CharField(max_length=80)
    escrow_id = models.BigIntegerField(null=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    figures = models.TextField()
    on_behalf_of = models.BigIntegerField(null=True)
    needed = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=10, choices=_choices(ApprovalStatus))
    first_user = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="first_approvals"
    )
    first_actor = models.CharField(max_length=80)
    second_user = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="second_approvals"
    )
    second_actor = models.CharField(max_length=80, default="", blank=True)
    first_note = models.TextField(default="", blank=True)
    second_note = models.TextField(default="", blank=True)
    note = models.TextField(default="", blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    granted_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subject", "command"],
                condition=models.Q(status=ApprovalStatus.PENDING.value),
                name="accounts_approval_one_pending",
            ),
            models.CheckConstraint(
                condition=~models.Q(first_user=models.F("second_user")),
                name="accounts_approval_two_people",
            ),
            models.CheckConstraint(
                condition=~models.Q(status=ApprovalStatus.GRANTED.value, needed=2)
                | models.Q(first_user__isnull=False, second_user__isnull=False),
                name="accounts_approval_granted_by_two",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["escrow_id", "granted_at"], name="accounts_approval_escrow"),
            models.Index(fields=["subject", "command", "-id"], name="accounts_approval_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.command} {self.subject}: {self.status}"

    def transition_to(self, target: ApprovalStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, ApprovalStatus(self.status), target, subject=f"approval:{self.pk}"
        )
        self.status = target
