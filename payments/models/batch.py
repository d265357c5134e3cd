"""Payments that people at a bank or an operator make from a file."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.db.models import Q

from kobatela.kernel.money import Money
from kobatela.kernel.transitions import check_transition
from payments.models._choices import choices, known
from payments.models.destination import Destination, DestinationKind
from payments.models.payment import Attempt, Payment


class BatchStatus(StrEnum):
    """DRAFT waits for two people. EXPORTED: the file is out, its payments are SENT.
    IMPORTED: a statement told of some lines. CLOSED: every line has an end."""

    DRAFT = "DRAFT"
    APPROVED = "APPROVED"
    EXPORTED = "EXPORTED"
    IMPORTED = "IMPORTED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class BatchLineStatus(StrEnum):
    """DROPPED: left out of the file, or of a batch that was cancelled; the payment waits on."""

    OPEN = "OPEN"
    SETTLED = "SETTLED"
    FAILED = "FAILED"
    RETURNED = "RETURNED"
    DROPPED = "DROPPED"


class Batch(models.Model):
    """Payments of one currency to accounts of one kind, approved by two people as a whole.

    line_count, total_minor: what was collected; from the export on, what the file holds.
    file_sha256: of the file as it was first released; every later copy is the same.
    note: why it was cancelled.
    """

    TRANSITIONS: ClassVar[Mapping[BatchStatus, frozenset[BatchStatus]]] = {
        BatchStatus.DRAFT: frozenset({BatchStatus.APPROVED, BatchStatus.CANCELLED}),
        BatchStatus.APPROVED: frozenset({BatchStatus.EXPORTED, BatchStatus.CANCELLED}),
        BatchStatus.EXPORTED: frozenset({BatchStatus.IMPORTED, BatchStatus.CLOSED}),
        BatchStatus.IMPORTED: frozenset({BatchStatus.CLOSED}),
        BatchStatus.CLOSED: frozenset(),
        BatchStatus.CANCELLED: frozenset(),
    }

    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=12, choices=choices(DestinationKind))
    status = models.CharField(
        max_length=10, choices=choices(BatchStatus), default=BatchStatus.DRAFT
    )
    line_count = models.PositiveIntegerField()
    total_minor = models.BigIntegerField()
    file_sha256 = models.CharField(max_length=64, default="", blank=True)
    note = models.TextField(default="", blank=True)
    created_by = models.CharField(max_length=80)
    approved_at = models.DateTimeField(null=True)
    exported_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "batches"
        constraints: ClassVar = [
            models.CheckConstraint(name="batch_status_known", condition=known(BatchStatus)),
            models.CheckConstraint(
                name="batch_not_empty", condition=Q(line_count__gt=0, total_minor__gt=0)
            ),
            models.CheckConstraint(
                name="batch_exported_has_file",
                condition=~Q(status__in=["EXPORTED", "IMPORTED", "CLOSED"])
                | (~Q(file_sha256="") & Q(exported_at__isnull=False)),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["status", "-id"], name="batch_by_status"),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk} ({self.kind} {self.currency}, {self.status})"

    @property
    def reference(self) -> str:
        """How audit entries, approvals and alerts name this batch."""
        return f"batch:{self.pk}"

    @property
    def money(self) -> Money:
        """The sum of its lines."""
        return Money(self.total_minor, self.currency)

    def transition_to(self, target: BatchStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(self.TRANSITIONS, BatchStatus(self.status), target, subject=self.reference)
        self.status = target


class BatchLine(models.Model):
    """One payment in a batch.

    code: how the file, the statement and the payee's own account name it; our key at the PSP.
    attempt: the try that began when the file was released.
    bank_reference, reported_on: what the statement added to the outcome.
    """

    TRANSITIONS: ClassVar[Mapping[BatchLineStatus, frozenset[BatchLineStatus]]] = {
        BatchLineStatus.OPEN: frozenset(
            {
                BatchLineStatus.SETTLED,
                BatchLineStatus.FAILED,
                BatchLineStatus.RETURNED,
                BatchLineStatus.DROPPED,
            }
        ),
        BatchLineStatus.SETTLED: frozenset({BatchLineStatus.RETURNED}),
        # Only when two people say that it was paid after all.
        BatchLineStatus.FAILED: frozenset({BatchLineStatus.SETTLED}),
        BatchLineStatus.RETURNED: frozenset(),
        BatchLineStatus.DROPPED: frozenset(),
    }

    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="lines", db_index=False)
    number = models.PositiveIntegerField()
    code = models.CharField(max_length=35, unique=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="batch_lines")
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="+")
    attempt = models.OneToOneField(Attempt, on_delete=models.PROTECT, null=True, related_name="+")
    amount_minor = models.BigIntegerField()
    status = models.CharField(
        max_length=10, choices=choices(BatchLineStatus), default=BatchLineStatus.OPEN
    )
    bank_reference = models.CharField(max_length=64, default="", blank=True)
    reported_on = models.DateField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="batch_line_status_known", condition=known(BatchLineStatus)
            ),
            models.CheckConstraint(
                name="batch_line_amount_positive", condition=Q(amount_minor__gt=0)
            ),
            models.CheckConstraint(
                name="batch_line_ended_was_sent",
                condition=Q(status__in=["OPEN", "DROPPED"]) | Q(attempt__isnull=False),
            ),
            models.UniqueConstraint(fields=["batch", "number"], name="batch_line_number_unique"),
            models.UniqueConstraint(
                fields=["payment"], name="batch_line_one_live", condition=Q(status="OPEN")
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.code} ({self.status})"

    def transition_to(self, target: BatchLineStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        subject = f"batch_line:{self.pk}"
        check_transition(self.TRANSITIONS, BatchLineStatus(self.status), target, subject=subject)
        self.status = target


class BatchStatement(models.Model):
    """A statement that was taken for a batch. The same file again leaves no second row.

    problems: the rows that changed nothing, as {row, code, line}; never a word of the file, which
    may name people.
    """

    batch = models.ForeignKey(
        Batch, on_delete=models.PROTECT, related_name="statements", db_index=False
    )
    sha256 = models.CharField(max_length=64)
    settled = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    returned = models.PositiveIntegerField()
    unchanged = models.PositiveIntegerField()
    problems = models.JSONField()
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "sha256"], name="batch_statement_unique"),
        ]

    def __str__(self) -> str:
        return f"statement {self.sha256[:12]} of batch {self.batch_id}"
