"""Money that a collector, another PSP, a debtor or we ourselves put in at a PSP, and what PSPs give
back to collectors."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.db.models import Q

from kobatela.kernel.money import Money
from kobatela.kernel.transitions import check_transition
from payments.models._choices import choices, known


class FundsMoveStatus(StrEnum):
    """WAITING: one person has said that the money is there; another must say so too."""

    WAITING = "WAITING"
    BOOKED = "BOOKED"
    REJECTED = "REJECTED"


class FundsMove(models.Model):
    """Money that came to one PSP from elsewhere, or left one for a collector, as two people saw it
    on the PSP's account.

    source: whose it was before: `collector:7`, `psp:stripe`, `chargeback:3` (what its payer owed)
    or `operator`. target: the PSP at which it is now, or the collector, as `collector:7`, who gets
    it from a PSP only. bank_ref: the bank's own reference, in
    capitals and without spaces; what it names is booked once. note: in words of people.
    """

    TRANSITIONS: ClassVar[Mapping[FundsMoveStatus, frozenset[FundsMoveStatus]]] = {
        FundsMoveStatus.WAITING: frozenset({FundsMoveStatus.BOOKED, FundsMoveStatus.REJECTED}),
        FundsMoveStatus.BOOKED: frozenset(),
        FundsMoveStatus.REJECTED: frozenset(),
    }

    source = models.CharField(max_length=40)
    target = models.CharField(max_length=40)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    bank_ref = models.CharField(max_length=80)
    note = models.TextField(default="", blank=True)
    status = models.CharField(
        max_length=10, choices=choices(FundsMoveStatus), default=FundsMoveStatus.WAITING
    )
    proposed_by = models.CharField(max_length=80)
    booked_by = models.CharField(max_length=80, default="", blank=True)
    booked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "move of funds"
        verbose_name_plural = "moves of funds"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="funds_move_amount_positive", condition=Q(amount_minor__gt=0)
            ),
            models.CheckConstraint(
                name="funds_move_status_known", condition=known(FundsMoveStatus)
            ),
            models.CheckConstraint(
                name="funds_move_booked_has_moment",
                condition=Q(status="BOOKED", booked_at__isnull=False)
                | ~Q(status="BOOKED") & Q(booked_at__isnull=True),
            ),
            models.CheckConstraint(name="funds_move_has_reference", condition=~Q(bank_ref="")),
            # A wrong proposal must not keep the right one out.
            models.UniqueConstraint(
                fields=["bank_ref"],
                name="funds_move_reference_once",
                condition=~Q(status="REJECTED"),
            ),
        ]

    def __str__(self) -> str:
        return f"move {self.pk} of {self.money} ({self.status})"

    @property
    def reference(self) -> str:
        """How audit entries and alerts name this move."""
        return f"funds_move:{self.pk}"

    @property
    def money(self) -> Money:
        """What was moved."""
        return Money(self.amount_minor, self.currency)

    def transition_to(self, target: FundsMoveStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, FundsMoveStatus(self.status), target, subject=self.reference
        )
        self.status = target
