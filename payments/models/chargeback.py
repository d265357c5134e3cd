"""Money that a payer's bank took back after it had come in."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from kobatela.kernel.money import Money
from kobatela.kernel.transitions import check_transition
from payments.models._choices import choices, known
from payments.models.funding import Funding


class ChargebackStatus(StrEnum):
    """OPEN: the money is gone for now, and it is not decided whether for good."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


class Chargeback(models.Model):
    """A payer's objection at their bank to one charge, which the bank followed.

    psp_ref: the PSP's name of the case; of the charge, where it names no case.
    disputed_minor: what of it no refund had given back yet when the case was opened.
    frozen_minor: what of that the escrow still held.
    returned_minor: of a lost case, what refunds that had not been sent were good for.
    owed_minor: of a lost case, what the payer owes, because it had already been paid on.
    recovered_minor: of that, what the payer has paid back, or what was kept from them for it, also
    after the debt was written off: then it makes our loss good.
    fee_minor: what the PSP takes for the case. fee_changes: how often that was another figure.
    """

    TRANSITIONS: ClassVar[Mapping[ChargebackStatus, frozenset[ChargebackStatus]]] = {
        ChargebackStatus.OPEN: frozenset({ChargebackStatus.WON, ChargebackStatus.LOST}),
        ChargebackStatus.WON: frozenset(),
        ChargebackStatus.LOST: frozenset(),
    }

    funding = models.ForeignKey(
        Funding, on_delete=models.PROTECT, related_name="chargebacks", db_index=False
    )
    escrow = models.ForeignKey("escrow.Escrow", on_delete=models.PROTECT, db_index=False)
    payer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="chargebacks",
        db_index=False,
    )
    psp = models.CharField(max_length=20)
    psp_ref = models.CharField(max_length=128)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(
        max_length=10, choices=choices(ChargebackStatus), default=ChargebackStatus.OPEN
    )
    disputed_minor = models.BigIntegerField(default=0)
    frozen_minor = models.BigIntegerField(default=0)
    returned_minor = models.BigIntegerField(default=0)
    owed_minor = models.BigIntegerField(default=0)
    recovered_minor = models.BigIntegerField(default=0, db_default=0)
    fee_minor = models.BigIntegerField(default=0)
    fee_changes = models.PositiveIntegerField(default=0, db_default=0)
    written_off_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="chargeback_amount_positive", condition=Q(amount_minor__gt=0)
            ),
            models.CheckConstraint(
                name="chargeback_status_known", condition=known(ChargebackStatus)
            ),
            models.CheckConstraint(
                name="chargeback_frozen_within_amount",
                condition=Q(frozen_minor__gte=0, frozen_minor__lte=F("disputed_minor"))
                & Q(disputed_minor__lte=F("amount_minor")),
            ),
            models.CheckConstraint(
                name="chargeback_lost_is_covered",
                condition=Q(status="LOST", returned_minor__gte=0, owed_minor__gte=0)
                & Q(amount_minor=F("frozen_minor") + F("returned_minor") + F("owed_minor"))
                | ~Q(status="LOST") & Q(returned_minor=0, owed_minor=0),
            ),
            models.CheckConstraint(
                name="chargeback_closed_has_moment",
                condition=Q(status="OPEN", closed_at__isnull=True)
                | ~Q(status="OPEN") & Q(closed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="chargeback_recovered_within_debt",
                condition=Q(recovered_minor__gte=0, recovered_minor__lte=F("owed_minor")),
            ),
            models.UniqueConstraint(fields=["psp", "psp_ref"], name="chargeback_case_unique"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["escrow", "-id"], name="chargeback_by_escrow"),
            models.Index(fields=["funding"], name="chargeback_by_funding"),
            models.Index(fields=["escrow"], name="chargeback_open", condition=Q(status="OPEN")),
        ]

    def __str__(self) -> str:
        return f"chargeback {self.pk} ({self.status})"

    @property
    def reference(self) -> str:
        """How audit entries and alerts name this chargeback."""
        return f"chargeback:{self.pk}"

    @property
    def money(self) -> Money:
        """What the bank took back."""
        return Money(self.amount_minor, self.currency)

    @property
    def missing_minor(self) -> int:
        """What of it nobody has made good: the payer owes it, or we have lost it."""
        return self.owed_minor - self.recovered_minor

    @property
    def open_debt_minor(self) -> int:
        """What the payer still owes for it; nothing once the debt was written off."""
        return 0 if self.written_off_at else self.missing_minor

    def transition_to(self, target: ChargebackStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, ChargebackStatus(self.status), target, subject=self.reference
        )
        self.status = target


class KeptRefund(models.Model):
    """What of a refund that was not sent is kept for ever, because the payer's bank gave them the
    same money in one case.

    paid_a_debt: it paid what the case had left owing (`recovered_minor`); otherwise the case took
    it when it was lost (`returned_minor`). undone_at: when the refund turned out to have been paid
    all the same, so that the payer owes it again.
    """

    payment = models.ForeignKey(
        "payments.Payment", on_delete=models.PROTECT, related_name="kept", db_index=False
    )
    case = models.ForeignKey(
        Chargeback, on_delete=models.PROTECT, related_name="kept", db_index=False
    )
    amount_minor = models.BigIntegerField()
    paid_a_debt = models.BooleanField()
    created_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="kept_refund_amount_positive", condition=Q(amount_minor__gt=0)
            ),
            models.UniqueConstraint(
                fields=["payment", "case"],
                name="kept_refund_once",
                condition=Q(undone_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} of payment {self.payment_id} for case {self.case_id}"
