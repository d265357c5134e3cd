"""Where the time of one deposit goes: the same request inside one process, with a stopwatch."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from bench.stack import environment_of
from kobatela.embedded.stack import Stack


@dataclass(frozen=True)
class Shares:
    """Milliseconds of one request by section, each without the sections inside it."""

    sections_ms: Mapping[str, float]
    queries: float

    @property
    def total_ms(self) -> float:
        """All of it."""
        return sum(self.sections_ms.values())

    def __str__(self) -> str:
        largest = sorted(self.sections_ms.items(), key=lambda item: -item[1])
        parts = [f"{name} {ms:.2f} ({ms / self.total_ms:.0%})" for name, ms in largest]
        return ", ".join(parts) + f"; {self.queries:g} statements"


def where_the_time_goes(stack: Stack, key: str, escrow_id: int, *, count: int = 400) -> Shares:
    """Run `count` deposits in a process with stopwatches around the parts."""
    result = subprocess.run(
        [sys.executable, "-m", "bench.stopwatch", key, str(escrow_id), str(count)],
        env=environment_of(stack),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"The profile did not run:\n{result.stderr[-3000:]}")
    answer = json.loads(result.stdout.splitlines()[-1])
    return Shares(answer["sections_ms"], answer["queries"])
