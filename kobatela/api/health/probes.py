"""Looking at what the installation stands on. Every probe may take its time; the report may not."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from kobatela.api.hanging import watch
from kobatela.rest.redis import client as redis_client

DEADLINE_S = 1.5
Found = TypeVar("Found")
_logger = logging.getLogger(__name__)
# A probe of something that hangs outlives its report; a few threads bound how many may hang. Each
# has its own: a database that hangs must not let Redis look as if it did.
_database_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="look-database")
_redis_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="look-redis")


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What Redis told."""

    queue_depth: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the probes found in time; None for what did not answer."""

    database: dict[str, Any] | None
    redis: RedisFacts | None


def look(read_database: Callable[[], dict[str, Any]]) -> Seen:
    """Probe the database (with `read_database`, in a thread of its own) and Redis at once."""
    database, cache = ask_database(read_database), ask_redis(_read_redis)
    in_time(database, cache)
    return Seen(database=result(database), redis=result(cache))


def ask_database(read: Callable[[], Found]) -> "Future[Found | None]":
    """Let a thread read from the database, on a connection of its own; None when that fails."""
    return _database_threads.submit(_with_database, read)


def ask_redis(read: Callable[[], Found]) -> "Future[Found | None]":
    """Let a thread read from Redis; None when that fails."""
    return _redis_threads.submit(_with_redis, read)


def in_time(*asked: "Future[Any]") -> None:
    """Wait for all of them, or until the deadline."""
    wait(asked, timeout=DEADLINE_S)


def result(future: "Future[Found | None]") -> Found | None:
    """What was found in time; None for what was not. Raises what the reading was refused with."""
    if not future.done():
        future.cancel()
        return None
    return future.result()


def migrations_status() -> str:
    """`up_to_date`, or `out_of_date` when a migration of the code is not applied."""
    recorder = MigrationRecorder(connection)
    applied = set(recorder.migration_qs.values_list("app", "name"))
    return "up_to_date" if _known_migrations() <= applied else "out_of_date"


@lru_cache(maxsize=1)
def _known_migrations() -> frozenset[tuple[str, str]]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return frozenset(loader.graph.nodes)


def _with_database(read: Callable[[], Found]) -> Found | None:
    if watch.is_away:
        return None
    try:
        return read()
    except Error:
        _logger.warning("The database does not answer", exc_info=True)
        return None
    finally:
        connection.close()


def _with_redis(read: Callable[[], Found]) -> Found | None:
    try:
        return read()
    except (redis.RedisError, OSError):
        _logger.warning("Redis does not answer", exc_info=True)
        return None


def _read_redis() -> RedisFacts:
    pipe = redis_client().pipeline(transaction=False)
    for queue in settings.KOBATELA_QUEUES:
        pipe.llen(queue)
    return RedisFacts(queue_depth=sum(pipe.execute()))
