"""All metrics in the text that Prometheus reads."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import redis
from django.db import Error
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from kobatela.api.metrics import facts
from kobatela.api.metrics.facts import Sample
from kobatela.kernel import metrics
from kobatela.kernel.metrics import Metric, MetricKind
from kobatela.rest import meter

Found = TypeVar("Found")
_logger = logging.getLogger(__name__)
_COUNTED = (metrics.REQUESTS, metrics.TASKS)
_OBSERVED = (metrics.REQUEST_SECONDS, metrics.TASK_SECONDS)


class _Everything(Collector):
    """Looks at everything anew each time it is asked."""

    def collect(self) -> Iterable[Family]:
        """What was counted and what can be looked up; without what does not answer now."""
        meter.send_now()
        samples = [
            *_if_it_answers(lambda: list(facts.from_database())),
            *_if_it_answers(lambda: list(facts.from_broker())),
            *_if_it_answers(_counted),
        ]
        yield from _families(samples)
        yield from _if_it_answers(lambda: [_histogram(metric) for metric in _OBSERVED])


def exposition() -> bytes:
    """Every metric, as Prometheus reads it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything())
    return generate_latest(registry)


def _if_it_answers(look: Callable[[], list[Found]]) -> list[Found]:
    try:
        return look()
    except (Error, redis.RedisError, OSError):
        _logger.warning("A part of the metrics does not answer", exc_info=True)
        return []


def _counted() -> list[Sample]:
    return [
        Sample(metric, value, labels)
        for metric in _COUNTED
        for labels, value in meter.counted(metric).items()
    ]


def _families(samples: Iterable[Sample]) -> Iterator[Family]:
    by_metric: dict[Metric, list[Sample]] = {}
    for sample in samples:
        by_metric.setdefault(sample.metric, []).append(sample)
    for metric, found in by_metric.items():
        kind = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
        family = kind(metric.name, metric.meaning, labels=metric.labels)
        for sample in found:
            family.add_metric(sample.labels, sample.value)
        yield family


def _histogram(metric: Metric) -> Family:
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for labels, (buckets, total_s) in meter.observed(metric).items():
        family.add_metric(labels, buckets, total_s)
    return family
