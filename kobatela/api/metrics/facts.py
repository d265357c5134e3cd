"""The metrics that the database and the broker know, looked up when somebody asks."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from audit import selectors as audit_selectors
from audit.services.counters import counted
from kobatela.kernel import clock, metrics
from kobatela.kernel.metrics import Metric
from kobatela.rest.redis import client as redis_client
from payments import figures
from proofs import selectors as proof_selectors
from proofs.states import BreakerState

_LEDGER_CHECK = "ledger_check"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric, under the values of its labels."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


def from_database() -> Iterator[Sample]:
    """What the database knows. Raises its errors."""
    yield from _machines()
    for status, count in figures.open_payments().items():
        yield Sample(metrics.PAYMENTS_OPEN, count, (status,))
    since = figures.oldest_unknown_since()
    unknown_s = 0.0 if since is None else (clock.now() - since).total_seconds()
    yield Sample(metrics.PAYOUT_UNKNOWN, unknown_s)
    yield Sample(metrics.REVIEW_QUEUE, proof_selectors.queue_length())
    for severity, count in audit_selectors.open_alerts_by_severity().items():
        yield Sample(metrics.ALERTS_OPEN, count, (severity,))
    yield from _jobs()


def from_broker() -> Iterator[Sample]:
    """How many tasks wait in each queue. Raises Redis' errors."""
    pipe = redis_client().pipeline(transaction=False)
    for queue in settings.KOBATELA_QUEUES:
        pipe.llen(queue)
    for queue, depth in zip(settings.KOBATELA_QUEUES, pipe.execute(), strict=True):
        yield Sample(metrics.QUEUE_DEPTH, depth, (queue,))


def _machines() -> Iterator[Sample]:
    advisor = proof_selectors.advisor_metrics()
    yield Sample(metrics.AI_CALLS, advisor["calls"])
    yield Sample(metrics.AI_ERRORS, advisor["errors"])
    yield Sample(metrics.AI_BREAKER_OPEN, float(advisor["breaker"] != BreakerState.CLOSED))
    ocr = counted("ocr", "calls", "errors")
    yield Sample(metrics.OCR_CALLS, ocr["calls"])
    yield Sample(metrics.OCR_ERRORS, ocr["errors"])


def _jobs() -> Iterator[Sample]:
    for job in audit_selectors.job_ages():
        yield Sample(metrics.JOB_AGE, job.age_s, (job.name,))
        yield Sample(metrics.JOB_PERIOD, job.every_s, (job.name,))
    yield Sample(metrics.JOBS_OFF, len(audit_selectors.jobs_off()))
    run = audit_selectors.latest_ended_run(_LEDGER_CHECK)
    failed = run is not None and (run.status != "DONE" or bool(run.result.get("problems")))
    yield Sample(metrics.LEDGER_CHECK_FAILED, float(failed))
