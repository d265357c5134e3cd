"""Work that ends at a crash point: in a process of its own, which dies there and is gone."""

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from django.db import connections

from kobatela.kernel import crashpoints
from kobatela.kernel.crashpoints import EXIT_CODE, CrashpointReached, Ending

Die = Callable[[Callable[[], Any]], None]
_RAISED = 3
_MISSED = 4
_BROKE = 5
_MEANINGS = {0: "ended", _MISSED: "never came to the point", _BROKE: "broke before the point"}


def dying_at(name: str, ending: Ending) -> Die:
    """What runs work up to the crash point `name`, where it must end; fails when it does not."""

    def die(work: Callable[[], Any]) -> None:
        # A connection that two processes use would mix up their answers.
        connections.close_all()
        pid = _fork()
        if pid == 0:
            os._exit(_run_armed(work, name, ending))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        wanted = EXIT_CODE if ending is Ending.KILL else _RAISED
        assert code == wanted, f"{name}: the work {_MEANINGS.get(code, code)}"

    return die


def _fork() -> int:
    with warnings.catch_warnings():
        # Newer Pythons warn of threads; ours hold no lock that the child needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _run_armed(work: Callable[[], Any], name: str, ending: Ending) -> int:
    crashpoints.arm(f"{name}:{ending}")
    try:
        work()
    except CrashpointReached:
        return _RAISED
    except BaseException:  # noqa: BLE001 - the parent must hear of anything
        if crashpoints.armed():
            traceback.print_exc(file=sys.stderr)
            return _BROKE
    # A view or a job may have taken the error, and tell of it with one of its own; the point
    # disarmed itself when it raised.
    return _MISSED if crashpoints.armed() else _RAISED
