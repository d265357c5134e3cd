"""Servers of their own for each test, far away from the checkout's."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kobatela.embedded.postgres import PostgresServer, start_postgres
from kobatela.embedded.valkey import ValkeyServer, start_valkey

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that every account may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="kobatela-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def made_var() -> Iterator[Path]:
    """A var folder in which PostgreSQL was made once, to be copied."""
    with tempfile.TemporaryDirectory(prefix="kobatela-test-") as name:
        Path(name).chmod(0o755)
        var = Path(name) / "var"
        var.mkdir()
        start_postgres(var).stop()
        yield var


@pytest.fixture
def var(made_var: Path, open_folder: Path) -> Path:
    """A var folder with a ready cluster, as a copied checkout has it."""
    copy = open_folder / "var"
    subprocess.run(["cp", "-a", str(made_var), str(copy)], check=True)
    return copy


@pytest.fixture
def postgres(var: Path) -> Iterator[PostgresServer]:
    server = start_postgres(var)
    yield server
    server.stop()


@pytest.fixture
def valkey(var: Path) -> Iterator[ValkeyServer]:
    server = start_valkey(var)
    yield server
    server.stop()


class OtherProcess:
    """Another process of the same checkout that uses the servers until told to end."""

    def __init__(self, var: Path) -> None:
        code = (
            "import sys, pathlib; from kobatela.embedded import start_postgres;"
            "server = start_postgres(pathlib.Path(sys.argv[1]));"
            "print(server.pid, flush=True); sys.stdin.read()"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(var)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def server_pid(self) -> int:
        """The process id of the PostgreSQL that it uses; waits for it."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate("")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start_other() -> Iterator[Callable[[Path], OtherProcess]]:
    others: list[OtherProcess] = []

    def start(var: Path) -> OtherProcess:
        others.append(OtherProcess(var))
        return others[-1]

    yield start
    for other in others:
        other.kill()


def eventually(condition: Callable[[], bool], within_s: float = 15.0) -> bool:
    """Whether the condition comes true in time."""
    give_up_at = time.monotonic() + within_s
    while time.monotonic() < give_up_at:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
