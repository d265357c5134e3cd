"""Where the locks of jobs live: in the database, or in Redis.

Both are safe to call from any process at any time, and both judge by the clock of the process that
asks: a lock whose time is over belongs to whoever takes it next.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Protocol

import redis
from django.conf import settings
from django.db import transaction

from audit.models import JobLock
from kobatela.kernel import clock
from kobatela.rest.redis import client as redis_client

_PREFIX = "kobatela:joblock:"
# In one step, because between a look and a write another process would write too.
_ACQUIRE = """
local owner = redis.call('HGET', KEYS[1], 'owner') or ''
local expires_at = tonumber(redis.call('HGET', KEYS[1], 'expires_at') or '0')
if owner ~= '' and expires_at > tonumber(ARGV[2]) then return false end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'expires_at', ARGV[3])
return owner
"""
_REFRESH = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'expires_at', ARGV[2])
return 1
"""
_RELEASE = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""


class LockBackend(Protocol):
    """Where locks live. Every method is safe to call from any process at any time."""

    def acquire(self, name: str, owner: str) -> str | None:
        """Take the lock; the former owner whose lock ran out, "" if it was free, None if held."""

    def refresh(self, name: str, owner: str) -> bool:
        """Hold it for another period; False when it is no longer the owner's."""

    def release(self, name: str, owner: str) -> bool:
        """Give it back; False when it was no longer the owner's."""

    def undo(self, name: str, owner: str) -> None:
        """The transaction in which it was taken was rolled back: free it if that did not."""


def lock_backend() -> LockBackend:
    """The backend of KOBATELA_JOB_LOCK_BACKEND."""
    hold = timedelta(seconds=settings.JOB_LOCK_HOLD_S)
    if settings.KOBATELA_JOB_LOCK_BACKEND == "redis":
        return RedisLocks(hold)
    return DatabaseLocks(hold)


class DatabaseLocks:
    """Locks as rows, safe because a row is updated by one transaction at a time."""

    def __init__(self, hold: timedelta) -> None:
        self._hold = hold

    def acquire(self, name: str, owner: str) -> str | None:
        """See LockBackend."""
        now = clock.now()
        JobLock.objects.bulk_create([JobLock(name=name, owner="")], ignore_conflicts=True)
        with transaction.atomic():
            lock = JobLock.objects.select_for_update().get(pk=name)
            if lock.owner and lock.expires_at is not None and lock.expires_at > now:
                return None
            former = lock.owner
            lock.owner = owner
            lock.acquired_at = lock.heartbeat_at = now
            lock.expires_at = now + self._hold
            lock.save(update_fields=["owner", "acquired_at", "heartbeat_at", "expires_at"])
        return former

    def refresh(self, name: str, owner: str) -> bool:
        """See LockBackend."""
        now = clock.now()
        held = JobLock.objects.filter(pk=name, owner=owner)
        return held.update(heartbeat_at=now, expires_at=now + self._hold) == 1

    def release(self, name: str, owner: str) -> bool:
        """See LockBackend."""
        held = JobLock.objects.filter(pk=name, owner=owner)
        return held.update(owner="", expires_at=None) == 1

    def undo(self, name: str, owner: str) -> None:
        """See LockBackend. The row was rolled back with the rest."""


class RedisLocks:
    """Locks in Redis; the rows are written too, so that health and the console see who runs what.

    A heartbeat that Redis does not answer counts as lost: whoever cannot be sure stops.
    """

    def __init__(self, hold: timedelta) -> None:
        self._hold = hold

    def acquire(self, name: str, owner: str) -> str | None:
        """See LockBackend. Raises Redis' errors: without it no job begins."""
        now = clock.now()
        former = _run(_ACQUIRE, name, owner, _seconds(now), _seconds(now + self._hold))
        if former is None:
            return None
        JobLock.objects.update_or_create(
            name=name,
            defaults={
                "owner": owner,
                "acquired_at": now,
                "heartbeat_at": now,
                "expires_at": now + self._hold,
            },
        )
        return str(former.decode())

    def refresh(self, name: str, owner: str) -> bool:
        """See LockBackend."""
        now = clock.now()
        try:
            is_kept = bool(_run(_REFRESH, name, owner, _seconds(now + self._hold)))
        except (redis.RedisError, OSError):
            return False
        if is_kept:
            held = JobLock.objects.filter(pk=name, owner=owner)
            held.update(heartbeat_at=now, expires_at=now + self._hold)
        return is_kept

    def release(self, name: str, owner: str) -> bool:
        """See LockBackend."""
        try:
            was_held = bool(_run(_RELEASE, name, owner))
        except (redis.RedisError, OSError):
            return False
        JobLock.objects.filter(pk=name, owner=owner).update(owner="", expires_at=None)
        return was_held

    def undo(self, name: str, owner: str) -> None:
        """See LockBackend."""
        with suppress(redis.RedisError, OSError):
            _run(_RELEASE, name, owner)


def _run(script: str, name: str, *arguments: str) -> Any:
    return redis_client().register_script(script)(keys=[f"{_PREFIX}{name}"], args=list(arguments))


def _seconds(moment: datetime) -> str:
    return f"{moment.timestamp():.6f}"
