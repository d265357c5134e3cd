"""What was done, who must be told, what went wrong, and which jobs ran."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from audit.alert_types import AlertStatus, AlertType, Severity
from kobatela.kernel.transitions import check_transition

# A subject or an actor: a short word, a colon, an id.
REFERENCE_LENGTH = 80


def _choices(kind: type[StrEnum]) -> list[tuple[str, str]]:
    # Plain values, so that migrations name no code of ours.
    return [(item.value, item.value) for item in kind]


class AuditStream(models.Model):
    """The last sequence number given out in one stream; its row lock keeps numbers unbroken."""

    stream = models.CharField(max_length=REFERENCE_LENGTH, primary_key=True)
    last_seq = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.stream} up to {self.last_seq}"


class AuditEntry(models.Model):
    """One thing that was done. Never changed and never deleted; triggers refuse it.

    `body` is the exact canonical JSON text: ids, hashes, states and minor amounts, no personal
    data. Ids of users and others are plain numbers, so that an entry outlives what it speaks of.
    `transaction_id` is the number of the database transaction that did it.
    """

    id = models.BigAutoField(primary_key=True)
    transaction_id = models.BigIntegerField()
    stream = models.CharField(max_length=REFERENCE_LENGTH)
    stream_seq = models.BigIntegerField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=REFERENCE_LENGTH)
    on_behalf_of = models.BigIntegerField(null=True)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=REFERENCE_LENGTH)
    request_id = models.CharField(max_length=128)
    body = models.TextField()

    class Meta:
        verbose_name_plural = "audit entries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["stream", "stream_seq"], name="audit_entry_stream_sequence"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["subject", "id"], name="audit_entry_subject"),
            models.Index(fields=["actor", "id"], name="audit_entry_actor"),
            models.Index(fields=["action", "id"], name="audit_entry_action"),
            models.Index(fields=["at"], name="audit_entry_at"),
        ]

    def __str__(self) -> str:
        return f"{self.stream}#{self.stream_seq} {self.action}"


class OutboxEvent(models.Model):
    """Something that somebody must hear of, written with the change itself.

    `audience` holds the ids of the users who may hear of it; the relay adds nobody.
    """

    id = models.BigAutoField(primary_key=True)
    transaction_id = models.BigIntegerField()
    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, related_name="event")
    event = models.CharField(max_length=60)
    subject = models.CharField(max_length=REFERENCE_LENGTH)
    audience = ArrayField(models.BigIntegerField())
    body = models.TextField()
    created_at = models.DateTimeField()
    relayed_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["id"], name="audit_outbox_waiting", condition=models.Q(relayed_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.subject}"


class Alert(models.Model):
    """Something that a person must look at. Repeated ones of one subject fold into the open one.

    payload: ids, states and minor amounts of what happened; `note` in it is what was written when
    it was acknowledged. Words stay here, the trail has none.
    """

    TRANSITIONS: ClassVar[Mapping[AlertStatus, frozenset[AlertStatus]]] = {
        AlertStatus.OPEN: frozenset({AlertStatus.ACKNOWLEDGED}),
        AlertStatus.ACKNOWLEDGED: frozenset(),
    }

    type = models.CharField(max_length=60, choices=_choices(AlertType))
    severity = models.CharField(max_length=10, choices=_choices(Severity))
    subject = models.CharField(max_length=REFERENCE_LENGTH)
    message = models.TextField()
    payload = models.JSONField(default=dict)
    actor_user_id = models.BigIntegerField(null=True)
    status = models.CharField(
        max_length=20, choices=_choices(AlertStatus), default=AlertStatus.OPEN.value
    )
    count = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    acknowledged_by = models.CharField(max_length=REFERENCE_LENGTH, default="", blank=True)
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["type", "subject"],
                condition=models.Q(status=AlertStatus.OPEN.value),
                name="audit_alert_one_open",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["type", "id"], name="audit_alert_type"),
            models.Index(fields=["status", "id"], name="audit_alert_status"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"

    def transition_to(self, target: AlertStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, AlertStatus(self.status), target, subject=f"alert:{self.pk}"
        )
        self.status = target


class JobLock(models.Model):
    """Who runs a job now. A lock past `expires_at` may be taken over."""

    name = models.CharField(max_length=60, primary_key=True)
    owner = models.CharField(max_length=REFERENCE_LENGTH, blank=True)
    acquired_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.owner or 'free'}"


class JobRunStatus(StrEnum):
    """RUNNING ends as DONE, FAILED (the work raised) or LOST (its lock went to another)."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    LOST = "LOST"


class JobRun(models.Model):
    """One run of a job and what came of it."""

    TRANSITIONS: ClassVar[Mapping[JobRunStatus, frozenset[JobRunStatus]]] = {
        JobRunStatus.RUNNING: frozenset(
            {JobRunStatus.DONE, JobRunStatus.FAILED, JobRunStatus.LOST}
        ),
        JobRunStatus.DONE: frozenset(),
        JobRunStatus.FAILED: frozenset(),
        JobRunStatus.LOST: frozenset(),
    }

    name = models.CharField(max_length=60)
    owner = models.CharField(max_length=REFERENCE_LENGTH)
    status = models.CharField(
        max_length=10, choices=_choices(JobRunStatus), default=JobRunStatus.RUNNING.value
    )
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    result = models.JSONField(default=dict)
    error = models.CharField(max_length=200, default="", blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["name", "-started_at"], name="audit_job_run_latest"),
            models.Index(fields=["started_at"], name="audit_job_run_age"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.started_at:%Y-%m-%d %H:%M:%S} {self.status}"

    def transition_to(self, target: JobRunStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, JobRunStatus(self.status), target, subject=f"jobrun:{self.pk}"
        )
        self.status = target


class Counter(models.Model):
    """How often something happened since the installation began; shared by all processes."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class Switch(models.Model):
    """A decision that staff may take while everything runs; read at every use."""

    name = models.CharField(max_length=40, primary_key=True)
    is_on = models.BooleanField()
    reason = models.TextField(default="", blank=True)
    set_by = models.CharField(max_length=REFERENCE_LENGTH)
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "switches"

    def __str__(self) -> str:
        return f"{self.name}: {'on' if self.is_on else 'off'}"
