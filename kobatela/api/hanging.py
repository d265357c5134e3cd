"""Whether the database hangs. Then requests are refused at once, and those that wait are let go.

A database that hangs says nothing: no timeout of its own runs, its connections stay open, and every
request that asks it keeps a thread of the web until none is left for health. So while a request
takes long, one thread asks the database the shortest of questions on a connection of its own. One
that answers may take its time over a lock or a large page; from one that does not, all connections
are cut, and nothing new is asked until it answers again.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from itertools import count
from threading import Event, Lock, Thread
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections

# A request is slow after this, which by itself is no reason for anything but the question.
SLOW_S = 0.3
# No answer to the shortest question for so long: it hangs. With SLOW_S this leaves health its time.
ANSWER_S = 0.8
_PERIOD_S = 0.1
# How long a request waits for a connection: the pool may not keep threads that health needs.
POOL_TIMEOUT_S = 1.5
_CONNECT_TIMEOUT_S = 2
_logger = logging.getLogger(__name__)


class Watch:
    """Looks after the database while requests run. ask: returns if it answers, else raises
    psycopg.Error or hangs. is_on: off, it only keeps count."""

    def __init__(self, ask: Callable[[], None], *, is_on: bool) -> None:
        self._ask = ask
        self.is_on = is_on
        self._lock = Lock()
        self._numbers = count()
        self._running: dict[int, float] = {}
        self._waiting: dict[int, psycopg.Connection[Any]] = {}
        self._started = 0
        self._away = Event()
        self._asker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ask-database")
        self._asked: tuple[float, Future[None]] | None = None

    @property
    def is_away(self) -> bool:
        """Whether the database did not answer when it was asked last."""
        return self._away.is_set()

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request runs, which may be slow."""
        number = next(self._numbers)
        self._start()
        self._running[number] = time.monotonic()
        try:
            yield
        finally:
            del self._running[number]

    @contextmanager
    def wait(self, connection: psycopg.Connection[Any]) -> Iterator[None]:
        """A connection waits for the database, until it answers or is cut."""
        number = next(self._numbers)
        self._waiting[number] = connection
        try:
            yield
        finally:
            # Under the lock: what is cut must not be closed, and its number reused, meanwhile.
            with self._lock:
                del self._waiting[number]

    def look(self) -> None:
        """One round: ask if there is a reason, and judge what was answered."""
        now = time.monotonic()
        if self._asked is None:
            if self.is_away or any(now - began > SLOW_S for began in list(self._running.values())):
                self._asked = now, self._asker.submit(self._ask)
            return
        began, answer = self._asked
        if answer.done():
            self._asked = None
            error = answer.exception()
            self._judge(None if error is None else str(error))
        elif now - began > ANSWER_S:
            self._judge("no answer")

    def _judge(self, problem: str | None) -> None:
        if problem is None:
            if self.is_away:
                _logger.warning("The database answers again")
            self._away.clear()
            return
        if not self.is_away:
            _logger.error("The database is away: %s", problem)
        self._away.set()
        self._cut()

    def _cut(self) -> None:
        """Whoever waits is told by the closed connection, as if the database had gone."""
        with self._lock:
            for connection in list(self._waiting.values()):
                with (
                    suppress(OSError, psycopg.Error),
                    socket.socket(fileno=os.dup(connection.fileno())) as line,
                ):
                    line.shutdown(socket.SHUT_RDWR)

    def _start(self) -> None:
        # With the first request, so in the process that serves it and in none that was its parent.
        if not self.is_on or self._started:
            return
        with self._lock:
            self._started += 1
            is_first = self._started == 1
        if is_first:
            Thread(target=self._run, name="watch-database", daemon=True).start()

    def _run(self) -> None:
        # The first question opens the connection, before anything is slow. A process that is only
        # starting may take longer over it, which says nothing of the database.
        first = self._asker.submit(self._ask)
        wait([first], timeout=_CONNECT_TIMEOUT_S)
        self._asked = time.monotonic(), first
        while True:
            time.sleep(_PERIOD_S)
            self.look()


class _Question:
    """The shortest question, on a connection that is kept."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None

    def __call__(self) -> None:
        """Raises psycopg.Error."""
        try:
            if self._connection is None:
                params = {
                    name: value
                    for name, value in connections["default"].get_connection_params().items()
                    if name in {"dbname", "user", "password", "host", "port", "sslmode"}
                }
                self._connection = psycopg.connect(
                    **params, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S
                )
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            raise


# On only where requests are answered.
watch = Watch(_Question(), is_on=False)


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that is cut when the database hangs."""

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """As psycopg's own."""
        with watch.wait(self):
            return super().wait(*args, **kwargs)


def fail_fast() -> None:
    """Let this process, which answers requests, wait for no database that hangs. Workers wait."""
    watch.is_on = True
    for alias in settings.DATABASES.keys() & {"default", "apart"}:
        pool = connections.settings[alias]["OPTIONS"].get("pool")
        if pool:
            pool |= {"connection_class": WatchedConnection, "timeout": POOL_TIMEOUT_S}
