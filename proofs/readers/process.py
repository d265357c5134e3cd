"""One child process, seen from its parent."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from proofs.readers.errors import ReaderUnavailable
from proofs.readers.frames import Closed, TimedOut, read_frame, write_frame
from proofs.readers.limits import ChildLimits

START_TIMEOUT_S = 60.0
GOING_TIMEOUT_S = 0.5

_PROJECT_ROOT = Path(__file__).resolve().parents[2]
# The child gets no other variable: it parses hostile bytes and has no use for secrets.
_PASSED_ON_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR")
# Each memory arena and each thread reserves address space, which is limited. Whole pictures are
# allocated apart from the heap, so that their memory goes back to the system after the job: a child
# that has read 50 megapixels keeps 50 MB, and would keep 300.
_CHILD_VARIABLES = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "12000000",
    "OMP_NUM_THREADS": "1",
    "OMP_THREAD_LIMIT": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class ChildLost(Exception):
    """The child is gone, or cannot be used any more, and its job has no answer.

    `reason` is one of `time`, `cpu`, `memory`, `broken` and `died`.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        """Keep the reason for the decision what to do, and the detail for the log."""
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class ChildProcess:
    """A started child. It serves one job at a time, of one thread at a time."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        """Hold a process whose standard input and output are unbuffered pipes."""
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._requests = process.stdin
        self._answers = process.stdout
        self.jobs_done = 0

    @classmethod
    def start(cls, *, module: str, limits: ChildLimits) -> Self:
        """Start a child and wait until it is ready. Raises ReaderUnavailable if it never is."""
        setup = {"limits": asdict(limits), "parent_pid": os.getpid()}
        passed_on = {name: os.environ[name] for name in _PASSED_ON_VARIABLES if name in os.environ}
        # A session of its own, so that Ctrl-C reaches the parent alone, which ends its children.
        process = subprocess.Popen(  # noqa: S603 -- the interpreter itself, with a module's name
            [sys.executable, "-m", module, json.dumps(setup)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd=_PROJECT_ROOT,
            env={**passed_on, **_CHILD_VARIABLES},
            start_new_session=True,
        )
        child = cls(process)
        try:
            read_frame(child._answers.fileno(), timeout_s=START_TIMEOUT_S)
        except (Closed, TimedOut):
            child.stop()
            raise ReaderUnavailable(
                f"{module} does not start (exit status {process.returncode})"
            ) from None
        except BaseException:
            child.stop()
            raise
        return child

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def ask(
        self, job: str, arguments: Mapping[str, Any], *, timeout_s: float, cpu_s: int | None = None
    ) -> dict[str, Any]:
        """Give the child's answer to one job, for which it may have less CPU time than its limit.

        Raises ChildLost if there is none.
        """
        self.jobs_done += 1
        request: dict[str, Any] = {"job": job, "arguments": dict(arguments)}
        if cpu_s is not None:
            request["cpu_s"] = cpu_s
        try:
            write_frame(self._requests.fileno(), request)
            answer = read_frame(self._answers.fileno(), timeout_s=timeout_s)
        except TimedOut:
            raise ChildLost("time") from None
        except Closed:
            raise self._loss() from None
        if "exhausted" in answer:
            raise ChildLost("memory")
        if "broken" in answer:
            raise ChildLost("broken", str(answer["broken"]))
        return answer

    def stop(self) -> None:
        """End the process, whatever it is doing and has started, and close the pipes."""
        if self.is_alive():
            # It leads a session, and so a group, of its own: an engine's program goes with it.
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._close_pipes()

    def abandon(self) -> None:
        """Let go of a process that belongs to the parent of this process, after a fork."""
        # Popen would otherwise warn of, and wait for, a child that is not this process's own.
        self._process.returncode = 0
        self._close_pipes()

    def _loss(self) -> ChildLost:
        try:
            status = self._process.wait(GOING_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return ChildLost("broken", "no valid answer")
        if status == -signal.SIGXCPU:
            return ChildLost("cpu")
        return ChildLost("died", f"exit status {status}")

    def _close_pipes(self) -> None:
        self._requests.close()
        self._answers.close()
