"""Keeps one server alive exactly as long as somebody uses it.

Run as a script of its own, with nothing but the standard library:

    python -I -S guardian.py --lease FILE --alive-descriptor 7 --stop-signal SIGINT -- command …

Everybody who uses the server holds a shared lock on FILE. When the exclusive lock can be had,
nobody uses it any more, however the last user ended: the server is asked to stop. Should the
guardian itself be killed, the kernel sends the server the same signal.

The other way to run it makes a command end when the process that started it ends:

    python -I -S guardian.py --bind-to PID --stop-signal SIGTERM -- command …
"""

import argparse
import ctypes
import fcntl
import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PATIENCE_S = 30.0


def bind_to_parent(parent_pid: int, stop_signal: signal.Signals) -> None:
    """Have the kernel send this process `stop_signal` when its parent ends (Linux only).

    It must be called after the last change of user, which would undo it.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
    # The parent may have ended between the fork and the call above.
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), stop_signal)


def run_bound(parent_pid: int, stop_signal: signal.Signals, command: Sequence[str]) -> None:
    """Become `command`, which then ends with the process `parent_pid`."""
    bind_to_parent(parent_pid, stop_signal)
    os.execvp(command[0], list(command))  # noqa: S606 - the command comes from our own code


def guard(options: argparse.Namespace) -> int:
    """Run the server until nobody uses it; return its exit code."""
    stop_signal = signal.Signals[options.stop_signal]
    account = pwd.getpwnam(options.user) if options.user else None
    lease = os.open(options.lease, os.O_RDWR)
    server = subprocess.Popen(  # noqa: S603 - the command comes from our own code
        options.command,
        cwd="/",
        stdin=subprocess.DEVNULL,
        pass_fds=[options.alive_descriptor],
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        # Safe here: this process has no other thread yet.
        preexec_fn=partial(bind_to_parent, os.getpid(), stop_signal),  # noqa: PLW1509
    )
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(stop_signal))
    threading.Thread(
        target=_stop_when_unused, args=(server, lease, stop_signal), daemon=True
    ).start()
    exit_code = server.wait()
    Path(options.lease).with_suffix(".exit").write_text(f"{exit_code}\n")
    return exit_code


def _stop_when_unused(
    server: "subprocess.Popen[bytes]", lease: int, stop_signal: signal.Signals
) -> None:
    # Held until this process ends, so that whoever comes now waits for a clean end.
    fcntl.flock(lease, fcntl.LOCK_EX)
    server.send_signal(stop_signal)
    try:
        server.wait(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        server.kill()


def detach() -> None:
    """Leave the starter: it neither waits for the guardian nor sees it as its child."""
    if os.fork() > 0:
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main(arguments: Sequence[str]) -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bind-to", type=int)
    parser.add_argument("--lease")
    parser.add_argument("--alive-descriptor", type=int)
    parser.add_argument("--user", default="")
    parser.add_argument("--stop-signal", default="SIGTERM")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    options.command = options.command[1:]  # without the "--" that parts it from our options
    if options.bind_to is not None:
        run_bound(options.bind_to, signal.Signals[options.stop_signal], options.command)
    detach()
    return guard(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
