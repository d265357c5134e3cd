"""Evidence for milestones, and what was found and decided about it."""

from collections.abc import Mapping
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from kobatela.kernel.transitions import check_transition
from proofs.advice_models import AdviceRun, AdvisorState
from proofs.states import (
    ANSWER_ACTOR,
    DERIVATIVE_TRANSITIONS,
    MACHINE_ACTOR,
    PROCESSING_TRANSITIONS,
    STATUS_TRANSITIONS,
    Derivative,
    Processing,
    ProofStatus,
    ProofType,
)

__all__ = ["AdviceRun", "AdvisorState", "ImageHash", "PerceptualHashField", "Proof"]


class Proof(models.Model):
    """What was sent for one milestone. The evidence in it never changes after it was stored.

    client, provider, milestone_kind, milestone_idx, validator, amount_minor and currency are the
    milestone's and its escrow's, which do not change: they stand here so that queues and lists need
    no joins.
    upload is the file; a proof without one is a claim, whose address and hash are claimed_url and
    claimed_sha256. file_sha256 was computed by the server and is empty for a claim. metadata is
    what the sender said. facts are what was read from the file. received_at is the arrival of the
    last byte. replaces is the proof of which more was asked than it showed; this one is what came.
    page_count is that of a PDF. reading is the newest reading of a document.
    processing_since is when the machine came to the step at which it is. processing_due_at is when
    the sweeper may ring for it: a bell unheard, a retry, or a worker's claim that ran out.
    reread_asked_at and reread_asked_by are set while somebody waits for the document to be read
    once more; processing_attempts and processing_due_at are then those of that reading.
    """

    TRANSITIONS: ClassVar[Mapping[ProofStatus, frozenset[ProofStatus]]] = STATUS_TRANSITIONS
    PROCESSING: ClassVar[Mapping[Processing, frozenset[Processing]]] = PROCESSING_TRANSITIONS
    DERIVATIVE: ClassVar[Mapping[Derivative, frozenset[Derivative]]] = DERIVATIVE_TRANSITIONS

    # The indexes below begin with these keys; Django's own would only be written twice.
    escrow = models.ForeignKey(
        "escrow.Escrow", on_delete=models.PROTECT, related_name="proofs", db_index=False
    )
    milestone = models.ForeignKey(
        "escrow.Milestone", on_delete=models.PROTECT, related_name="proofs", db_index=False
    )
    client = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    provider = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    milestone_kind = models.CharField(max_length=20)
    validator = models.CharField(max_length=10)
    milestone_idx = models.PositiveIntegerField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)

    type = models.CharField(max_length=20, choices=[(item.value, item.value) for item in ProofType])
    status = models.CharField(
        max_length=20,
        choices=[(item.value, item.value) for item in ProofStatus],
        default=ProofStatus.PENDING.value,
    )
    processing = models.CharField(
        max_length=20,
        choices=[(item.value, item.value) for item in Processing],
        default=Processing.QUEUED.value,
    )
    processing_since = models.DateTimeField()
    processing_attempts = models.PositiveSmallIntegerField(default=0)
    processing_due_at = models.DateTimeField(null=True, blank=True)
    reread_asked_at = models.DateTimeField(null=True, blank=True)
    reread_asked_by = models.CharField(max_length=80, blank=True, default="", db_default="")

    upload = models.OneToOneField(
        "uploads.Upload", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    file_sha256 = models.CharField(max_length=64, blank=True)
    claimed_url = models.CharField(max_length=1024, blank=True)
    claimed_sha256 = models.CharField(max_length=128, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    facts = models.JSONField(null=True, blank=True)
    page_count = models.PositiveSmallIntegerField(null=True, blank=True)
    reading = models.ForeignKey(
        "proofs.DocumentReading",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    captured_at = models.DateTimeField(null=True, blank=True)
    distance_m = models.DecimalField(max_digits=12, decimal_places=3, null=True, blank=True)
    findings = models.JSONField(default=list, blank=True)
    review_reasons = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    derivative = models.CharField(
        max_length=10,
        choices=[(item.value, item.value) for item in Derivative],
        default=Derivative.NONE.value,
    )
    derivative_attempts = models.PositiveSmallIntegerField(default=0)

    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
    )
    submitted_for = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
    )
    submitted_actor = models.CharField(max_length=80)
    came_by_link = models.BooleanField(default=False)
    replaces = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    received_at = models.DateTimeField()

    decided_by = models.CharField(max_length=80, blank=True)
    decided_for = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.TextField(blank=True)
    info_requested_at = models.DateTimeField(null=True, blank=True)
    info_note = models.TextField(blank=True)

    ai_risk_level = models.CharField(max_length=20, blank=True)
    ai_score = models.DecimalField(max_digits=4, decimal_places=3, null=True, blank=True)
    ai_flags = models.JSONField(default=list, blank=True)
    ai_explanation = models.TextField(blank=True)
    ai_checked_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=[item.value for item in ProofStatus]),
                name="proof_status_known",
            ),
            models.CheckConstraint(
                condition=models.Q(processing__in=[item.value for item in Processing]),
                name="proof_processing_known",
            ),
            models.CheckConstraint(
                condition=models.Q(status=ProofStatus.PENDING.value, decided_at__isnull=True)
                | ~models.Q(status=ProofStatus.PENDING.value)
                & models.Q(decided_at__isnull=False)
                & ~models.Q(decided_by=""),
                name="proof_decided_by_someone",
            ),
            models.CheckConstraint(
                condition=models.Q(upload__isnull=False, claimed_url="", claimed_sha256="")
                & ~models.Q(file_sha256="")
                | models.Q(upload__isnull=True, file_sha256=""),
                name="proof_file_or_claim",
            ),
            models.CheckConstraint(
                condition=~models.Q(decided_by=MACHINE_ACTOR)
                | models.Q(status=ProofStatus.APPROVED.value, upload__isnull=False),
                name="proof_machine_approves_files_only",
            ),
            # A first reading that is not over would share its attempts with the one asked for.
            models.CheckConstraint(
                condition=models.Q(reread_asked_at__isnull=True, reread_asked_by="")
                | models.Q(reread_asked_at__isnull=False)
                & ~models.Q(reread_asked_by="")
                & ~models.Q(processing__in=[Processing.QUEUED.value, Processing.READING.value]),
                name="proof_reread_asked_by_someone",
            ),
            models.UniqueConstraint(
                fields=["milestone"],
                condition=models.Q(status=ProofStatus.PENDING.value),
                name="proof_one_pending_per_milestone",
            ),
            models.UniqueConstraint(
                fields=["milestone"],
                condition=models.Q(status=ProofStatus.APPROVED.value),
                name="proof_one_approved_per_milestone",
            ),
        ]
        indexes = [
            # The queue: waiting longest first, and the same by what staff filter on.
            models.Index(
                fields=["created_at", "id"],
                condition=models.Q(status=ProofStatus.PENDING.value),
                name="proof_queue",
            ),
            models.Index(
                fields=["milestone_kind", "created_at", "id"],
                condition=models.Q(status=ProofStatus.PENDING.value),
                name="proof_queue_by_kind",
            ),
            models.Index(
                fields=["validator", "created_at", "id"],
                condition=models.Q(status=ProofStatus.PENDING.value),
                name="proof_queue_by_validator",
            ),
            models.Index(
                fields=["currency", "amount_minor"],
                condition=models.Q(status=ProofStatus.PENDING.value),
                name="proof_queue_by_amount",
            ),
            GinIndex(
                fields=["review_reasons"],
                condition=models.Q(status=ProofStatus.PENDING.value),
                name="proof_queue_by_reason",
            ),
            models.Index(fields=["escrow", "-id"], name="proof_of_escrow"),
            models.Index(fields=["milestone", "-id"], name="proof_of_milestone"),
            models.Index(fields=["client", "-id"], name="proof_of_client"),
            models.Index(fields=["provider", "-id"], name="proof_of_provider"),
            models.Index(fields=["status", "-id"], name="proof_by_status"),
            models.Index(
                fields=["file_sha256"],
                condition=~models.Q(file_sha256=""),
                name="proof_by_file",
            ),
            models.Index(
                fields=["provider", "decided_at"],
                condition=models.Q(decided_by=MACHINE_ACTOR),
                name="proof_machine_by_provider",
            ),
            # Where else a provider's photos were taken at about the same time.
            models.Index(
                fields=["provider", "captured_at"],
                condition=models.Q(captured_at__isnull=False),
                name="proof_taken_by_provider",
            ),
            # Which photos say the same second, whoever sent them.
            models.Index(
                fields=["captured_at"],
                condition=models.Q(captured_at__isnull=False),
                name="proof_taken_at",
            ),
            models.Index(
                fields=["created_at"],
                condition=models.Q(derivative=Derivative.WANTED.value),
                name="proof_derivative_wanted",
            ),
            models.Index(
                fields=["processing_since"],
                condition=models.Q(processing=Processing.ADVISING.value),
                name="proof_advising",
            ),
            models.Index(
                fields=["processing_due_at"],
                condition=models.Q(processing_due_at__isnull=False),
                name="proof_processing_due",
            ),
        ]

    # Filled in by lists that show it: how many of the two people needed have approved.
    approvals_given = 0

    def __str__(self) -> str:
        return f"Proof {self.pk}"

    def transition_to(self, target: ProofStatus) -> None:
        """Decide it. Raises InvalidState when it is decided already."""
        check_transition(
            self.TRANSITIONS, ProofStatus(self.status), target, subject=f"proof:{self.pk}"
        )
        self.status = target

    def processing_to(self, target: Processing) -> None:
        """Move the machine's part on. Raises InvalidState for a step that the table lacks."""
        check_transition(
            self.PROCESSING, Processing(self.processing), target, subject=f"proof:{self.pk}"
        )
        self.processing = target

    def derivative_to(self, target: Derivative) -> None:
        """Say what became of the picture for showing. Raises InvalidState as the table says."""
        check_transition(
            self.DERIVATIVE, Derivative(self.derivative), target, subject=f"proof:{self.pk}"
        )
        self.derivative = target

    @property
    def sha256(self) -> str:
        """The hash that the server computed, else the one that was claimed."""
        return self.file_sha256 or self.claimed_sha256

    @property
    def storage_url(self) -> str:
        """The address of the upload, else the one that was claimed."""
        return self.claimed_url if self.upload is None else self.upload.storage_url

    @property
    def is_replaced(self) -> bool:
        """Whether nobody rejected it: what more was asked for came in its place."""
        return self.decided_by == ANSWER_ACTOR

    @property
    def is_machine_approved(self) -> bool:
        """Whether no person looked at it."""
        return self.decided_by == MACHINE_ACTOR


