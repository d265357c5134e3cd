"""One command that waits for another, on real connections and without sleeping for luck."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic, sleep
from typing import TypeVar

from django.db import connection, transaction

Result = TypeVar("Result")
_PATIENCE_S = 20
_WAITS_FOR_ME = """
    SELECT EXISTS (SELECT FROM pg_locks
                    WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))
"""


def while_it_waits(
    act: Callable[[], Result],
    *,
    holding: Callable[[], object],
    then: Callable[[], object] = lambda: None,
) -> Result:
    """What `act` gives that began while `holding` was done and not committed.

    Once it waits for that, or has ended because it waits for nothing, `then` is done and committed
    on a connection of its own; after that `holding` is committed.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        with transaction.atomic():
            holding()
            waiting = pool.submit(_alone, act)
            _until_it_waits(waiting)
            pool.submit(_alone, then).result()
        return waiting.result()


def _alone(act: Callable[[], Result]) -> Result:
    try:
        return act()
    finally:
        connection.close()


def _until_it_waits(waiting: Future[Result]) -> None:
    until = monotonic() + _PATIENCE_S
    while not waiting.done():
        with connection.cursor() as cursor:
            cursor.execute(_WAITS_FOR_ME)
            (is_waiting,) = cursor.fetchone()
        if is_waiting:
            return
        assert monotonic() < until, "it neither waits nor ends"
        sleep(0.005)
