"""What processes use, read from /proc."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# The children that read proofs.
READERS = (
    "proofs.readers.child",
    "proofs.readers.parser_child",
    "proofs.readers.ocr_child",
)
_SAMPLE_EVERY_S = 0.02
_KIB = 1024


@dataclass
class Peak:
    """The largest figures seen. Web: the server and its workers; children: what those started."""

    web_process_bytes: int = 0
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
    each = [_rss_bytes(pid) for pid in web]
    web_bytes = sum(each)
    children_bytes = sum(map(_rss_bytes, below))
    peak.web_process_bytes = max(peak.web_process_bytes, *each)
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
    return _status_bytes(pid, "VmRSS:")


def _status_bytes(pid: int, name: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in status.splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * _KIB
    return 0


@dataclass
class PeakOf:
    """The largest resident memory that one process of a kind had."""

    rss_bytes: int = 0


@contextmanager
def watch_peaks(modules: Sequence[str]) -> Iterator[dict[str, PeakOf]]:
    """Watch this process's children that run these modules, for the length of the block."""
    peaks = {module: PeakOf() for module in modules}
    done = threading.Event()

    def sample() -> None:
        while not done.wait(_SAMPLE_EVERY_S):
            for module, peak in peaks.items():
                for pid in own_children([module]):
                    peak.rss_bytes = max(peak.rss_bytes, _peak_bytes(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def own_children(modules: Sequence[str]) -> list[int]:
    """The children of this process that run one of the modules."""
    return [pid for pid in _children(os.getpid()) if _runs(pid, modules)]


def cpu_s(pid: int) -> float:
    """CPU time that a process, and what it started and waited for, has used; 0 when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    # The name before the parenthesis may hold anything.
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def cpu_with_children_s(modules: Sequence[str]) -> float:
    """CPU time of this process and of its children that run one of the modules."""
    return time.process_time() + sum(map(cpu_s, own_children(modules)))


def peak_bytes_of_children(modules: Sequence[str]) -> int:
    """The most that one of the children that run one of the modules has had resident so far."""
    return max(map(_peak_bytes, own_children(modules)), default=0)


def _runs(pid: int, modules: Sequence[str]) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(module.encode() in command for module in modules)


def _peak_bytes(pid: int) -> int:
    """The most that a process has had resident so far; 0 when it is gone."""
    return _status_bytes(pid, "VmHWM:")
