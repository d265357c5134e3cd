"""A server that all processes of one checkout share, started by whoever comes first.

Three lock files under `var/run` carry it, all dropped by the kernel when their holder dies:
`NAME.start` (one starter at a time), `NAME.lease` (shared, by everybody who uses the server)
and `NAME.alive` (by the guardian and the server, so it is free only when both are gone).
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from kobatela.embedded.file_lock import FileLock, is_held

_GUARDIAN = Path(__file__).with_name("guardian.py")
_POLL_S = 0.01
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 40.0
_START_ATTEMPTS = 3
_LOG_BYTES_MAX = 10_000_000


class EmbeddedServerError(RuntimeError):
    """An embedded server could not be started or is not running; the message says why."""


@dataclass(frozen=True)
class ServerState:
    """What the starter of a server leaves for those who come later."""

    pid: int
    port: int


@dataclass(frozen=True)
class Launch:
    """How to start a server once."""

    command: Sequence[str]
    port: int
    ready_pid: Callable[[], int | None]  # the server's process id, once it answers
    user: str = ""  # the system account to run as; empty: our own


class SharedServer:
    """This process's hold on a server that the checkout shares."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, var: Path) -> None:
        self.var = var.resolve()
        self.log_path = self.var / "logs" / f"{self.name}.log"
        self._run_dir = self.var / "run"
        for directory in (self._run_dir, self.log_path.parent):
            directory.mkdir(parents=True, exist_ok=True)
        self._lease = FileLock(self._run_dir / f"{self.name}.lease", shared=True)
        self._alive_path = self._run_dir / f"{self.name}.alive"
        self._state_path = self._run_dir / f"{self.name}.json"

    def launch(self, last_port: int | None) -> Launch:
        """Prepare files and say how to start; all other starters are kept out meanwhile."""
        raise NotImplementedError

    def finish_start(self, port: int) -> None:
        """Do what the first start needs once the server answers."""

    @property
    def pid(self) -> int:
        """Process id of the server itself. Raises EmbeddedServerError when it does not run."""
        return self._state().pid

    @property
    def port(self) -> int:
        """TCP port on 127.0.0.1. Raises EmbeddedServerError when the server does not run."""
        return self._state().port

    def is_running(self) -> bool:
        """Whether the server or its guardian is alive."""
        return is_held(self._alive_path)

    def exit_code(self) -> int | None:
        """How the last run of the server ended; None when its end was never seen."""
        path = self._run_dir / f"{self.name}.exit"
        return int(path.read_text()) if path.exists() else None

    def start(self) -> None:
        """Use the running server of this checkout, or start it.

        Raises EmbeddedServerError when the server does not come up.
        """
        self._lease.acquire()
        try:
            with FileLock(self._run_dir / f"{self.name}.start", timeout_s=2 * _START_TIMEOUT_S):
                if not self._answers():
                    self._start_anew()
        except BaseException:
            self._lease.release()
            raise

    def release(self) -> None:
        """Say that this process needs the server no longer; the last to say so stops it.

        Returns when the server has ended, or as soon as it is known that others still use it.
        """
        self._lease.release()
        give_up_at = time.monotonic() + _STOP_TIMEOUT_S
        while self.is_running() and not self._others_use_it() and time.monotonic() < give_up_at:
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop the server now, also for everybody else who uses it."""
        if self.is_running():
            with suppress(ProcessLookupError):  # killed a moment ago
                os.kill(self.pid, self.stop_signal)
        FileLock(self._alive_path, timeout_s=_STOP_TIMEOUT_S).acquire().release()
        self._lease.release()

    def kill(self) -> None:
        """Kill the server without warning (SIGKILL), as a crash would; returns when it is dead."""
        pid = self.pid
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            while True:
                os.kill(pid, 0)
                time.sleep(_POLL_S)

    def _state(self) -> ServerState:
        state = self._last_state()
        if state is None or not self.is_running():
            raise EmbeddedServerError(f"The embedded {self.name} of {self.var} is not running.")
        return state

    def _last_state(self) -> ServerState | None:
        try:
            return ServerState(**json.loads(self._state_path.read_text()))
        except FileNotFoundError:
            return None

    def _others_use_it(self) -> bool:
        if not is_held(self._lease.path, by_anybody=True):
            return False  # nobody; the guardian has not woken up yet
        return not is_held(self._lease.path)  # an exclusive holder is the guardian, stopping

    def _answers(self) -> bool:
        state = self._last_state()
        if state is None or not self.is_running():
            return False
        try:
            socket.create_connection(("127.0.0.1", state.port), timeout=5).close()
        except OSError:
            return False
        return True

    def _start_anew(self) -> None:
        last = self._last_state()
        state, said = self._try_to_start(last.port if last else None)
        attempts = 1
        while state is None and "Address already in use" in said and attempts < _START_ATTEMPTS:
            state, said = self._try_to_start(None)
            attempts += 1
        if state is None:
            raise EmbeddedServerError(f"The embedded {self.name} did not start:\n{said}")
        self.finish_start(state.port)
        scratch = self._state_path.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(state)))
        scratch.replace(self._state_path)

    def _try_to_start(self, port: int | None) -> tuple[ServerState | None, str]:
        """Start once: the state if it became ready, and what it printed."""
        # A server whose guardian was killed may still be going down.
        alive = FileLock(self._alive_path, timeout_s=_STOP_TIMEOUT_S).acquire()
        try:
            launch = self.launch(port)
            log_start = self._spawn_guardian(launch, alive)
        finally:
            alive.release()
        pid = self._wait_until_ready(launch)
        said = self.log_path.read_bytes()[log_start:].decode(errors="replace").strip()
        return (None if pid is None else ServerState(pid, launch.port)), said

    def _spawn_guardian(self, launch: Launch, alive: FileLock) -> int:
        """Start the guardian, which starts the server; return where its log begins."""
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_BYTES_MAX:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        options = {
            "--lease": str(self._lease.path),
            "--alive-descriptor": str(alive.descriptor),
            "--stop-signal": self.stop_signal.name,
            "--user": launch.user,
        }
        arguments = [word for option in options.items() for word in option]
        with self.log_path.open("ab") as log:
            log_start = log.tell()
            # Returns at once: the guardian leaves us for a life of its own.
            subprocess.run(  # noqa: S603 - the command comes from our own code
                [sys.executable, "-I", "-S", str(_GUARDIAN), *arguments, "--", *launch.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[alive.descriptor],
                start_new_session=True,
                check=True,
            )
        return log_start

    def _wait_until_ready(self, launch: Launch) -> int | None:
        """The process id of the ready server, or None when it ended instead."""
        give_up_at = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < give_up_at:
            pid = launch.ready_pid()
            if pid is not None:
                return pid
            if not self.is_running():
                return None
            time.sleep(_POLL_S)
        raise EmbeddedServerError(
            f"The embedded {self.name} was not ready within {_START_TIMEOUT_S:g} s; "
            f"see {self.log_path}."
        )
