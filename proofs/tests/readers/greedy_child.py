"""A reader's child whose jobs take what they must not; `test_pool` starts it as a module."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proofs.readers.errors import image_too_large
from proofs.readers.serving import serve

_kept: list[bytearray] = []


def echo(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"pid": os.getpid(), **arguments}


def refuse(arguments: Mapping[str, Any]) -> None:
    raise image_too_large()


def burn_cpu(arguments: Mapping[str, Any]) -> None:
    until = time.process_time() + arguments["cpu_s"]
    while time.process_time() < until:
        pass


def wait(arguments: Mapping[str, Any]) -> None:
    time.sleep(arguments["wall_s"])


def wait_for_program(arguments: Mapping[str, Any]) -> None:
    program = subprocess.Popen(["sleep", "60"])
    Path(arguments["path"]).write_text(str(program.pid))
    program.wait()


def take_memory(arguments: Mapping[str, Any]) -> int:
    return len(bytearray(arguments["bytes"]))


def keep_memory(arguments: Mapping[str, Any]) -> None:
    _kept.append(bytearray(arguments["bytes"]))


def take_memory_in_c(arguments: Mapping[str, Any]) -> int:
    import numpy as np  # here, so that the other jobs' children start fast

    return int(np.ones(arguments["bytes"], dtype=np.uint8).size)


def die(arguments: Mapping[str, Any]) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(arguments: Mapping[str, Any]) -> None:
    os._exit(0)


def go_wrong(arguments: Mapping[str, Any]) -> None:
    raise NotImplementedError("no file should come here")


def write(arguments: Mapping[str, Any]) -> None:
    Path(arguments["path"]).write_bytes(b"x" * arguments["bytes"])


def open_files(arguments: Mapping[str, Any]) -> int:
    return len([os.open(os.devnull, os.O_RDONLY) for _ in range(arguments["count"])])


def chatter(arguments: Mapping[str, Any]) -> str:
    """Print what could be taken for an answer, as a decoder written in C might."""
    os.write(1, b"\0\0\0\x02{}")
    os.write(2, b"noise")
    return "said"


def answer_too_much(arguments: Mapping[str, Any]) -> str:
    return "x" * int(arguments["bytes"])


def environment(arguments: Mapping[str, Any]) -> list[str]:
    return sorted(os.environ)


if __name__ == "__main__":
    jobs = (
        echo,
        refuse,
        burn_cpu,
        wait,
        wait_for_program,
        take_memory,
        keep_memory,
        take_memory_in_c,
        die,
        leave,
        go_wrong,
        write,
        open_files,
        chatter,
        answer_too_much,
        environment,
    )
    serve({job.__name__: job for job in jobs}, sys.argv[1:])
