"""The floor: the same database work as fixed SQL under pgbench, without any program above it."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

FLOOR_SQL = Path(__file__).with_name("floor.sql")
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_LATENCY = re.compile(r"^latency average = ([0-9.]+) ms", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class FloorRun:
    """What pgbench measured."""

    per_second: float
    latency_ms: float


def run_floor(
    pgbench: Path,
    database_url: str,
    *,
    clients: int,
    seconds: int,
    variables: Mapping[str, int],
) -> FloorRun:
    """Run bench/floor.sql with `clients` connections. Raises RuntimeError when pgbench fails."""
    url = urlsplit(database_url)
    command = [
        str(pgbench), "--no-vacuum", "--protocol=prepared", f"--file={FLOOR_SQL}",
        f"--client={clients}", "--jobs=1", f"--time={seconds}",
        f"--host={url.hostname}", f"--port={url.port}", f"--username={unquote(url.username or '')}",
        *(f"--define={name}={value}" for name, value in variables.items()),
        url.path.lstrip("/"),
    ]  # fmt: skip
    result = subprocess.run(
        command,
        env=os.environ | {"PGPASSWORD": unquote(url.password or "")},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 120,
    )
    output = result.stdout + result.stderr
    tps, latency, failed = (_find(pattern, output) for pattern in (_TPS, _LATENCY, _FAILED))
    if result.returncode != 0 or tps is None or latency is None or failed:
        raise RuntimeError(f"pgbench did not run the floor:\n{output}")
    return FloorRun(per_second=tps, latency_ms=latency)


def _find(pattern: re.Pattern[str], output: str) -> float | None:
    found = pattern.search(output)
    return float(found.group(1)) if found else None
