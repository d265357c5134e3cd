"""Reads untrusted files in child processes with limits; the public face of the readers.

A file that is damaged, or that drives its child into a limit, is a `ReaderRefusal` and never
another exception, and the next file is read as if nothing had been.
"""

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from proofs.readers.errors import (
    ReaderRefusal,
    ReaderUnavailable,
    RefusalCode,
    image_too_large,
    unreadable,
)
from proofs.readers.facts import ImageFacts
from proofs.readers.limits import DERIVATIVE_SIDE_PX, ChildLimits, part_path
from proofs.readers.process import ChildLost, ChildProcess

logger = logging.getLogger(__name__)

CHILDREN = 2
TIMEOUT_S = 20.0
# Decoders leak; a child that is replaced now and then cannot grow for ever.
JOBS_PER_CHILD = 500


def refusal_of_picture(lost: ChildLost) -> ReaderRefusal:
    """Give the refusal of a picture that cost its child."""
    return image_too_large() if lost.reason == "memory" else unreadable()


class ReaderPool:
    """Some children that wait for files. Any thread may use it, and so may a forked process.

    Children are started when they are first needed, or by `warm_up`. A forked process starts its
    own. At most `children` files are read at the same time; further callers wait their turn.
    """

    def __init__(
        self,
        *,
        children: int = CHILDREN,
        timeout_s: float = TIMEOUT_S,
        jobs_per_child: int = JOBS_PER_CHILD,
        limits: ChildLimits | None = None,
        module: str = "proofs.readers.child",
        when_lost: Callable[[ChildLost], Exception] = refusal_of_picture,
    ) -> None:
        """Make an empty pool.

        `timeout_s` is the time on the wall that one job may take. `when_lost` gives what is raised
        for a file that costs its child.
        """
        self._children = children
        self._timeout_s = timeout_s
        self._jobs_per_child = jobs_per_child
        self._limits = limits or ChildLimits()
        self._module = module
        self._when_lost = when_lost
        self._begin()
        forget = weakref.WeakMethod(self._forget_the_parents_children)
        os.register_at_fork(after_in_child=lambda: _call_if_alive(forget))

    def run(
        self,
        job: str,
        arguments: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        cpu_s: int | None = None,
    ) -> Any:
        """Give the result of one job, for which less time may be given than the pool's jobs have.

        Raises ReaderRefusal for a file that is no evidence, ReaderUnavailable where reading does
        not work at all, and what `when_lost` gives.
        """
        child = self._take()
        try:
            return self._answer_of(child, job, arguments, timeout_s, cpu_s)
        except ChildLost as lost:
            if child.jobs_done <= 1 or lost.reason in {"time", "cpu"}:
                raise self._given_up(lost, job) from None
        # What earlier files left in memory, or the machine, may have cost the child. Only what
        # fails in a fresh one is the file's own doing.
        child = self._take(fresh=True)
        try:
            return self._answer_of(child, job, arguments, timeout_s, cpu_s)
        except ChildLost as lost:
            raise self._given_up(lost, job) from None

    def warm_up(self) -> None:
        """Start the children that are not started yet. Raises ReaderUnavailable if they do not."""
        while True:
            with self._changed:
                if self._slots_taken >= self._children:
                    return
                self._slots_taken += 1
            self._give_back(self._start(), is_usable=True)

    def close(self) -> None:
        """End all children, busy ones after their job. A later job starts new ones."""
        with self._changed:
            idle = self._idle[:]
            self._idle.clear()
            self._retired |= self._started
        for child in idle:
            self._discard(child)

    def _begin(self) -> None:
        """Be a pool without children."""
        self._changed = threading.Condition()
        self._slots_taken = 0
        self._started: set[ChildProcess] = set()
        self._retired: set[ChildProcess] = set()
        self._idle: list[ChildProcess] = []

    def _take(self, *, fresh: bool = False) -> ChildProcess:
        """Give a child that is this caller's alone, a new one if `fresh`; wait for a free one."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._idle or self._slots_taken < self._children)
                # The one that worked last is the warmest.
                child = self._idle.pop() if self._idle else None
                if child is None:
                    self._slots_taken += 1
            if child is None:
                return self._start()
            if child.is_alive() and not fresh:
                return child
            self._discard(child)

    def _start(self) -> ChildProcess:
        """Start a child in a slot taken before; give the slot back if it does not start."""
        try:
            child = ChildProcess.start(module=self._module, limits=self._limits)
        except BaseException:
            with self._changed:
                self._slots_taken -= 1
                self._changed.notify()
            raise
        with self._changed:
            self._started.add(child)
        return child

    def _answer_of(
        self,
        child: ChildProcess,
        job: str,
        arguments: Mapping[str, Any],
        timeout_s: float | None,
        cpu_s: int | None,
    ) -> Any:
        is_usable = False
        try:
            allowed_s = self._timeout_s if timeout_s is None else min(timeout_s, self._timeout_s)
            answer = child.ask(job, arguments, timeout_s=allowed_s, cpu_s=cpu_s)
            is_usable = True
        finally:
            # Also when a signal handler raised in between: the answer that is then on its way must
            # not be taken for the next job's.
            self._give_back(child, is_usable=is_usable)
        return _result_in(answer)

    def _given_up(self, lost: ChildLost, job: str) -> Exception:
        """Leave a trace for those who run this, and give what the caller is told."""
        logger.warning("A reader's child was lost in %s: %s", job, lost)
        return self._when_lost(lost)

    def _give_back(self, child: ChildProcess, *, is_usable: bool) -> None:
        with self._changed:
            is_usable = (
                is_usable and child.jobs_done < self._jobs_per_child and child not in self._retired
            )
            if is_usable:
                self._idle.append(child)
                self._changed.notify()
        if not is_usable:
            self._discard(child)

    def _discard(self, child: ChildProcess) -> None:
        child.stop()
        with self._changed:
            self._started.discard(child)
            self._retired.discard(child)
            self._slots_taken -= 1
            self._changed.notify()

    def _forget_the_parents_children(self) -> None:
        """Start over in a forked process, whose pipes and locks are copies of the parent's."""
        for child in self._started:
            child.abandon()
        self._begin()