class PerceptualHashField(models.Field):  # type: ignore[type-arg]  # has no Python-side conversions
    """A PDQ hash as PostgreSQL's bit(256), so that differing bits are counted in SQL."""

    def db_type(self, connection: object) -> str:
        """The column's type."""
        return "bit(256)"


class ImageHash(models.Model):
    """The perceptual hash of one proof's picture, apart from the proof so that a scan is short."""

    proof = models.OneToOneField(
        Proof, on_delete=models.PROTECT, primary_key=True, related_name="image_hash"
    )
    bits = PerceptualHashField()

    def __str__(self) -> str:
        return f"Image of proof {self.proof_id}"


class DocumentReading(models.Model):
    """What was read of one proof's document, and how it compared. Never changed: a later reading
    is another row, so that what somebody decided on can still be seen.

    engine is `text` where no OCR was needed. fields are by name `{value, raw, confidence, page,
    box, source}`, checks a list of `{name, expected, actual, agrees}`, raw_text an excerpt.
    number_key is the invoice's number without punctuation, by which the same one is found again.
    """

    proof = models.ForeignKey(
        Proof, on_delete=models.PROTECT, related_name="readings", db_index=False
    )
    engine = models.CharField(max_length=50)
    engine_version = models.CharField(max_length=100, blank=True)
    status = models.CharField(max_length=20)
    pages_total = models.PositiveIntegerField()
    pages_read = models.PositiveIntegerField()
    fields = models.JSONField(default=dict)
    checks = models.JSONField(default=list)
    findings = models.JSONField(default=list)
    raw_text = models.TextField(blank=True)
    number_key = models.CharField(max_length=64, blank=True)
    took_ms = models.PositiveIntegerField()
    read_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["proof", "-id"], name="reading_of_proof"),
            models.Index(fields=["created_at"], name="reading_at"),
            models.Index(
                fields=["number_key"],
                condition=~models.Q(number_key=""),
                name="reading_by_number",
            ),
        ]

    def __str__(self) -> str:
        return f"Reading {self.pk} of proof {self.proof_id}"
