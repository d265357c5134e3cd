"""The whole installation on this machine, started and stopped as one thing.

    with Stack(var) as stack:
        httpx.get(f"{stack.base_url}/health")
        stack.program("worker").kill()

PostgreSQL, Valkey, migrations and credentials, the fake PSP, web, worker and beat. If one of them
dies, the others are stopped; if this process dies, all of them end.
"""

import json
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kobatela.embedded.file_lock import FileLock
from kobatela.embedded.local_secrets import local_secret
from kobatela.embedded.log_follower import LogFollower
from kobatela.embedded.ports import LOOPBACK, PortClaim, free_port
from kobatela.embedded.postgres import start_postgres
from kobatela.embedded.program import Program, describe_exit
from kobatela.embedded.shared_server import EmbeddedServerError, SharedServer
from kobatela.embedded.terminal import Terminal
from kobatela.embedded.valkey import start_valkey

_CHECKOUT = Path(__file__).resolve().parents[2]
_DEFAULT_PORT = 8000
_READY_TIMEOUT_S = 90.0
_WATCH_INTERVAL_S = 0.1
# Celery warns root at length; here, root is most likely the only user of a container.
_NOT_ABOUT_ROOT = "ignore:You're running the worker with superuser privileges"
# Who takes requests goes first, who answers the others goes last.
_STOP_ORDER = ("prepare", "web", "beat", "worker", "documents", "advice", "psp")
_ON = frozenset({"true", "1", "yes", "on"})


