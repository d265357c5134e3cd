"""Named places at which a test lets this process die, before and after what must not be torn apart.

    with transaction.atomic():
        …
        crashpoint("payment.outcome_written")
    crashpoint("payment.recorded")

Each name stands in one place, and a test fails for a name that it does not try. Where nobody has
armed one, a point costs a comparison; production refuses to start with one armed (rest.E002).
"""

import os
from enum import StrEnum

VARIABLE = "KOBATELA_CRASHPOINT"
# What a shell reports of a process that was killed with SIGKILL.
EXIT_CODE = 137


class Ending(StrEnum):
    """KILL: the process ends as by SIGKILL. RAISE: an error that nothing foresees, once."""

    KILL = "kill"
    RAISE = "raise"


class CrashpointReached(Exception):
    """The error of a point that is armed to raise."""


_armed = ""
_ending = Ending.KILL


def crashpoint(name: str) -> None:
    """Go on; or end here, when a test has armed this point."""
    if name != _armed:
        return
    if _ending is Ending.KILL:
        # No handler, no flush, no rollback: whoever is connected sees the connection break.
        os._exit(EXIT_CODE)
    arm("")
    raise CrashpointReached(name)


def arm(text: str) -> None:
    """Arm one point: `name` or `name:raise`; "" disarms. For tests. Raises ValueError."""
    global _armed, _ending  # noqa: PLW0603 - one point per process
    name, _, ending = text.partition(":")
    _ending = Ending(ending or Ending.KILL)
    _armed = name


def armed() -> str:
    """The point that is armed, "" for none."""
    return _armed


arm(os.environ.get(VARIABLE) or "")
