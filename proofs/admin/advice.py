"""The advisor's word on the proof page, its tries as a list, and how it stands at the moment."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import admin

from kobatela.kernel.admin import ConsoleAdmin
from proofs.models import AdviceRun, AdvisorState, Proof
from proofs.selectors import latest_advice
from proofs.states import AdviceStatus, Processing

# How loudly each level is shown.
_TONES = {"clean": "", "warning": "soft", "suspect": "hard"}


@dataclass(frozen=True, slots=True)
class AdviceShown:
    """What the page says of the advisor. All of it is text of a stranger's, and shown as text.

    level is "" where there is none; why says then what was in the way.
    """

    level: str = ""
    tone: str = ""
    score: str = ""
    flags: Sequence[str] = ()
    explanation: str = ""
    source: str = ""
    why: str = ""


def shown(proof: Proof) -> AdviceShown | None:
    """The advice on a proof; None where the advisor was never asked."""
    run = latest_advice(proof.pk)
    if proof.processing == Processing.ADVISING or (run and run.status == AdviceStatus.RUNNING):
        return AdviceShown(why="The advisor is being asked.")
    if run is None:
        return None
    if run.status == AdviceStatus.MISSED:
        return AdviceShown(why=f"No advice: {run.reason.replace('_', ' ').lower()}.")
    return AdviceShown(
        level=run.risk_level,
        tone=_TONES.get(run.risk_level, "soft"),
        score=str(run.score),
        flags=run.flags,
        explanation=run.explanation,
        source=f"{run.model}, {run.finished_at:%Y-%m-%d %H:%M:%S} UTC, {run.latency_ms} ms",
    )


@admin.register(AdviceRun)
class AdviceRunAdmin(ConsoleAdmin):
    """Every try to get advice, and what came of it."""

    list_display = (
        "id",
        "proof_id",
        "status",
        "reason",
        "risk_level",
        "score",
        "model",
        "attempts",
        "latency_ms",
        "started_at",
    )
    list_filter = ("status", "risk_level", "reason")
    search_fields = ("=proof__id",)
    search_help_text = "The number of a proof"
    raw_id_fields = ("proof",)
    ordering = ("-id",)


@admin.register(AdvisorState)
class AdvisorStateAdmin(ConsoleAdmin):
    """The breaker and its counters, as every process sees them."""

    list_display = ("name", "breaker", "failures", "opened_at", "calls", "errors", "skipped")