def _call_if_alive(reference: "weakref.WeakMethod[Callable[[], None]]") -> None:
    method = reference()
    if method is not None:
        method()


def _result_in(answer: Mapping[str, Any]) -> Any:
    if "result" in answer:
        return answer["result"]
    if "unavailable" in answer:
        raise ReaderUnavailable(str(answer["unavailable"]))
    try:
        refusal = answer["refusal"]
        code = RefusalCode(refusal["code"])
        raise ReaderRefusal(code, str(refusal["message"]), str(refusal["hint"]))
    except (KeyError, TypeError, ValueError):
        raise unreadable() from None


_default_pool = ReaderPool()
atexit.register(_default_pool.close)


def warm_up() -> None:
    """Start the children before the first file needs them."""
    _default_pool.warm_up()


def read_image(path: Path) -> ImageFacts:
    """Read what a picture says about itself, decoding all of it.

    Raises ReaderRefusal (FILE_TYPE_NOT_ALLOWED, IMAGE_TOO_LARGE, FILE_UNREADABLE),
    ReaderUnavailable where reading does not work at all, and FileNotFoundError where there is no
    such file.
    """
    result = _default_pool.run("read_image", {"path": str(path.resolve(strict=True))})
    try:
        return ImageFacts.from_json(result)
    except ValueError:
        raise unreadable() from None


def render_derivative(path: Path, out_path: Path, max_side_px: int = DERIVATIVE_SIDE_PX) -> None:
    """Write an upright JPEG copy without metadata, no side longer than `max_side_px`.

    `out_path` appears whole or not at all; a file there is replaced. Raises as `read_image` does,
    and ReaderUnavailable where `out_path` cannot be written.
    """
    out_path = out_path.absolute()
    try:
        _default_pool.run(
            "render_derivative",
            {
                "path": str(path.resolve(strict=True)),
                "out_path": str(out_path),
                "max_side_px": max_side_px,
            },
        )
    finally:
        # A child that is killed while it writes leaves the part that it has written.
        part_path(out_path).unlink(missing_ok=True)
