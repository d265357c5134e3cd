"""What clients were told: every acknowledged answer, kept outside the installation."""

import json
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A command as it was sent, so that the very same can be sent again.

    key: its Idempotency-Key, "" for a command that takes none. file: that of a form.
    """

    api_key: str
    path: str
    body: dict[str, Any]
    key: str = ""
    file: bytes | None = None
    media_type: str = "image/jpeg"


@dataclass(frozen=True)
class Acknowledged:
    """A command that was answered, and the answer that the client acts on."""

    asked: Asked
    status: int
    content: bytes
    tries: int


class Journal:
    """The acknowledged answers of one run; any thread may add. A copy goes to `path`, line by line.

    statuses: how often each answer came, also those that a client had to ask again for.
    problems: what clients found wrong.
    """

    def __init__(self, path: Path) -> None:
        self.acknowledged: list[Acknowledged] = []
        self.statuses: Counter[str] = Counter()
        self.problems: list[str] = []
        self._lock = threading.Lock()
        self._file = path.open("a")

    @property
    def count(self) -> int:
        """How many answers clients have acted on."""
        return len(self.acknowledged)

    def add(self, answer: Acknowledged) -> None:
        """Keep an answer."""
        line = {
            "path": answer.asked.path,
            "body": answer.asked.body,
            "key": answer.asked.key,
            "status": answer.status,
            "answer": answer.content.decode(errors="replace"),
            "tries": answer.tries,
        }
        with self._lock:
            self.acknowledged.append(answer)
            self._file.write(json.dumps(line) + "\n")

    def note(self, status: str) -> None:
        """Count one answer, or what came instead."""
        with self._lock:
            self.statuses[status] += 1

    def complain(self, problem: str) -> None:
        """Keep what a client found wrong."""
        with self._lock:
            self.problems.append(problem)

    def close(self) -> None:
        """Write everything out."""
        self._file.close()
