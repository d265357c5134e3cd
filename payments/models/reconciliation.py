"""What the comparisons with the PSPs' own records came to."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.db.models import Q

from kobatela.kernel.transitions import check_transition
from payments.comparison import DifferenceKind
from payments.models._choices import choices, known


class Reach(StrEnum):
    """How far back a run looks."""

    RECENT = "recent"
    NIGHTLY = "nightly"
    WEEKLY = "weekly"


class RunStatus(StrEnum):
    """UNREAD: the PSP's list could not be read to its end, so nothing was compared."""

    DONE = "DONE"
    UNREAD = "UNREAD"


class ReconciliationRun(models.Model):
    """One comparison with one PSP's record. Written when it ends, never changed.

    since, until: the moments between which movements were judged. listed: lines of the PSP.
    ours: records of ours. agreed: those that the PSP confirms in everything. in_flight: those that
    could not be judged yet. found: differences by kind. opened, closed: what this run changed.
    moved: what came to this PSP from elsewhere in that time, less what left it for another, by
    currency in minor units; no order of ours stands for it.
    reason: why the list could not be read, in the PSP's words, for staff only.
    """

    psp = models.CharField(max_length=20)
    reach = models.CharField(max_length=10, choices=choices(Reach))
    status = models.CharField(max_length=10, choices=choices(RunStatus))
    since = models.DateTimeField()
    until = models.DateTimeField()
    listed = models.PositiveIntegerField(default=0)
    ours = models.PositiveIntegerField(default=0)
    agreed = models.PositiveIntegerField(default=0)
    in_flight = models.PositiveIntegerField(default=0)
    found = models.JSONField(default=dict)
    moved = models.JSONField(default=dict, db_default={})
    opened = models.PositiveIntegerField(default=0)
    closed = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=200, default="", blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="reconciliation_status_known", condition=known(RunStatus)),
            models.CheckConstraint(
                name="reconciliation_reach_known", condition=known(Reach, "reach")
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["psp", "-started_at"], name="reconciliation_by_psp"),
        ]

    def __str__(self) -> str:
        return f"reconciliation {self.pk} ({self.psp}, {self.status})"

    @property
    def reference(self) -> str:
        """How audit entries name this run."""
        return f"reconciliation:{self.pk}"


class DifferenceStatus(StrEnum):
    """WATCHED: it may be in flight; the next run tells. CLOSED: a later run found it no more.
    ACCEPTED: somebody has looked and lets it be, as long as its figures stay."""

    WATCHED = "WATCHED"
    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    CLOSED = "CLOSED"


class Difference(models.Model):
    """One line in which a PSP's record and ours disagree, from the run that first found it on.

    identity: by what the next run knows it again. subject: the payment or funding, or the PSP's
    own reference for what we never ordered. ours_*, theirs_*: what each side says; empty where it
    says nothing. occurred_at: when the movement was made. note: why it was accepted.
    """

    TRANSITIONS: ClassVar[Mapping[DifferenceStatus, frozenset[DifferenceStatus]]] = {
        DifferenceStatus.WATCHED: frozenset({DifferenceStatus.OPEN, DifferenceStatus.CLOSED}),
        DifferenceStatus.OPEN: frozenset({DifferenceStatus.ACCEPTED, DifferenceStatus.CLOSED}),
        DifferenceStatus.ACCEPTED: frozenset({DifferenceStatus.OPEN, DifferenceStatus.CLOSED}),
        DifferenceStatus.CLOSED: frozenset(),
    }

    psp = models.CharField(max_length=20)
    kind = models.CharField(max_length=20, choices=choices(DifferenceKind))
    identity = models.CharField(max_length=220)
    status = models.CharField(max_length=10, choices=choices(DifferenceStatus))
    subject = models.CharField(max_length=80)
    movement = models.CharField(max_length=10)
    key = models.CharField(max_length=128, default="", blank=True)
    psp_ref = models.CharField(max_length=128, default="", blank=True)
    ours_minor = models.BigIntegerField(null=True)
    ours_currency = models.CharField(max_length=3, default="", blank=True)
    ours_state = models.CharField(max_length=10, default="", blank=True)
    theirs_minor = models.BigIntegerField(null=True)
    theirs_currency = models.CharField(max_length=3, default="", blank=True)
    theirs_state = models.CharField(max_length=10, default="", blank=True)
    occurred_at = models.DateTimeField()
    first_run = models.ForeignKey(ReconciliationRun, on_delete=models.PROTECT, related_name="+")
    last_run = models.ForeignKey(ReconciliationRun, on_delete=models.PROTECT, related_name="lines")
    closed_run = models.ForeignKey(
        ReconciliationRun, on_delete=models.PROTECT, null=True, related_name="closed_lines"
    )
    note = models.TextField(default="", blank=True)
    alerted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="difference_status_known", condition=known(DifferenceStatus)
            ),
            models.CheckConstraint(
                name="difference_kind_known", condition=known(DifferenceKind, "kind")
            ),
            models.CheckConstraint(
                name="difference_closed_by_run",
                condition=~Q(status="CLOSED") | Q(closed_run__isnull=False),
            ),
            models.CheckConstraint(
                name="difference_accepted_with_note", condition=~Q(status="ACCEPTED") | ~Q(note="")
            ),
            models.UniqueConstraint(
                fields=["psp", "kind", "identity"],
                name="difference_one_live",
                condition=~Q(status="CLOSED"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["status", "-id"], name="difference_by_status"),
        ]

    def __str__(self) -> str:
        return f"difference {self.pk} ({self.kind}, {self.subject}, {self.status})"

    @property
    def reference(self) -> str:
        """How audit entries name this difference."""
        return f"difference:{self.pk}"

    def transition_to(self, target: DifferenceStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, DifferenceStatus(self.status), target, subject=self.reference
        )
        self.status = target
