"""What the advisor was asked and said, and whether it can be asked now."""

from collections.abc import Mapping
from typing import ClassVar

from django.db import models

from kobatela.kernel.transitions import check_transition
from proofs.states import (
    ADVICE_TRANSITIONS,
    BREAKER_TRANSITIONS,
    AdviceStatus,
    BreakerState,
)


class AdviceRun(models.Model):
    """One try to get the advisor's word on a proof. Once it has ended it never changes.

    A running one is the claim of one worker on the proof: there is one at most. reason says why no
    advice came. prompt_sha256 is the hash of all that was sent but the random fence. latency_ms is
    of all attempts together, attempts counts the calls that were made.
    """

    TRANSITIONS: ClassVar[Mapping[AdviceStatus, frozenset[AdviceStatus]]] = ADVICE_TRANSITIONS

    proof = models.ForeignKey(
        "proofs.Proof", on_delete=models.PROTECT, related_name="advice_runs", db_index=False
    )
    status = models.CharField(
        max_length=10,
        choices=[(item.value, item.value) for item in AdviceStatus],
        default=AdviceStatus.RUNNING.value,
    )
    reason = models.CharField(max_length=40, blank=True)
    model = models.CharField(max_length=100, blank=True)
    prompt_sha256 = models.CharField(max_length=64, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    latency_ms = models.PositiveIntegerField(default=0)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    risk_level = models.CharField(max_length=20, blank=True)
    score = models.DecimalField(max_digits=4, decimal_places=3, null=True, blank=True)
    flags = models.JSONField(default=list, blank=True)
    explanation = models.TextField(blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status=AdviceStatus.RUNNING.value, finished_at__isnull=True)
                | models.Q(
                    status=AdviceStatus.ADVISED.value,
                    finished_at__isnull=False,
                    score__isnull=False,
                    reason="",
                )
                & ~models.Q(risk_level="")
                | models.Q(
                    status=AdviceStatus.MISSED.value, finished_at__isnull=False, risk_level=""
                )
                & ~models.Q(reason=""),
                name="advice_run_whole",
            ),
            models.UniqueConstraint(
                fields=["proof"],
                condition=models.Q(status=AdviceStatus.RUNNING.value),
                name="advice_run_one_running",
            ),
        ]
        indexes = [models.Index(fields=["proof", "-id"], name="advice_run_of_proof")]

    def __str__(self) -> str:
        return f"Advice on proof {self.proof_id}"

    def transition_to(self, target: AdviceStatus) -> None:
        """End it. Raises InvalidState when it has ended already."""
        check_transition(
            self.TRANSITIONS, AdviceStatus(self.status), target, subject=f"advice:{self.pk}"
        )
        self.status = target


class AdvisorState(models.Model):
    """The breaker of the advisor and its counters: one row, shared by every process.

    failures are those in a row, while the breaker is closed. probe_at is when the one call of a
    half-open breaker began, null while none has. errors are calls without a usable answer; skipped
    are proofs for which no call was made, because the breaker was open.
    """

    TRANSITIONS: ClassVar[Mapping[BreakerState, frozenset[BreakerState]]] = BREAKER_TRANSITIONS

    name = models.CharField(max_length=20, primary_key=True)
    breaker = models.CharField(
        max_length=10,
        choices=[(item.value, item.value) for item in BreakerState],
        default=BreakerState.CLOSED.value,
    )
    failures = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True, blank=True)
    probe_at = models.DateTimeField(null=True, blank=True)
    calls = models.PositiveBigIntegerField(default=0)
    errors = models.PositiveBigIntegerField(default=0)
    skipped = models.PositiveBigIntegerField(default=0)
    latency_ms_total = models.PositiveBigIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    updated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(breaker__in=[item.value for item in BreakerState]),
                name="advisor_breaker_known",
            ),
            models.CheckConstraint(
                condition=models.Q(breaker=BreakerState.CLOSED.value)
                | models.Q(opened_at__isnull=False),
                name="advisor_breaker_since",
            ),
        ]

    def __str__(self) -> str:
        return f"Advisor {self.name}: {self.breaker}"

    def transition_to(self, target: BreakerState) -> None:
        """Move the breaker. Raises InvalidState for a step that the table lacks."""
        check_transition(
            self.TRANSITIONS, BreakerState(self.breaker), target, subject=f"advisor:{self.name}"
        )
        self.breaker = target
