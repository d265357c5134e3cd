"""What PSPs report."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.db.models import Q

from kobatela.kernel.transitions import check_transition
from payments.models._choices import choices, known
from payments.models.funding import Funding
from payments.models.payment import Payment


class EventStatus(StrEnum):
    """What became of a PSP's event.

    RECEIVED: stored, not looked at. WAITING: about something that we do not know (yet).
    IGNORED: of a type that has no effect here. FAILED: a person must look.
    """

    RECEIVED = "RECEIVED"
    WAITING = "WAITING"
    PROCESSED = "PROCESSED"
    IGNORED = "IGNORED"
    FAILED = "FAILED"


class PspEvent(models.Model):
    """A PSP's signed report, kept as it came. What it says is read from `body` alone.

    secret_id: which secret signed it. next_try_at: when the sweeper looks at it (again).
    breaks: how many of its last tries began and never came to an end.
    """

    TRANSITIONS: ClassVar[Mapping[EventStatus, frozenset[EventStatus]]] = {
        EventStatus.RECEIVED: frozenset(
            {
                EventStatus.WAITING,
                EventStatus.PROCESSED,
                EventStatus.IGNORED,
                EventStatus.FAILED,
            }
        ),
        EventStatus.WAITING: frozenset({EventStatus.PROCESSED, EventStatus.FAILED}),
        EventStatus.FAILED: frozenset(
            {EventStatus.WAITING, EventStatus.PROCESSED, EventStatus.IGNORED}
        ),
        EventStatus.PROCESSED: frozenset(),
        EventStatus.IGNORED: frozenset(),
    }

    provider = models.CharField(max_length=32)
    event_id = models.CharField(max_length=128)
    type = models.CharField(max_length=60)
    body = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    secret_id = models.CharField(max_length=40)
    status = models.CharField(
        max_length=10, choices=choices(EventStatus), default=EventStatus.RECEIVED
    )
    tries = models.PositiveIntegerField(default=0)
    breaks = models.PositiveIntegerField(default=0, db_default=0)
    next_try_at = models.DateTimeField()
    reason = models.CharField(max_length=60, default="", blank=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="events")
    funding = models.ForeignKey(Funding, on_delete=models.PROTECT, null=True, related_name="events")
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="psp_event_unique"),
            models.CheckConstraint(name="psp_event_status_known", condition=known(EventStatus)),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"],
                name="psp_event_wants_work",
                condition=Q(status__in=["RECEIVED", "WAITING"]),
            ),
            models.Index(
                fields=["received_at"],
                name="psp_event_wants_a_person",
                condition=Q(status="FAILED"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} event {self.event_id} ({self.status})"

    @property
    def reference(self) -> str:
        """How alerts name this event."""
        return f"psp_event:{self.pk}"

    def transition_to(self, target: EventStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(self.TRANSITIONS, EventStatus(self.status), target, subject=self.reference)
        self.status = target
