"""Rates per key and per address, counted together by all processes in Redis.

A process takes permits from the shared counter in small lots and spends them on its own, so a
request rarely waits for Redis. When Redis does not answer, the gate is open.
"""

import logging
import threading
import time
from dataclasses import dataclass, field

import redis
from django.conf import settings
from rest_framework.request import Request

from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.rest.address import client_address
from kobatela.rest.errors import Throttled
from kobatela.rest.redis import client as redis_client

WINDOW_S = 60
_LOTS_PER_WINDOW = 100
_MAX_NAMES = 10_000
_PAUSE_AFTER_FAILURE_S = 5.0
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lot:
    window: int
    left: int
    exhausted: bool = False


@dataclass(slots=True)
class _Permits:
    """What this process holds of the shared counters."""

    lots: dict[str, _Lot] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed_until: float = 0.0

    def take(self, name: str, limit: int) -> int | None:
        """Spend one permit of `name`; the seconds to wait when there is none."""
        moment = clock.now().timestamp()
        window = int(moment // WINDOW_S)
        with self.lock:
            lot = self.lots.get(name)
            if lot is None or lot.window != window:
                lot = self._fresh_lot(name, window)
            if lot.left == 0 and not lot.exhausted:
                self._refill(name, lot, limit)
            if lot.exhausted:
                return max(1, round((window + 1) * WINDOW_S - moment))
            lot.left -= 1
        return None

    def _fresh_lot(self, name: str, window: int) -> _Lot:
        if len(self.lots) >= _MAX_NAMES:
            self.lots = {key: lot for key, lot in self.lots.items() if lot.window == window}
        if len(self.lots) >= _MAX_NAMES:
            self.lots.clear()
        lot = self.lots[name] = _Lot(window, 0)
        return lot

    def _refill(self, name: str, lot: _Lot, limit: int) -> None:
        size = max(1, limit // _LOTS_PER_WINDOW)
        used = self._count(f"kobatela:rate:{name}:{lot.window}", size)
        if used is None:
            lot.left = size
        else:
            lot.left = min(size, limit - (used - size))
            lot.exhausted = lot.left <= 0

    def _count(self, counter: str, size: int) -> int | None:
        if time.monotonic() < self.closed_until:
            return None
        try:
            pipe = redis_client().pipeline(transaction=False)
            pipe.incrby(counter, size)
            pipe.expire(counter, 2 * WINDOW_S)
            used, _ = pipe.execute()
        except (redis.RedisError, OSError):
            self.closed_until = time.monotonic() + _PAUSE_AFTER_FAILURE_S
            _logger.warning("Redis does not answer; requests are not throttled.")
            return None
        return int(used)


_permits = _Permits()


def check_address(request: Request) -> None:
    """Raise Throttled when the caller's address sends more than KOBATELA_THROTTLE_PER_MINUTE."""
    _spend(f"address:{client_address(request)}", settings.KOBATELA_THROTTLE_PER_MINUTE)


def check_key(request: Request) -> None:
    """Raise Throttled when the caller's key is used more than KOBATELA_THROTTLE_PER_MINUTE."""
    if isinstance(request.auth, Caller):
        _spend(f"key:{request.auth.actor}", settings.KOBATELA_THROTTLE_PER_MINUTE)


def count_failure(address: str) -> None:
    """Count a key that was refused; Throttled beyond KOBATELA_THROTTLE_FAILURES_PER_MINUTE.

    Only failing answers are throttled so: a genuine key behind the same address still works.
    """
    _spend(f"failure:{address}", settings.KOBATELA_THROTTLE_FAILURES_PER_MINUTE)


def forget() -> None:
    """Drop what this process holds. For tests."""
    _permits.lots.clear()
    _permits.closed_until = 0.0


def _spend(name: str, limit: int) -> None:
    wait_s = _permits.take(name, limit)
    if wait_s is not None:
        raise Throttled(wait_s)
