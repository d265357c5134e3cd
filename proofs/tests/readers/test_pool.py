"""The children that read files: their limits, their deaths, and what comes after."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kobatela.embedded.sample_photos import make_photo
from proofs.readers import pool as pool_module
from proofs.readers.errors import ReaderRefusal, ReaderUnavailable, RefusalCode
from proofs.readers.limits import ChildLimits
from proofs.readers.pool import ReaderPool

REPOSITORY = Path(__file__).resolve().parents[3]
GREEDY = "proofs.tests.readers.greedy_child"
LIMITS = ChildLimits(
    address_space_bytes=500_000_000, cpu_s=1, file_size_bytes=100_000, open_files=16
)

MakePool = Callable[..., ReaderPool]


@pytest.fixture
def make_pool() -> Iterator[MakePool]:
    pools: list[ReaderPool] = []

    def make(**options: Any) -> ReaderPool:
        defaults: dict[str, Any] = {"module": GREEDY, "limits": LIMITS, "children": 1}
        pools.append(ReaderPool(**(defaults | options)))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()
        assert pool._started == set()
        assert pool._slots_taken == 0


def pid_of(pool: ReaderPool) -> int:
    """Give the process id of a child of the pool that is free."""
    pid = pool.run("echo", {})["pid"]
    assert isinstance(pid, int)
    return pid


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 15) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def refusal_of(pool: ReaderPool, job: str, **arguments: object) -> RefusalCode:
    with pytest.raises(ReaderRefusal) as refused:
        pool.run(job, arguments)
    assert refused.value.hint
    return refused.value.code


def test_children_start_when_they_are_needed_and_are_used_again(make_pool: MakePool) -> None:
    pool = make_pool(children=2)
    assert pool._started == set()
    first = pid_of(pool)
    assert pid_of(pool) == first
    assert len(pool._started) == 1


def test_warming_up_starts_them_all_and_only_once(make_pool: MakePool) -> None:
    pool = make_pool(children=2)
    pool.warm_up()
    started = set(pool._started)
    assert len(started) == 2
    pool.warm_up()
    assert pool._started == started


@pytest.mark.parametrize(
    ("job", "arguments", "expected"),
    [
        ("take_memory", {"bytes": 600_000_000}, RefusalCode.IMAGE_TOO_LARGE),
        ("take_memory_in_c", {"bytes": 600_000_000}, RefusalCode.IMAGE_TOO_LARGE),
        ("die", {}, RefusalCode.FILE_UNREADABLE),
        ("leave", {}, RefusalCode.FILE_UNREADABLE),
        ("go_wrong", {}, RefusalCode.FILE_UNREADABLE),
        ("no_such_job", {}, RefusalCode.FILE_UNREADABLE),
        ("answer_too_much", {"bytes": 20_000_000}, RefusalCode.FILE_UNREADABLE),
    ],
)
@pytest.mark.parametrize("jobs_before", [0, 2])
def test_a_file_that_costs_its_child_is_refused_and_the_next_is_read(
    make_pool: MakePool,
    job: str,
    arguments: dict[str, object],
    expected: RefusalCode,
    jobs_before: int,
) -> None:
    pool = make_pool()
    before = [pid_of(pool) for _ in range(jobs_before)]
    assert refusal_of(pool, job, **arguments) is expected
    assert pid_of(pool) not in before
    assert len(pool._started) == 1


@pytest.mark.parametrize(
    ("job", "arguments", "timeout_s", "reason"),
    [("burn_cpu", {"cpu_s": 60}, 60.0, "cpu"), ("wait", {"wall_s": 60}, 0.5, "time")],
)
def test_a_file_that_takes_too_long_is_refused_and_its_child_killed(
    make_pool: MakePool,
    caplog: pytest.LogCaptureFixture,
    job: str,
    arguments: dict[str, object],
    timeout_s: float,
    reason: str,
) -> None:
    pool = make_pool(timeout_s=timeout_s)
    before = pid_of(pool)
    assert refusal_of(pool, job, **arguments) is RefusalCode.FILE_UNREADABLE
    assert [record.getMessage() for record in caplog.records] == [
        f"A reader's child was lost in {job}: {reason}"
    ]
    assert not is_running(before)
    assert pid_of(pool) != before


def test_the_cpu_limit_is_for_one_job_and_not_for_the_childs_life(make_pool: MakePool) -> None:
    pool = make_pool()
    before = pid_of(pool)
    for _ in range(4):
        pool.run("burn_cpu", {"cpu_s": 0.6})
    assert pid_of(pool) == before


@pytest.mark.parametrize(
    ("job", "arguments", "limits", "reason"),
    [
        ("burn_cpu", {"cpu_s": 60}, {"cpu_s": 1}, "cpu"),
        ("wait", {"wall_s": 60}, {"timeout_s": 0.2}, "time"),
    ],
)
def test_one_job_may_be_given_less_time_than_the_others(
    make_pool: MakePool,
    caplog: pytest.LogCaptureFixture,
    job: str,
    arguments: dict[str, object],
    limits: dict[str, Any],
    reason: str,
) -> None:
    pool = make_pool(limits=replace(LIMITS, cpu_s=60), timeout_s=60.0)

    with pytest.raises(ReaderRefusal):
        pool.run(job, arguments, **limits)

    assert caplog.records[0].getMessage() == f"A reader's child was lost in {job}: {reason}"


def test_a_program_that_a_child_waits_for_ends_with_it(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool()

    with pytest.raises(ReaderRefusal):
        pool.run("wait_for_program", {"path": str(tmp_path / "pid")}, timeout_s=0.5)

    program = int((tmp_path / "pid").read_text())
    # The kernel kills all of a group at once, and each is gone a little later.
    assert wait_until(lambda: not is_running(program))


def test_a_refusal_costs_no_child(make_pool: MakePool) -> None:
    pool = make_pool()
    before = pid_of(pool)
    assert refusal_of(pool, "refuse") is RefusalCode.IMAGE_TOO_LARGE
    assert pid_of(pool) == before


def test_memory_that_an_earlier_file_left_behind_is_not_held_against_the_next(
    make_pool: MakePool,
) -> None:
    pool = make_pool()
    before = pid_of(pool)
    pool.run("keep_memory", {"bytes": 250_000_000})
    assert pool.run("take_memory", {"bytes": 250_000_000}) == 250_000_000
    assert pid_of(pool) != before


def test_a_child_that_was_killed_meanwhile_costs_no_file(make_pool: MakePool) -> None:
    pool = make_pool()
    for _ in range(3):
        for child in pool._started:
            os.kill(child.pid, 9)
        # Whether the death is seen before the job is handed over or after it, the job is done.
        assert pool.run("echo", {"n": 7})["n"] == 7


def test_a_child_is_replaced_after_its_share_of_jobs(make_pool: MakePool) -> None:
    pool = make_pool(jobs_per_child=3)
    pids = [pid_of(pool) for _ in range(7)]
    assert pids[0] == pids[1] == pids[2]
    assert pids[3] == pids[4] == pids[5]
    assert len({pids[0], pids[3], pids[6]}) == 3
    assert not is_running(pids[0])


def test_a_child_cannot_write_large_files_or_open_many(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool()
    with pytest.raises(ReaderUnavailable, match="File too large"):
        pool.run("write", {"path": str(tmp_path / "large"), "bytes": 200_000})
    with pytest.raises(ReaderUnavailable, match="Too many open files"):
        pool.run("open_files", {"count": 50})


def test_what_a_decoder_prints_is_not_taken_for_an_answer(make_pool: MakePool) -> None:
    pool = make_pool()
    assert pool.run("chatter", {}) == "said"
    assert pool.run("echo", {"n": 1})["n"] == 1


def test_a_child_knows_no_secrets(make_pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "never passed on")
    monkeypatch.setenv("DATABASE_URL", "never passed on")
    names = make_pool().run("environment", {})
    assert not {"SECRET_KEY", "DATABASE_URL"} & set(names)
    assert "PATH" in names


def test_a_child_that_does_not_start_is_no_fault_of_the_file(make_pool: MakePool) -> None:
    pool = make_pool(module="proofs.readers.no_such_module")
    for _ in range(2):
        with pytest.raises(ReaderUnavailable, match="does not start"):
            pool.run("echo", {})
    with pytest.raises(ReaderUnavailable):
        pool.warm_up()


def test_threads_share_the_children_and_get_their_own_answers(make_pool: MakePool) -> None:
    pool = make_pool(children=2)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda n: pool.run("echo", {"n": n}), range(400)))
    assert [answer["n"] for answer in answers] == list(range(400))
    assert len({answer["pid"] for answer in answers}) <= 2


def test_threads_whose_files_kill_children_do_not_harm_each_other(make_pool: MakePool) -> None:
    pool = make_pool(children=2)

    def work(n: int) -> str:
        if n % 5 == 0:
            return refusal_of(pool, "die").value
        return str(pool.run("echo", {"n": n})["n"])

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(work, range(40)))
    expected = ["FILE_UNREADABLE" if n % 5 == 0 else str(n) for n in range(40)]
    assert outcomes == expected
    assert len(pool._started) <= 2


def test_an_interrupted_caller_leaves_no_answer_for_the_next(
    make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's soft time limit raises wherever the code happens to be."""
    pool = make_pool()
    before = pid_of(pool)

    class SoftTimeLimitExceeded(Exception):
        pass

    def interrupted(*args: object, **options: object) -> None:
        raise SoftTimeLimitExceeded

    with monkeypatch.context() as patch:
        patch.setattr("proofs.readers.process.read_frame", interrupted)
        with pytest.raises(SoftTimeLimitExceeded):
            pool.run("echo", {"n": 1})
    assert not is_running(before)
    assert pool.run("echo", {"n": 2})["n"] == 2


