"""How a child process in which untrusted files are parsed serves its parent.

It is started by `pool` with its limits as JSON in the first argument, says when it is ready, and
then answers one job after the other on its standard input and output. An answer is one of

* `{"result": …}` - what the job gave;
* `{"refusal": {code, message, hint}}` - the file cannot be evidence;
* `{"exhausted": …}` - memory ran out; the child goes after this answer;
* `{"unavailable": …}` - the result could not be stored, whatever the file;
* `{"broken": …}` - an error that no file should cause; the child goes after this answer.

It imports neither Django nor anything that holds a secret.
"""

import gc
import json
import math
import os
import resource
from collections.abc import Callable, Mapping
from typing import Any

from proofs.readers.errors import ReaderRefusal
from proofs.readers.frames import Closed, read_frame, wait_readable, write_frame
from proofs.readers.limits import ChildLimits

Job = Callable[[Mapping[str, Any]], Any]

# A forked sibling of the parent may hold the other end of the pipe open after the parent has died,
# so the end of input alone does not tell.
PARENT_CHECK_S = 2.0


def serve(jobs: Mapping[str, Job], arguments: list[str]) -> None:
    """Answer jobs until the parent closes the pipe or dies. `arguments` are the process's own."""
    setup = json.loads(arguments[0])
    limits = ChildLimits(**setup["limits"])
    _apply(limits)
    requests, answers = _take_over_pipes()
    # What is loaded now stays, so a collection after each job looks at that job's objects alone.
    gc.freeze()
    try:
        write_frame(answers, {"ready": True})
        while _has_request(requests, parent_pid=setup["parent_pid"]):
            request = read_frame(requests)
            _allow_cpu_s(min(limits.cpu_s, request.get("cpu_s", limits.cpu_s)))
            answer = _answer(jobs, request, answers)
            write_frame(answers, answer)
            if "exhausted" in answer:
                return
            # A decoded picture can hang in a cycle and take its memory from the next file.
            gc.collect()
    except Closed:
        return


def _answer(jobs: Mapping[str, Job], request: Mapping[str, Any], answers: int) -> dict[str, Any]:
    try:
        return {"result": jobs[request["job"]](request["arguments"])}
    except ReaderRefusal as refusal:
        return {
            "refusal": {
                "code": refusal.code.value,
                "message": refusal.message,
                "hint": refusal.hint,
            }
        }
    except OSError as error:
        # What is wrong with a file is a refusal; this is about opening it or storing the result.
        return {"unavailable": f"{type(error).__name__}: {error}"}
    except MemoryError:
        return {"exhausted": "memory"}
    except Exception as error:
        write_frame(answers, {"broken": f"{type(error).__name__}: {error}"})
        raise


def _apply(limits: ChildLimits) -> None:
    for name, value in (
        (resource.RLIMIT_AS, limits.address_space_bytes),
        (resource.RLIMIT_FSIZE, limits.file_size_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(name, (value, value))


def _allow_cpu_s(cpu_s: int) -> None:
    """Allow `cpu_s` more seconds of CPU time than were used so far; then the kernel kills."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    allowed = math.ceil(usage.ru_utime + usage.ru_stime) + cpu_s
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, hard))


def _take_over_pipes() -> tuple[int, int]:
    """Move the pipes away from 0 and 1, so that a decoder that prints cannot garble an answer."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return requests, answers


def _has_request(requests: int, *, parent_pid: int) -> bool:
    while not wait_readable(requests, timeout_s=PARENT_CHECK_S):
        if os.getppid() != parent_pid:
            return False
    return True
