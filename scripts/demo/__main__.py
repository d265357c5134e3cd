"""Starts everything, plays the main journey through the API, and stays until Ctrl-C.

`DEMO_EXIT=1` stops everything at the end. The exit code is 0 only if every step held.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from kobatela.embedded.endpoints import var_dir
from kobatela.embedded.shared_server import EmbeddedServerError
from kobatela.embedded.stack import Stack
from kobatela.embedded.supervisor import stop_signals_interrupt
from kobatela.embedded.terminal import Terminal
from scripts.demo.books import check_the_audit_trail, check_the_ledger
from scripts.demo.client import Client
from scripts.demo.display import Display, StepFailed
from scripts.demo.story import STEPS, Journey

_OPENING = "The house opens: database, broker, web, worker, scheduler, payment provider"
_CLOSING: tuple[tuple[str, Callable[[Journey], None]], ...] = (
    ("The books are checked", check_the_ledger),
    ("The audit trail is checked", check_the_audit_trail),
)
_INTERRUPTED = 130


class _StackOnDisplay(Terminal):
    """What the stack says while it starts, as the line that shows what is being waited for."""

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def say(self, _name: str, line: str) -> None:
        """Show one line until the next one comes."""
        self._display.waiting(line)


def main() -> int:
    """Play the demo; the exit code."""
    display = Display(total=1 + len(STEPS) + len(_CLOSING))
    display.title("Kobatela: money is held until there is proof.")
    with stop_signals_interrupt():
        try:
            return _play(display, var_dir())
        except KeyboardInterrupt:
            return 0 if display.done == display.total else _INTERRUPTED
        except (StepFailed, EmbeddedServerError, httpx.HTTPError) as error:
            display.block(f"The demo has failed: {error}")
            return 1


def _play(display: Display, var: Path) -> int:
    stack = Stack(var, terminal=_StackOnDisplay(display), shows_logs=False)
    try:
        with display.step(_OPENING):
            stack.start()
            display.fact("API", stack.base_url)
            display.fact("payment provider", f"{stack.psp_url} (a local stand-in)")
            display.fact("logs", stack.log_dir)
        _tell(display, stack)
        display.block(_what_to_look_at(stack))
        if os.environ.get("DEMO_EXIT") == "1":
            return 0
        display.block("Everything keeps running. Ctrl-C stops it.")
        code = stack.wait()
        display.block(f"{stack.death}.")
        return code
    finally:
        display.waiting("stopping everything")
        stack.stop()
        display.block("Everything is stopped.")


def _tell(display: Display, stack: Stack) -> None:
    keys = stack.credentials["keys"]
    journey = Journey(
        credentials=stack.credentials,
        var=stack.var,
        display=display,
        admin=Client(stack.base_url, keys["admin"]),
        support=Client(stack.base_url, keys["support"]),
    )
    for sentence, play in (*STEPS, *_CLOSING):
        with display.step(sentence):
            play(journey)
            if stack.death is not None:
                raise StepFailed(stack.death)


def _what_to_look_at(stack: Stack) -> str:
    admin = stack.credentials["admin"]
    return "\n".join(
        (
            f"Every step held.\n\n  console   {stack.base_url}/admin/",
            f"  login     {admin['username']} / {admin['password']}",
            f"  API       {stack.base_url}/docs",
            f"  keys      {stack.credentials_path}\n",
            "Look at the review queue: the invoice waits there for your decision, beside what was",
            "read. Then at the escrow and its payments, and at the audit entries that tell why",
            "each of them left.\n",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
