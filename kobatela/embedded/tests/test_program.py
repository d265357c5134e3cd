"""One process of the stack: it never outlives the supervisor, and takes its children along."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kobatela.embedded.log_follower import LogFollower
from kobatela.embedded.ports import PortClaim, free_port
from kobatela.embedded.program import Program, describe_exit
from kobatela.embedded.shared_server import EmbeddedServerError
from kobatela.embedded.tests.conftest import CHECKOUT, eventually
from kobatela.embedded.tests.test_postgres import is_alive

# Starts a child that ignores every polite signal, tells both process ids, and stays.
STUBBORN_FAMILY = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""


def _program(tmp_path: Path, code: str, **options: float) -> Program:
    log_path = tmp_path / "logs" / "thing.log"
    return Program(
        "thing",
        [sys.executable, "-c", code],
        os.environ,
        log_path,
        lambda: log_path.exists() and b"\n" in log_path.read_bytes(),
        **options,
    )


def test_what_it_prints_is_in_its_log(tmp_path: Path) -> None:
    program = _program(tmp_path, "print('good morning')")
    program.start()
    program.wait_until_ready(10)
    program.stop()
    assert program.log_tail() == "good morning"


def test_stopping_takes_the_whole_family(tmp_path: Path) -> None:
    program = _program(tmp_path, STUBBORN_FAMILY)
    program.start()
    program.wait_until_ready(10)
    parent, child = map(int, program.log_tail().split())
    assert program.pid == parent
    program.stop()
    assert not is_alive(parent)
    assert eventually(lambda: not is_alive(child))
    assert not program.has_died()


def test_what_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(600)"
    )
    program = _program(tmp_path, code, stop_timeout_s=0.2)
    program.start()
    program.wait_until_ready(10)
    program.stop()
    assert program.exit_code() == -signal.SIGKILL


def test_a_death_that_nobody_asked_for_is_noticed(tmp_path: Path) -> None:
    program = _program(tmp_path, "import sys; print('bye', flush=True); sys.exit(3)")
    program.start()
    assert eventually(program.has_died)
    assert describe_exit(program.exit_code() or 0) == "code 3"


def test_ending_instead_of_getting_ready_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = Program(
        "thing",
        [sys.executable, "-c", "import sys; print('no bread', flush=True); sys.exit(4)"],
        os.environ,
        tmp_path / "thing.log",
        lambda: False,
    )
    program.start()
    with pytest.raises(EmbeddedServerError, match="ended with code 4") as refusal:
        program.wait_until_ready(10)
    assert "no bread" in str(refusal.value)


def test_getting_ready_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    program = Program(
        "thing",
        [sys.executable, "-c", "import time; time.sleep(600)"],
        os.environ,
        tmp_path / "thing.log",
        lambda: False,
    )
    program.start()
    with pytest.raises(EmbeddedServerError, match="not ready within"):
        program.wait_until_ready(0.2)
    program.kill()


def test_a_program_ends_with_its_supervisor_however_that_ends(tmp_path: Path) -> None:
    code = f"""
import os, pathlib, sys, time
from kobatela.embedded.program import Program
program = Program("thing", [sys.executable, "-c", "import time; time.sleep(600)"],
                  os.environ, pathlib.Path({str(tmp_path / "thing.log")!r}), lambda: True)
program.start()
print(program.pid, flush=True)
time.sleep(600)
"""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    pid = int(supervisor.stdout.readline())
    assert is_alive(pid)
    supervisor.kill()
    supervisor.communicate()
    assert eventually(lambda: not is_alive(pid))


@pytest.mark.parametrize(("code", "words"), [(1, "code 1"), (-9, "signal SIGKILL")])
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words


def test_a_follower_yields_whole_lines_once(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    follower = LogFollower(path)
    assert list(follower.new_lines()) == []
    path.write_text("one\ntw")
    assert list(follower.new_lines()) == ["one"]
    with path.open("a") as file:
        file.write("o\n\nthree\n")
    assert list(follower.new_lines()) == ["two", "three"]
    path.write_text("anew\n")
    assert list(follower.new_lines()) == ["anew"]


def test_a_follower_may_leave_out_what_is_there_already(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("old\n")
    follower = LogFollower(path, from_end=True)
    with path.open("a") as file:
        file.write("new\n")
    assert list(follower.new_lines()) == ["new"]


def test_two_checkouts_never_get_the_same_port() -> None:
    wanted = free_port()
    first, second = PortClaim(wanted), PortClaim(wanted)
    try:
        assert first.take() == wanted
        assert second.take() != wanted
    finally:
        first.release()
        second.release()
    third = PortClaim(wanted)
    assert third.take() == wanted
    third.release()


def test_waiting_for_readiness_tells_how_long_it_took(tmp_path: Path) -> None:
    program = _program(tmp_path, "import time; time.sleep(0.2); print('up', flush=True)")
    started = time.monotonic()
    program.start()
    assert 0 < program.wait_until_ready(10) <= time.monotonic() - started
    program.stop()
