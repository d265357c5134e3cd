"""Running things at the same time, each on a database connection of its own."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection

Result = TypeVar("Result")
IS_SOAK = os.environ.get("KOBATELA_TEST_SCALE") == "soak"


def side_by_side(actions: Sequence[Callable[[], Result]]) -> list[Result]:
    """Start every action at the same moment; their results in order. The first error is raised."""
    start = Barrier(len(actions))

    def run(action: Callable[[], Result]) -> Result:
        try:
            start.wait(timeout=30)
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=len(actions)) as pool:
        return [future.result() for future in [pool.submit(run, action) for action in actions]]
