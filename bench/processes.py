"""What the web server's processes use, read from /proc."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_EVERY_S = 0.02
_KIB = 1024


@dataclass
class Peak:
    """The largest sums seen. Web: the server and its workers; children: what those started."""

    web_bytes: int = 0
    web_processes: int = 0
    children_bytes: int = 0
    child_processes: int = 0


@contextmanager
def watch_memory(web_pid: int) -> Iterator[Peak]:
    """Sample resident memory for the length of the block."""
    peak = Peak()
    done = threading.Event()

    def sample() -> None:
        while not done.wait(_SAMPLE_EVERY_S):
            _sample(web_pid, peak)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _sample(web_pid: int, peak: Peak) -> None:
    web = {web_pid, *_children(web_pid)}
    below = {child for pid in web for child in _descendants(pid)} - web
    web_bytes = sum(map(_rss_bytes, web))
    children_bytes = sum(map(_rss_bytes, below))
    if web_bytes > peak.web_bytes:
        peak.web_bytes, peak.web_processes = web_bytes, len(web)
    if children_bytes > peak.children_bytes:
        peak.children_bytes, peak.child_processes = children_bytes, len(below)


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for child in _children(pid):
        found |= {child, *_descendants(child)}
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += [int(child) for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return children


def _rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * _KIB
    return 0
