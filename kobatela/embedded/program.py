"""One process of the stack: started, watched, stopped; it ends when the supervisor ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kobatela.embedded.shared_server import EmbeddedServerError

_GUARDIAN = Path(__file__).with_name("guardian.py")


@dataclass
class Program:
    """A program of the stack.

    log_path: where all that it prints goes, from the beginning at each start.
    is_ready: whether it does its work now; asked repeatedly after the start.
    stop_timeout_s: how long it may take to end after SIGTERM before it is killed.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_path: Path
    is_ready: Callable[[], bool]
    stop_timeout_s: float = 10.0
    is_wanted: bool = field(default=False, init=False)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _is_over: bool = field(default=False, init=False)

    @property
    def pid(self) -> int:
        """Process id. Raises EmbeddedServerError when it was not started."""
        if self._process is None:
            raise EmbeddedServerError(f"{self.name} was not started.")
        return self._process.pid

    def start(self) -> None:
        """Start the program, bound to this process.

        To be called from a thread that lives as long as the stack: for the kernel, a parent is
        the thread that started the child.
        """
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        bound = [sys.executable, "-I", "-S", str(_GUARDIAN), "--bind-to", str(os.getpid()), "--"]
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command comes from our own code
                [*bound, *self.command],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Away from the terminal's Ctrl-C: the supervisor stops things in order.
                start_new_session=True,
            )
        self.is_wanted, self._is_over = True, False

    def exit_code(self) -> int | None:
        """The exit code (negative: killed by that signal); None while it runs."""
        return None if self._process is None else self._process.poll()

    def has_died(self) -> bool:
        """Whether it ended without having been asked to."""
        return self.is_wanted and self.exit_code() is not None

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the program; its own children are its own business."""
        self.is_wanted = False
        if self._process is not None and self.exit_code() is None:
            self._process.terminate()

    def stop(self) -> None:
        """Stop it and everything that it started; returns when all of it has ended."""
        self.ask_to_stop()
        if self._process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self.stop_timeout_s)
        self.kill()

    def kill(self) -> None:
        """Kill the program and all its children (SIGKILL), as a power cut would."""
        self.is_wanted = False
        if self._process is None or self._is_over:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # From now on the number may belong to somebody else.
        self._is_over = True

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it printed."""
        said = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(said.splitlines()[-lines:])

    def wait_until_ready(self, timeout_s: float) -> float:
        """Wait until it does its work; return how long that took, in seconds.

        Raises EmbeddedServerError when it ends instead, or takes longer than `timeout_s`.
        """
        started = time.monotonic()
        while not self.is_ready():
            code = self.exit_code()
            waited_s = time.monotonic() - started
            if code is not None:
                raise EmbeddedServerError(
                    f"{self.name} ended with {describe_exit(code)} while starting:\n"
                    f"{self.log_tail()}"
                )
            if waited_s > timeout_s:
                raise EmbeddedServerError(
                    f"{self.name} was not ready within {timeout_s:g} s; see {self.log_path}:\n"
                    f"{self.log_tail()}"
                )
            time.sleep(0.05)
        return time.monotonic() - started


def describe_exit(code: int) -> str:
    """An exit code in words."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
