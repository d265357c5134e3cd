"""Counting what happens in every process, added up in Redis.

Several web workers and Celery's children each see a part; what they count is gathered here and
sent at most once a second, from a thread of its own, so that no request waits for it. What cannot
be sent is kept for the next time. A process that is killed loses its last second.
"""

import atexit
import json
import logging
import os
import threading
from collections.abc import Mapping
from functools import lru_cache

import redis

from kobatela.kernel.metrics import Metric
from kobatela.rest.redis import client as redis_client

_KEY = "kobatela:metrics"
_SEND_AFTER_S = 1.0
# Labels have few values; whatever makes more than this is a mistake and must not fill Redis.
_MAX_SERIES = 5_000
_logger = logging.getLogger(__name__)

Series = tuple[str, str]


class _Meter:
    """What this process has counted and not yet sent."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start with nothing: a forked child must not send what its parent counted."""
        self.lock = threading.Lock()
        self.waiting: dict[Series, float] = {}
        self.timer: threading.Timer | None = None

    def add(self, changes: Mapping[Series, float]) -> None:
        """Count, and see to it that it is sent within a second."""
        with self.lock:
            for series, by in changes.items():
                if series in self.waiting or len(self.waiting) < _MAX_SERIES:
                    self.waiting[series] = self.waiting.get(series, 0.0) + by
            if self.timer is None:
                self.timer = threading.Timer(_SEND_AFTER_S, self.send)
                self.timer.daemon = True
                self.timer.start()

    def send(self) -> None:
        """Add what was counted to what all processes counted."""
        with self.lock:
            sending, self.waiting, self.timer = self.waiting, {}, None
        if not sending:
            return
        try:
            pipe = redis_client().pipeline(transaction=False)
            for (name, labels), by in sending.items():
                pipe.hincrbyfloat(f"{_KEY}:{name}", labels, by)
            pipe.execute()
        except (redis.RedisError, OSError):
            # Counted again with what comes next. A pipe that broke halfway counts some twice,
            # which figures for people bear better than a gap.
            with self.lock:
                for series, by in sending.items():
                    self.waiting[series] = self.waiting.get(series, 0.0) + by


_meter = _Meter()
os.register_at_fork(after_in_child=_meter.begin)
atexit.register(_meter.send)


def count(metric: Metric, *labels: str, by: float = 1.0) -> None:
    """Count `by` more, under the values of the metric's labels in their order."""
    _meter.add({(metric.name, _packed(labels)): by})


def observe(metric: Metric, seconds: float, *labels: str) -> None:
    """Put one duration into a histogram: its bucket, the sum and the count."""
    packed = _packed(labels)
    bucket = next((str(edge) for edge in metric.buckets_s if seconds <= edge), "+Inf")
    _meter.add(
        {
            (f"{metric.name}:bucket", _packed((*labels, bucket))): 1.0,
            (f"{metric.name}:sum", packed): seconds,
        }
    )


def send_now() -> None:
    """Send what this process has counted; before somebody looks."""
    _meter.send()


def counted(metric: Metric) -> dict[tuple[str, ...], float]:
    """What all processes counted, by the values of the labels. Raises Redis' errors."""
    return _read(metric.name)


def observed(metric: Metric) -> dict[tuple[str, ...], tuple[list[tuple[str, float]], float]]:
    """Each histogram by its labels: cumulative buckets as (edge, count), and the sum of seconds.

    Raises Redis' errors.
    """
    sums = _read(f"{metric.name}:sum")
    buckets = _read(f"{metric.name}:bucket")
    edges = [*(str(edge) for edge in metric.buckets_s), "+Inf"]
    found = {}
    for labels, total in sums.items():
        running, cumulative = 0.0, []
        for edge in edges:
            running += buckets.get((*labels, edge), 0.0)
            cumulative.append((edge, running))
        found[labels] = (cumulative, total)
    return found


def forget() -> None:
    """Drop what this process and all others counted. For tests."""
    _meter.begin()
    keys = list(redis_client().scan_iter(match=f"{_KEY}:*"))
    if keys:
        redis_client().delete(*keys)


def _read(name: str) -> dict[tuple[str, ...], float]:
    stored: dict[bytes, bytes] = redis_client().hgetall(f"{_KEY}:{name}")  # type: ignore[assignment]  # the client is not asynchronous
    return {tuple(json.loads(labels)): float(value) for labels, value in stored.items()}


@lru_cache(maxsize=_MAX_SERIES)
def _packed(labels: tuple[str, ...]) -> str:
    # The same few are packed at every request.
    return json.dumps(labels)
