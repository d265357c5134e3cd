"""The web's connection to Redis: quick to give up, since nothing there is worth a wait."""

from functools import lru_cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@lru_cache(maxsize=1)
def client() -> "redis.Redis":
    """The client of this process; a command fails after a quarter of a second."""
    found: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=0.25,
        socket_connect_timeout=0.25,
        retry=Retry(NoBackoff(), 0),
    )
    return found
