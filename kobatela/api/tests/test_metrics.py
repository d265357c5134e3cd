"""What is counted, by every process together, and who may read it."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from audit.models import JobRun
from audit.services.alerts import AlertType, Severity, raise_alert
from audit.services.counters import count
from kobatela.accounts.tests.factories import make_key
from kobatela.api.metrics import exposition, views
from kobatela.celery import app
from kobatela.kernel import clock, metrics
from kobatela.kernel.caller import Scope
from kobatela.kernel.context import request_id, working_for
from kobatela.kernel.errors import DomainError
from kobatela.kernel.metrics import MetricKind, all_metrics
from kobatela.rest import meter
from kobatela.rest.tests.client import Api
from payments.models import Payment
from payments.tests.factories import make_payout

RULES = Path("ops/prometheus/alerts.yml")
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def looks_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page reads within the test's own transaction; threads would see nothing of it."""

    def ask(read: Callable[[], Any]) -> "Future[Any]":
        done: Future[Any] = Future()
        try:
            done.set_result(read())
        except DomainError as refusal:
            done.set_exception(refusal)
        return done

    for module in (exposition, views):
        monkeypatch.setattr(module, "ask_database", ask)


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    meter.forget()
    yield
    meter.forget()


def samples() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of the page, by name and labels."""
    answer = Api().get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def value(name: str, **labels: str) -> float | None:
    return samples().get((name, tuple(sorted(labels.items()))))


# --- Who may read it ------------------------------------------------------------------------------


def test_d09_in_production_it_takes_a_key_of_staff(settings: Settings) -> None:
    settings.KOBATELA_METRICS_PUBLIC = False

    assert Api().get("/metrics").code == "NO_API_KEY"
    for scope in (Scope.SENDER, Scope.PROVIDER):
        assert Api(make_key(scope)[1]).get("/metrics").code == "INSUFFICIENT_SCOPE"
    for scope in (Scope.SUPPORT, Scope.ADMIN):
        assert Api(make_key(scope)[1]).get("/metrics").status == 200


def test_production_closes_it() -> None:
    text = Path("kobatela/settings/production.py").read_text()
    assert 'KOBATELA_METRICS_PUBLIC = env.bool("KOBATELA_METRICS_PUBLIC", default=False)' in text


# --- What is counted ------------------------------------------------------------------------------


def test_requests_are_counted_by_pattern_and_never_by_path() -> None:
    Api().get("/health/live")
    Api().get("/health/live")
    Api().get("/users/123456")
    Api().get("/secret-link-4711")

    found = samples()
    requests = {labels: n for (name, labels), n in found.items() if name.endswith("requests_total")}
    assert requests[("method", "GET"), ("route", "health/live"), ("status", "200")] == 2
    assert requests[("method", "GET"), ("route", "users/<int:user_id>"), ("status", "401")] == 1
    assert requests[("method", "GET"), ("route", "none"), ("status", "404")] == 1
    assert "4711" not in str(found)
    count_of = "kobatela_http_request_seconds_count"
    assert found[count_of, (("route", "health/live"),)] == 2


def test_a_histogram_is_cumulative() -> None:
    for seconds in (0.001, 0.03, 0.03, 99.0):
        meter.observe(metrics.REQUEST_SECONDS, seconds, "x")

    def bucket(edge: str) -> float | None:
        return value("kobatela_http_request_seconds_bucket", route="x", le=edge)

    assert [bucket(edge) for edge in ("0.005", "0.025", "0.05", "10.0", "+Inf")] == [1, 1, 3, 3, 4]
    assert value("kobatela_http_request_seconds_sum", route="x") == pytest.approx(99.061)


def test_what_several_processes_count_is_added_up() -> None:
    program = (
        "import django; django.setup()\n"
        "from kobatela.kernel import metrics\n"
        "from kobatela.rest import meter\n"
        "meter.count(metrics.TASKS, 'escrow.tasks.x', 'done', by=3)\n"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    meter.count(metrics.TASKS, "escrow.tasks.x", "done")

    assert value("kobatela_tasks_total", task="escrow.tasks.x", outcome="done") == 7


def test_without_redis_what_was_counted_is_kept_and_the_page_still_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meter.count(metrics.TASKS, "kept", "done")
    with monkeypatch.context() as broken:
        broken.setattr("kobatela.rest.meter.redis_client", _no_redis)
        broken.setattr("kobatela.api.metrics.facts.redis_client", _no_redis)
        found = samples()
        assert not any(name == "kobatela_queue_depth" for name, _ in found)
        assert ("kobatela_payout_unknown_oldest_seconds", ()) in found

    assert value("kobatela_tasks_total", task="kept", outcome="done") == 1


def _no_redis() -> Any:
    raise ConnectionError("Redis is down.")


def test_tasks_are_counted_by_their_outcome() -> None:
    @app.task(name="tests.good")
    def good() -> str:
        return request_id()

    @app.task(name="tests.bad")
    def bad() -> None:
        raise ZeroDivisionError

    good()
    with pytest.raises(ZeroDivisionError):
        bad()

    assert value("kobatela_tasks_total", task="tests.good", outcome="done") == 1
    assert value("kobatela_tasks_total", task="tests.bad", outcome="failed") == 1
    assert value("kobatela_task_seconds_count", task="tests.good") == 1


# --- What is looked up ----------------------------------------------------------------------------


def test_machines_payments_alerts_and_queues_are_told() -> None:
    count("ocr.calls", 4)
    count("ocr.errors")
    raise_alert(
        type=AlertType.JOB_LATE, severity=Severity.CRITICAL, subject="job:x", message="Late."
    )
    payment = make_payout()
    sent_at = clock.now() - timedelta(hours=2)
    Payment.objects.filter(pk=payment.pk).update(status="SENT", sent_at=sent_at, psp_key="k")

    found = samples()
    assert found["kobatela_ocr_calls_total", ()] == 4
    assert found["kobatela_ocr_errors_total", ()] == 1
    assert found["kobatela_ai_breaker_open", ()] == 0
    assert found["kobatela_alerts_open", (("severity", "critical"),)] == 1
    assert found["kobatela_alerts_open", (("severity", "info"),)] == 0
    assert found["kobatela_payments_open", (("status", "SENT"),)] == 1
    assert 7190 < found["kobatela_payout_unknown_oldest_seconds", ()] < 7300
    queues = {labels[0][1] for name, labels in found if name == "kobatela_queue_depth"}
    assert queues == set(settings.KOBATELA_QUEUES)


@pytest.mark.parametrize(
    ("status", "result", "failed"),
    [("DONE", {"problems": 0}, 0), ("DONE", {"problems": 2}, 1), ("FAILED", {}, 1), (None, {}, 0)],
)
def test_a_check_of_the_books_that_failed_shows_at_once(
    status: str | None, result: dict[str, int], failed: int
) -> None:
    if status is not None:
        JobRun.objects.create(
            name="ledger_check", owner="a", status=status, started_at=clock.now(), result=result
        )
    # One that still runs says nothing yet.
    JobRun.objects.create(name="ledger_check", owner="b", started_at=clock.now())

    assert value("kobatela_ledger_check_failed") == failed


# --- Rules ----------------------------------------------------------------------------------------


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_metric_of_a_rule_exists() -> None:
    known = {metric.name for metric in all_metrics()}
    for rule in _rules():
        if rule["alert"] == "NotScraped":
            continue  # Prometheus' own metric: ours are missing then.
        named = set(re.findall(r"kobatela_[a-z_]+", rule["expr"]))
        assert named, rule["alert"]
        assert named <= known, rule["alert"]


def test_every_metric_is_on_the_page() -> None:
    Api().get("/health/live")
    meter.count(metrics.TASKS, "x", "done")
    meter.observe(metrics.TASK_SECONDS, 1.0, "x")
    # Jobs are told once the scheduler's table has them.
    optional = {metrics.JOB_AGE.name, metrics.JOB_PERIOD.name}
    shown = {name for name, _ in samples()}

    for metric in all_metrics():
        name = f"{metric.name}_count" if metric.kind is MetricKind.HISTOGRAM else metric.name
        assert name in shown | optional, name


def test_the_thresholds_are_those_that_were_promised() -> None:
    rules = {rule["alert"]: rule for rule in _rules()}
    assert (rules["AdvisorBreakerOpen"]["expr"], rules["AdvisorBreakerOpen"]["for"]) == (
        "kobatela_ai_breaker_open == 1",
        "5m",
    )
    assert "[15m]" in rules["OcrFailing"]["expr"]
    assert rules["OcrFailing"]["expr"].endswith("> 0.10")
    assert rules["PayoutUnknown"]["expr"].endswith("> 3600")
    assert rules["JobLate"]["expr"] == "kobatela_job_age_seconds > 2 * kobatela_job_period_seconds"
    failing = rules["RequestsFail"]["expr"]
    # A share of what is asked, over five minutes; one failure alone wakes nobody.
    assert ("[5m]" in failing, "> 0.01" in failing, failing.endswith(">= 3")) == (True,) * 3
    unread = rules["NotScraped"]
    assert (unread["expr"], unread["for"]) == ('up{job="kobatela"} == 0', "2m")
    assert rules["LedgerCheckFailed"]["expr"].endswith("== 1")
    assert "for" not in rules["LedgerCheckFailed"]


def test_every_runbook_is_a_part_of_the_operations_page() -> None:
    text = Path("docs/operations.md").read_text()
    for rule in _rules():
        assert f"## {rule['annotations']['runbook']}\n" in text


# --- The id of a request goes along ---------------------------------------------------------------


def test_a_task_works_under_the_id_of_the_request_that_rang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "celery.app.task.Task.apply_async", lambda _task, *_args, **options: sent.append(options)
    )

    @app.task(name="tests.ringing")
    def ringing() -> str:
        return request_id()

    with working_for("order-1"):
        ringing.apply_async()
    (options,) = sent
    assert json.loads(json.dumps(options["headers"])) == {"kobatela_request_id": "order-1"}

    ringing.push_request(kobatela_request_id="order-1")
    try:
        assert ringing() == "order-1"
    finally:
        ringing.pop_request()
    assert ringing().startswith("req_")
    with working_for("order-2"):
        assert ringing() == "order-2"
