"""A database that hangs keeps no thread of the web; one that is only slow is left in peace."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from unittest.mock import patch

import psycopg
import pytest
from django.db import connection

from kobatela.api import hanging, middleware
from kobatela.api.hanging import Watch, WatchedConnection
from kobatela.api.health import probes
from kobatela.rest.tests.client import Api

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE_S = 2
QUERY = "SELECT pg_sleep(%s)"


@pytest.fixture
def silence() -> Iterator[threading.Event]:
    """While it is not set, the database gives no answer to the watch."""
    answers = threading.Event()
    yield answers
    answers.set()


def the_watch(silence: threading.Event) -> Watch:
    """Asks something that answers once, then hangs as a database would, until `silence` is set."""
    asked = count()

    def ask() -> None:
        if next(asked):
            silence.wait()

    return Watch(ask, is_on=True)


def wait_until_away(watch: Watch, *, is_away: bool) -> None:
    end = time.monotonic() + 5
    while watch.is_away is not is_away:
        assert time.monotonic() < end
        time.sleep(0.01)


def sleep_in_database(watch: Watch, seconds: float) -> float:
    """Ask as a request does; after how long it was over. Raises psycopg.OperationalError."""
    params = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    login = {name: params[name] for name in names if name in params}
    with WatchedConnection.connect(**login, autocommit=True) as line:
        started = time.monotonic()
        with watch.request():
            line.execute(QUERY, [seconds])
        return time.monotonic() - started


def test_requests_that_wait_for_a_hanging_database_are_let_go(silence: threading.Event) -> None:
    watch = the_watch(silence)
    with patch.object(hanging, "watch", watch), ThreadPoolExecutor(8) as threads:
        started = time.monotonic()
        asked = [threads.submit(sleep_in_database, watch, 4) for _ in range(8)]
        errors = [future.exception() for future in asked]
        assert time.monotonic() - started < AT_ONCE_S
    assert all(isinstance(error, psycopg.OperationalError) for error in errors)
    assert watch.is_away


def test_a_request_that_only_takes_long_is_never_cut(silence: threading.Event) -> None:
    silence.set()
    watch = the_watch(silence)
    with patch.object(hanging, "watch", watch):
        assert sleep_in_database(watch, 1.3) >= 1.3
    assert not watch.is_away


def test_while_the_database_is_away_requests_fail_at_once_and_health_tells(
    silence: threading.Event,
) -> None:
    watch = the_watch(silence)
    with (
        patch.object(middleware, "watch", watch),
        patch.object(probes, "watch", watch),
        patch.object(hanging, "ANSWER_S", 0.0),
    ):
        with watch.request():
            wait_until_away(watch, is_away=True)
        refused = Api().get("/escrows")
        told = Api().get("/health")
        assert (refused.status, refused.code) == (503, "DATABASE_UNAVAILABLE")
        assert refused.headers["Retry-After"] == "5"
        assert (told.status, told.json["db_status"]) == (200, "error")
        assert Api().get("/health/live").status == 200

        silence.set()
        wait_until_away(watch, is_away=False)
        assert Api().get("/escrows").status == 401
