"""Running the same thing at the same moment in many threads, each with its own connection."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connections


def run_together(functions: Sequence[Callable[[], Any]]) -> list[Any]:
    """Start all functions at once; what each returned, or the exception that it raised."""
    barrier = threading.Barrier(len(functions), timeout=30)
    results: list[Any] = [None] * len(functions)

    def run(index: int, function: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            results[index] = function()
        except Exception as error:  # noqa: BLE001 - handed to the test, which judges it
            results[index] = error
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=run, args=(index, function))
        for index, function in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results