def test_a_closed_pool_has_no_children_and_starts_new_ones(make_pool: MakePool) -> None:
    pool = make_pool(children=2)
    pool.warm_up()
    pids = [child.pid for child in pool._started]
    pool.close()
    assert not any(is_running(pid) for pid in pids)
    assert pid_of(pool) not in pids


def test_a_child_that_is_busy_when_the_pool_closes_ends_after_its_job(make_pool: MakePool) -> None:
    pool = make_pool()
    answers: list[int] = []
    thread = threading.Thread(
        target=lambda: answers.append(pool.run("take_memory", {"bytes": 300_000_000}))
    )
    thread.start()
    pool.close()
    thread.join()
    assert answers == [300_000_000]


def run_script(script: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", *options, "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_neither_the_parent_nor_the_child_needs_django_or_the_parent_a_decoder() -> None:
    script = """
import sys
def loaded():
    return {name.partition(".")[0] for name in sys.modules}
import proofs.readers.pool, proofs.checks.photo, proofs.checks.duplicates
assert not loaded() & {"PIL", "numpy", "pillow_heif", "pdqhash", "django"}, "parent"
import proofs.readers.child
assert not loaded() & {"django", "rest_framework", "celery", "psycopg"}, "child"
"""
    result = run_script(script)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_process_that_ends_takes_its_children_along_without_a_word() -> None:
    script = f"""
from proofs.readers.pool import ReaderPool
import atexit
pool = ReaderPool(module={GREEDY!r}, children=2)
atexit.register(pool.close)
pool.warm_up()
print(*(child.pid for child in pool._started))
"""
    result = run_script(script)
    assert (result.returncode, result.stderr) == (0, "")
    pids = [int(pid) for pid in result.stdout.split()]
    assert len(pids) == 2
    assert not any(is_running(pid) for pid in pids)


def test_a_forked_process_uses_children_of_its_own() -> None:
    """As a Celery worker does that forks after the pool was used."""
    script = f"""
import os, sys
from proofs.readers.pool import ReaderPool
pool = ReaderPool(module={GREEDY!r})
before = pool.run("echo", {{}})["pid"]
child = os.fork()
if child == 0:
    own = pool.run("echo", {{}})["pid"]
    again = pool.run("echo", {{}})["pid"]
    pool.close()
    os._exit(0 if own == again != before else 1)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, "forked"
assert pool.run("echo", {{}})["pid"] == before, "parent"
pool.close()
"""
    result = run_script(script)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_process_that_was_forked_at_a_bad_moment_is_not_stuck() -> None:
    """Another thread of the parent holds the pool's lock, and will never release it in the fork."""
    script = f"""
import os, signal, threading, warnings
from proofs.readers.pool import ReaderPool
warnings.simplefilter("ignore", DeprecationWarning)
pool = ReaderPool(module={GREEDY!r})
pool.warm_up()
held, done = threading.Event(), threading.Event()
def hold():
    with pool._changed:
        held.set()
        done.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    pool.run("echo", {{}})
    pool.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
done.set()
thread.join()
pool.close()
assert os.waitstatus_to_exitcode(status) == 0
"""
    result = run_script(script)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("pipe_is_held", [False, True])
def test_children_of_a_parent_that_was_killed_go_by_themselves(*, pipe_is_held: bool) -> None:
    """Also where another process, forked from the parent, still holds the pipe open."""
    script = f"""
import subprocess, sys
from proofs.readers.pool import ReaderPool
pool = ReaderPool(module={GREEDY!r}, children=1)
pool.warm_up()
(child,) = pool._started
holder = None
if {pipe_is_held}:
    pipe = child._requests.fileno()
    holder = subprocess.Popen(["sleep", "60"], pass_fds=[pipe], stdout=subprocess.DEVNULL)
print(child.pid, holder.pid if holder else 0, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child_pid, holder_pid = (int(pid) for pid in parent.stdout.readline().split())
        assert is_running(child_pid)
        parent.kill()
    try:
        assert wait_until(lambda: not is_running(child_pid))
    finally:
        if holder_pid:
            os.kill(holder_pid, 9)


TAKEN_AT = datetime(2026, 3, 10, 11, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    path.write_bytes(make_photo(latitude=5.345317, longitude=-4.024429, taken_at=TAKEN_AT, seed=4))
    return path


def test_a_photo_is_read_in_a_child(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photo.parent)
    facts = pool_module.read_image(Path("photo.jpg"))
    assert (facts.width, facts.height) == (1600, 1200)
    assert facts.latitude == pytest.approx(5.345317, abs=1e-9)
    assert facts.utc_offset == "+00:00"


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pool_module.read_image(tmp_path / "nothing.jpg")
    with pytest.raises(FileNotFoundError):
        pool_module.render_derivative(tmp_path / "nothing.jpg", tmp_path / "copy.jpg")


def test_a_copy_is_rendered_in_a_child(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.jpg").write_bytes(b"an older one")
    pool_module.render_derivative(photo, tmp_path / "copy.jpg", 400)
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert copy.size == (400, 300)
    assert [file.name for file in tmp_path.iterdir()] == ["copy.jpg"]


def test_a_copy_that_cannot_be_stored_is_no_fault_of_the_photo(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(ReaderUnavailable, match="FileNotFoundError"):
        pool_module.render_derivative(photo, tmp_path / "no such folder" / "copy.jpg")


def test_fifty_megapixels_fit_into_a_child(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8165, 6123), "teal")
    picture.save(tmp_path / "photo", "JPEG", quality=50, progressive=True, subsampling=0)
    facts = pool_module.read_image(tmp_path / "photo")
    assert facts.width * facts.height == 49_994_295
    # Of all formats this one takes the most memory, and the copy more than the facts.
    picture.save(tmp_path / "photo", "WEBP", quality=50, method=0)
    pool_module.render_derivative(tmp_path / "photo", tmp_path / "copy.jpg")
