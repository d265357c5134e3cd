"""All metrics in the text that Prometheus reads."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

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

from kobatela.api.health.probes import ask_database, ask_redis, in_time, result
from kobatela.api.metrics import facts
from kobatela.api.metrics.facts import Sample
from kobatela.kernel import metrics
from kobatela.kernel.metrics import Metric, MetricKind
from kobatela.rest import meter

_COUNTED = (metrics.REQUESTS, metrics.TASKS)
_OBSERVED = (metrics.REQUEST_SECONDS, metrics.TASK_SECONDS)


@dataclass(frozen=True, slots=True)
class _FromRedis:
    """What Redis knows: what waits in its queues, and what all processes counted."""

    samples: Sequence[Sample]
    histograms: Sequence[Family]


class _Everything(Collector):
    """Looks at everything anew each time it is asked."""

    def collect(self) -> Iterable[Family]:
        """What was counted and what can be looked up; without what does not answer in time."""
        database = ask_database(lambda: list(facts.from_database()))
        cache = ask_redis(_from_redis)
        in_time(database, cache)
        counted = result(cache) or _FromRedis((), ())
        yield from _families([*(result(database) or ()), *counted.samples])
        yield from counted.histograms


def exposition() -> bytes:
    """Every metric, as Prometheus reads it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything())
    return generate_latest(registry)


def _from_redis() -> _FromRedis:
    meter.send_now()
    samples = [*facts.from_broker(), *_counted()]
    return _FromRedis(samples, [_histogram(metric) for metric in _OBSERVED])


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