class Stack:
    """Everything that `make up` runs.

    environment: variables for the processes, over those of this process. WEB_WORKERS,
        WEB_THREADS, WORKER_PROCESSES and DOCUMENT_PROCESSES set how many of each there are.
    port: where the web server listens; KOBATELA_PORT or 8000 if free, otherwise a free one.
    shows_logs: whether what the processes print is shown too, not only written to var/logs.
    stops_all_when_one_dies: off for chaos tests, which kill processes on purpose.
    """

    def __init__(
        self,
        var: Path,
        *,
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
        terminal: Terminal | None = None,
        shows_logs: bool = True,
        stops_all_when_one_dies: bool = True,
    ) -> None:
        self.var = var.resolve()
        self.log_dir = self.var / "logs"
        self._terminal = terminal or Terminal()
        self._shows_logs = shows_logs
        self._stops_all = stops_all_when_one_dies
        self._environment = {**os.environ, **(environment or {})}
        wanted = port or int(self._environment.get("KOBATELA_PORT") or _DEFAULT_PORT)
        self._claim = PortClaim(wanted)
        self._psp_port = 0
        self._only_one = FileLock(self.var / "run" / "stack.lock")
        self._servers: list[SharedServer] = []
        self._programs: dict[str, Program] = {}
        self._followers: dict[str, LogFollower] = {}
        self._watcher: threading.Thread | None = None
        self._stopping = threading.Event()
        self._death: str | None = None

    @property
    def base_url(self) -> str:
        """Address of the web server."""
        return f"http://{LOOPBACK}:{self._claim.port}"

    @property
    def psp_url(self) -> str:
        """Address of the fake PSP."""
        return f"http://{LOOPBACK}:{self._psp_port}"

    @property
    def credentials(self) -> dict[str, Any]:
        """What var/credentials.json holds."""
        credentials: dict[str, Any] = json.loads(self.credentials_path.read_text())
        return credentials

    @property
    def credentials_path(self) -> Path:
        """Where the keys and passwords of this start are."""
        return self.var / "credentials.json"

    @property
    def _credentials_in_waiting(self) -> Path:
        return self.var / "run" / "credentials.json"

    @property
    def death(self) -> str | None:
        """Which process ended without being asked to, and how; None while all is well."""
        return self._death

    def program(self, name: str) -> Program:
        """One of psp, web, worker, documents, beat; advice where the advisor is on."""
        return self._programs[name]

    def server(self, name: str) -> SharedServer:
        """One of postgres, valkey."""
        return next(server for server in self._servers if server.name == name)

    def start(self) -> None:
        """Start everything; returns when all of it does its work.

        To be called from a thread that lives as long as the stack. Raises EmbeddedServerError
        with the reason when something does not come up; nothing is left running then.
        """
        started = time.monotonic()
        (self.var / "run").mkdir(parents=True, exist_ok=True)
        if not self._only_one.try_acquire():
            raise EmbeddedServerError(
                f"Kobatela is running already from this checkout; see {self.credentials_path}."
            )
        try:
            # Whoever waits for the file finds everything answering once it is there.
            self.credentials_path.unlink(missing_ok=True)
            self._start_servers()
            self._claim.take()
            self._psp_port = free_port()
            self._prepare()
            self._start_programs()
            self._credentials_in_waiting.replace(self.credentials_path)
        except BaseException:
            self.stop()
            raise
        self.say(f"everything runs, after {time.monotonic() - started:.1f} s")

    def stop(self) -> None:
        """Stop everything in order; nothing is left behind."""
        self._stopping.set()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join()
        for name in _STOP_ORDER:
            if name in self._programs:
                self.say(f"stopping {name}")
                self._programs[name].stop()
        self._show_new_lines()
        for server in reversed(self._servers):
            self.say(f"stopping {server.name}, unless others use it")
            server.release()
        self._servers.clear()
        self._claim.release()
        self._only_one.release()

    def wait(self) -> int:
        """Stay until a process dies; return the exit code for that. Ctrl-C ends it by raising."""
        while self._death is None:
            time.sleep(_WATCH_INTERVAL_S)
        return 1

    def say(self, line: str) -> None:
        """Tell the person at the terminal."""
        self._terminal.say("stack", line)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # --- Starting -------------------------------------------------------------------------------
    def _start_servers(self) -> None:
        environment = self._environment
        environment |= {"KOBATELA_ENV": "dev", "KOBATELA_VAR_DIR": str(self.var)}
        environment.setdefault("LOG_FORMAT", "text")
        if not self._is_set("DATABASE_URL"):
            postgres = start_postgres(self.var)
            self._servers.append(postgres)
            environment["DATABASE_URL"] = postgres.app_url()
            environment["DATABASE_OWNER_URL"] = postgres.owner_url()
            self.say(f"postgres answers on port {postgres.port}")
        if not self._is_set("REDIS_URL"):
            valkey = start_valkey(self.var)
            self._servers.append(valkey)
            environment["REDIS_URL"] = valkey.url
            self.say(f"valkey answers on port {valkey.port}")
        for server in self._servers:
            self._followers[server.name] = LogFollower(server.log_path, from_end=True)
        if not self._is_set("PSP_WEBHOOK_SECRET"):
            environment["PSP_WEBHOOK_SECRET"] = local_secret(self.var, "psp_webhook_secret")

    def _is_set(self, name: str) -> bool:
        return bool(self._environment.get(name) or self._environment.get(f"{name}_FILE"))

    def _prepare(self) -> None:
        """Migrations, schedule, static files and credentials, in one process for speed."""
        environment = self._environment | {
            "KOBATELA_BASE_URL": self.base_url, "FAKE_PSP_URL": self.psp_url,
            "KOBATELA_CREDENTIALS_PATH": str(self._credentials_in_waiting),
        }  # fmt: skip
        command = [sys.executable, "-m", "kobatela.embedded.prepare"]
        prepare = self._program("prepare", command, environment, lambda: False)
        self._programs["prepare"] = prepare  # stopped with the rest, should Ctrl-C come now
        prepare.start()
        self.say("migrating, making credentials …")
        started = time.monotonic()
        while (code := prepare.exit_code()) is None:
            time.sleep(0.02)
        if code != 0:
            raise EmbeddedServerError(
                f"prepare ended with {describe_exit(code)}:\n{prepare.log_tail()}"
            )
        del self._programs["prepare"]
        self.say(f"the database is ready ({time.monotonic() - started:.1f} s)")

    def _start_programs(self) -> None:
        environment = {
            name: value for name, value in self._environment.items()
            if not name.startswith("DATABASE_OWNER_URL")  # nobody but the migrations gets it
        } | {"FAKE_PSP_URL": self.psp_url}  # fmt: skip
        self._add("psp", self._psp_command(), environment, self._psp_answers)
        self._add("web", self._web_command(), environment, self._web_answers)
        for name, command in self._worker_commands():
            worker_environment = environment | {"PYTHONWARNINGS": _NOT_ABOUT_ROOT}
            self._add(name, command, worker_environment, self._log_says(name, "ready."))
        if environment.get("KOBATELA_SCHEDULER_ENABLED", "true").lower() in _ON:
            self._add("beat", _celery("beat"), environment, self._log_says("beat", "Starting..."))
        for program in self._programs.values():
            program.start()
        self._watcher = threading.Thread(target=self._watch, name="stack-watcher", daemon=True)
        self._watcher.start()
        started = time.monotonic()
        for program in self._programs.values():
            program.wait_until_ready(_READY_TIMEOUT_S)
            self.say(f"{program.name} is ready ({time.monotonic() - started:.1f} s)")

    def _program(
        self, name: str, command: list[str], environment: Mapping[str, str],
        is_ready: Callable[[], bool],
    ) -> Program:  # fmt: skip
        log_path = self.log_dir / f"{name}.log"
        log_path.unlink(missing_ok=True)
        self._followers[name] = LogFollower(log_path)
        path = os.pathsep.join(filter(None, [str(_CHECKOUT), environment.get("PYTHONPATH")]))
        return Program(
            name, command, {**environment, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            log_path, is_ready,
        )  # fmt: skip

    def _add(
        self, name: str, command: list[str], environment: Mapping[str, str],
        is_ready: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._programs[name] = self._program(name, command, environment, is_ready)

    def _web_command(self) -> list[str]:
        return [
            sys.executable, "-m", "granian", "kobatela.wsgi:application", "--interface", "wsgi",
            "--host", LOOPBACK, "--port", str(self._claim.port), "--http", "1", "--no-ws",
            "--workers", self._environment.get("WEB_WORKERS") or "2",
            "--blocking-threads", self._environment.get("WEB_THREADS") or "4",
            "--workers-kill-timeout", "5",
        ]  # fmt: skip

    def _worker_commands(self) -> Iterator[tuple[str, list[str]]]:
        """Who serves which queues: nothing that takes long stands before a payout."""
        environment = self._environment
        yield "worker", _worker("payments,default", environment.get("WORKER_PROCESSES") or "2")
        # One page of OCR fills a core, so more would only take turns.
        yield "documents", _worker("documents", environment.get("DOCUMENT_PROCESSES") or "1")
        if environment.get("AI_PROOF_ADVISOR_ENABLED", "").lower() in _ON:
            # It waits for an answer most of the time, which threads do as well as processes.
            yield "advice", [*_worker("advice", "4"), "--pool", "threads"]

    def _psp_command(self) -> list[str]:
        return [
            sys.executable, "-m", "payments.psp.fake", "--port", str(self._psp_port),
            "--database", str(self.var / "psp.sqlite3"),
            "--webhook-url", f"{self.base_url}/psp/webhook",
        ]  # fmt: skip

    # --- Watching -------------------------------------------------------------------------------
    def _web_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.base_url}/health/live", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == HTTPStatus.OK)
        except (urllib.error.URLError, OSError):
            return False

    def _psp_answers(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self._psp_port), timeout=5).close()
        except OSError:
            return False
        return True

    def _log_says(self, name: str, words: str) -> Callable[[], bool]:
        path = self.log_dir / f"{name}.log"
        return lambda: path.exists() and words in path.read_text(errors="replace")

    def _watch(self) -> None:
        while not self._stopping.wait(_WATCH_INTERVAL_S):
            self._show_new_lines()
            self._death = self._find_death() if self._stops_all else None
            if self._death is not None:
                self.say(f"{self._death}; stopping the rest")
                return

    def _find_death(self) -> str | None:
        for program in self._programs.values():
            if program.has_died():
                return f"{program.name} ended with {describe_exit(program.exit_code() or 0)}"
        for server in self._servers:
            if not server.is_running():
                code = server.exit_code()
                how = describe_exit(code) if code is not None else "an unknown code"
                return f"{server.name} ended with {how}"
        return None

    def _show_new_lines(self) -> None:
        for name, follower in self._followers.items():
            for line in follower.new_lines():
                if self._shows_logs:
                    self._terminal.say(name, line)


def _worker(queues: str, concurrency: str) -> list[str]:
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    # A name of its own: two workers on one machine are otherwise taken for one.
    name = f"{queues.partition(',')[0]}@%h"
    # The queues come first, so that a worker is known by the beginning of its command.
    return _celery(
        "worker", "--queues", queues, "--hostname", name, "--concurrency", concurrency, *quiet
    )


def _celery(*arguments: str) -> list[str]:
    level = ["--loglevel", "INFO"]
    quiet = "--quiet"  # without the banner
    return [sys.executable, "-m", "celery", "-A", "kobatela.celery", quiet, *arguments, *level]
