"""The whole installation with a faulty line to its PSP; made to be killed part by part."""

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis

from kobatela.embedded.ports import free_port
from kobatela.embedded.program import Program
from kobatela.embedded.stack import Stack
from kobatela.embedded.terminal import Terminal
from tests.chaos.broken_builds import VARIABLE
from tests.chaos.proxy import FaultyProxy

# Short, so that what a dead process left behind is due again within seconds; in the same order as
# in production: the PSP answers within a lease, a lease ends within the hold of a job.
_HURRY = {
    "KOBATELA_PSP_TIMEOUT_S": "2",
    "KOBATELA_PAYMENT_LEASE_S": "4",
    "KOBATELA_JOB_LOCK_HOLD_S": "6",
    "KOBATELA_THROTTLE_PER_MINUTE": "100000000",
    "KOBATELA_THROTTLE_FAILURES_PER_MINUTE": "100000000",
    "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
    "LOG_LEVEL": "WARNING",
}
_READY_TIMEOUT_S = 120.0


class _Silent(Terminal):
    def say(self, _name: str, _line: str) -> None:
        """Nothing: the report speaks."""


class Installation(Stack):
    """A stack whose parts are killed and started again, from the thread that started it."""

    def __init__(self, var: Path, chance: random.Random, environment: Mapping[str, str]) -> None:
        super().__init__(
            var,
            environment=_HURRY | dict(environment),
            port=free_port(),
            terminal=_Silent(),
            shows_logs=False,
            stops_all_when_one_dies=False,
        )
        self._chance = chance
        self._psp_own_port = free_port()
        self.proxy: FaultyProxy | None = None
        self.kills: Counter[str] = Counter()
        self.histories = self.log_dir / "history"

    @property
    def psp_direct_url(self) -> str:
        """The PSP's own address, where nothing fails."""
        return f"http://127.0.0.1:{self._psp_own_port}"

    @property
    def mortals(self) -> list[str]:
        """The programs that die; the PSP stands for somebody else's."""
        return [name for name in self._programs if name != "psp"]

    @property
    def line(self) -> FaultyProxy:
        """The line to the PSP."""
        assert self.proxy is not None, "the installation runs"
        return self.proxy

    def stop(self) -> None:
        """See Stack; the line goes too."""
        if self.proxy is not None:
            self.proxy.close()
        super().stop()

    def is_ready(self, name: str) -> bool:
        """Whether a program does its work."""
        program = self.program(name)
        return program.is_wanted and program.exit_code() is None and program.is_ready()

    def kill_program(self, name: str) -> None:
        """Kill a program with all its children."""
        self.program(name).kill()
        self.kills[name] += 1

    def kill_child(self, name: str) -> bool:
        """Kill one of the processes that a program forked; False when it has none now."""
        pid = self.program(name).pid
        try:
            listing = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            children = [int(child) for child in listing.split()]
            os.kill(self._chance.choice(children), signal.SIGKILL)
        except (OSError, IndexError):
            return False
        self.kills[f"{name} child"] += 1
        return True

    def restart(self, name: str) -> None:
        """Start a program again; what it printed so far is kept in `histories`."""
        program = self.program(name)
        program.kill()
        self._keep_log(program)
        program.start()

    def restart_dead(self) -> None:
        """Start what ended because a part of it was killed."""
        for name in self.mortals:
            if self.program(name).has_died():
                self.restart(name)

    def crash_server(self, name: str) -> float:
        """Kill PostgreSQL or Valkey and start it again; seconds until it answers."""
        server = self.server(name)
        port = server.port
        server.kill()
        self.kills[name] += 1
        time.sleep(self._chance.uniform(0.0, 1.0))
        started = time.monotonic()
        server.start()
        assert server.port == port, f"{name} came back on another port"
        return time.monotonic() - started

    def wipe_valkey(self) -> None:
        """Have Valkey forget everything while it runs."""
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()
        self.kills["wipe"] += 1

    @property
    def redis_url(self) -> str:
        """Valkey's address."""
        return self._environment["REDIS_URL"]

    @property
    def owner_url(self) -> str:
        """The database's address for its owner."""
        return self._environment["DATABASE_OWNER_URL"]

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of a process that uses this installation."""
        return self._environment

    def heal(self) -> None:
        """Start whatever is down, let the line be sound; returns when everything works."""
        self.line.weights = {}
        self.restart_dead()
        for name in self.mortals:
            program = self.program(name)
            if not program.is_wanted:
                self.restart(name)
            program.wait_until_ready(_READY_TIMEOUT_S)

    def _start_programs(self) -> None:
        self.proxy = FaultyProxy(self._psp_port, self._psp_own_port, self._chance)
        super()._start_programs()

    def _psp_command(self) -> list[str]:
        return [
            sys.executable, "-m", "payments.psp.fake", "--port", str(self._psp_own_port),
            "--database", str(self.var / "psp.sqlite3"),
            "--webhook-url", f"{self.base_url}/psp/webhook", "--settle-after", "0.1",
        ]  # fmt: skip

    def _keep_log(self, program: Program) -> None:
        self.histories.mkdir(exist_ok=True)
        if program.log_path.exists():
            with (self.histories / program.log_path.name).open("ab") as history:
                history.write(program.log_path.read_bytes())


@contextmanager
def running(
    chance: random.Random, *, build: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    """An installation with fresh data, gone after; its folder is kept when the block raises."""
    # Not below the checkout: PostgreSQL may run as an account that must be able to enter.
    var = Path(tempfile.mkdtemp(prefix="kobatela-chaos-"))
    var.chmod(0o755)
    asked = {VARIABLE: build, **(environment or {})}
    installation = Installation(var, chance, asked)
    try:
        with installation:
            yield installation
    except BaseException:
        sys.stderr.write(f"what is left lies in {var}\n")
        raise
    shutil.rmtree((var / "postgres").resolve(), ignore_errors=True)
    shutil.rmtree(var, ignore_errors=True)
