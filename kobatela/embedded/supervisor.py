"""What `make up` runs: the whole stack, until Ctrl-C, SIGTERM, or the death of one of it."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from kobatela.embedded.endpoints import var_dir
from kobatela.embedded.shared_server import EmbeddedServerError
from kobatela.embedded.stack import Stack


@contextmanager
def stop_signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the block as Ctrl-C does (KeyboardInterrupt)."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        # One is enough: a second must not cut the stopping short and leave something behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def announce(stack: Stack) -> None:
    """Tell where things are and how to get in."""
    admin = stack.credentials["admin"]
    stack.say(f"API       {stack.base_url}   (pages: /docs)")
    stack.say(f"console   {stack.base_url}/admin/   {admin['username']} / {admin['password']}")
    stack.say(f"keys      {stack.credentials_path}")
    stack.say(f"logs      {stack.log_dir}")
    stack.say("Ctrl-C stops everything.")


def run(var: Path) -> int:
    """Run the stack until it is to stop; return the exit code of that."""
    with stop_signals_interrupt():
        try:
            with Stack(var) as stack:
                announce(stack)
                return stack.wait()
        except KeyboardInterrupt:
            return 0
        except EmbeddedServerError as error:
            sys.stderr.write(f"{error}\n")
            return 1


if __name__ == "__main__":
    sys.exit(run(var_dir()))
