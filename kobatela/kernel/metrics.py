"""What is measured: the name, the meaning and the labels of every metric. Nothing is counted here.

The alert rules and the dashboard under `ops/` may use these names only; a test holds them to it.
"""

from dataclasses import dataclass, field
from enum import StrEnum

_found: dict[str, "Metric"] = {}


class MetricKind(StrEnum):
    """counter and histogram: added up by all processes. gauge: looked up when it is asked for."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. A counter's name ends in `_total`, one of seconds in `_seconds`."""

    name: str
    kind: MetricKind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets_s: tuple[float, ...] = field(default=())

    def __post_init__(self) -> None:
        _found[self.name] = self


def all_metrics() -> list[Metric]:
    """Every metric of the installation, by name."""
    return [_found[name] for name in sorted(_found)]


_REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TASK_BUCKETS_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0)

REQUESTS = Metric(
    "kobatela_http_requests_total",
    MetricKind.COUNTER,
    "Requests answered. The route is the pattern, never the path.",
    ("method", "route", "status"),
)
REQUEST_SECONDS = Metric(
    "kobatela_http_request_seconds",
    MetricKind.HISTOGRAM,
    "How long requests took, by route.",
    ("route",),
    _REQUEST_BUCKETS_S,
)
TASKS = Metric(
    "kobatela_tasks_total",
    MetricKind.COUNTER,
    "Tasks that a worker ran; outcome is done or failed.",
    ("task", "outcome"),
)
TASK_SECONDS = Metric(
    "kobatela_task_seconds",
    MetricKind.HISTOGRAM,
    "How long tasks took.",
    ("task",),
    _TASK_BUCKETS_S,
)

AI_CALLS = Metric("kobatela_ai_calls_total", MetricKind.COUNTER, "Calls to the AI advisor.")
AI_ERRORS = Metric(
    "kobatela_ai_errors_total", MetricKind.COUNTER, "Calls to the AI advisor that gave no advice."
)
AI_BREAKER_OPEN = Metric(
    "kobatela_ai_breaker_open", MetricKind.GAUGE, "1 while the AI advisor is not asked, else 0."
)
OCR_CALLS = Metric("kobatela_ocr_calls_total", MetricKind.COUNTER, "Documents given to OCR.")
OCR_ERRORS = Metric("kobatela_ocr_errors_total", MetricKind.COUNTER, "Documents that OCR failed.")
PAYMENTS_OPEN = Metric(
    "kobatela_payments_open",
    MetricKind.GAUGE,
    "Payments that have not ended.",
    ("status",),
)
PAYOUT_UNKNOWN = Metric(
    "kobatela_payout_unknown_oldest_seconds",
    MetricKind.GAUGE,
    "For how long the outcome of the oldest payment at a PSP has been unknown; 0 without one.",
)
QUEUE_DEPTH = Metric(
    "kobatela_queue_depth", MetricKind.GAUGE, "Tasks that wait for a worker.", ("queue",)
)
REVIEW_QUEUE = Metric(
    "kobatela_review_queue", MetricKind.GAUGE, "Proofs that wait for a person, counted to 1,000."
)
ALERTS_OPEN = Metric(
    "kobatela_alerts_open", MetricKind.GAUGE, "Alerts that nobody has acknowledged.", ("severity",)
)
JOB_AGE = Metric(
    "kobatela_job_age_seconds",
    MetricKind.GAUGE,
    "Since when an enabled job has not begun; from its first call where it never did.",
    ("job",),
)
JOB_PERIOD = Metric(
    "kobatela_job_period_seconds", MetricKind.GAUGE, "How often a job should begin.", ("job",)
)
JOBS_OFF = Metric(
    "kobatela_jobs_off", MetricKind.GAUGE, "How many jobs of the schedule are switched off."
)
LEDGER_CHECK_FAILED = Metric(
    "kobatela_ledger_check_failed",
    MetricKind.GAUGE,
    "1 if the latest check of the books found a mistake or did not get through, else 0.",
)
