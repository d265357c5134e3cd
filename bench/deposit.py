"""`POST /escrows/{id}/deposit` over HTTP with everything on, against its floor in the same run."""

import itertools
import resource
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import cast
from urllib.parse import urlsplit

from bench.figures import Bound, Figure, Options, Report
from bench.floor import FloorRun, run_floor
from bench.load import Load, drive, http_request
from bench.stack import client_of, created, environment_of, in_a_year, new_user, running_stack
from bench.where import Shares, where_the_time_goes
from kobatela.embedded.postgres import PostgresServer
from kobatela.embedded.stack import Stack

CLIENTS = 16
_ESCROWS_EACH = 20
_LIMIT = {"EUR": "1000000000000.00"}
_TOTAL = "1000000000.00"
_BODY = b'{"amount": "1.00"}'
_REQUIRED, _AIM = 0.20, 0.35


@dataclass(frozen=True)
class Ground:
    """What both sides of the comparison work on; ids run on without a gap."""

    keys: list[str]
    first_key: int
    first_escrow: int


@dataclass(frozen=True)
class Round:
    """One turn of each side, one right after the other."""

    web: Load
    floor: FloorRun
    floor_client_cpu_s: float

    @property
    def ratio(self) -> float:
        """How much of the floor the web reached."""
        return self.web.per_second / self.floor.per_second


def run(options: Options) -> Report:
    """Measure in turns; the ratio is the median of the rounds."""
    rounds, seconds = (3, 2) if options.quick else (5, 10)
    with running_stack() as stack:
        ground = _lay_ground(stack)
        _turn(stack, ground, seconds=2)  # caches, prepared statements and accounts are warm
        turns = [_turn(stack, ground, seconds=seconds) for _ in range(rounds)]
        alone = _drive(stack, ground, clients=1, seconds=seconds)
        shares = where_the_time_goes(stack, ground.keys[0], ground.first_escrow)
        _check_the_books(stack)
    return _report(turns, alone, shares)


def _lay_ground(stack: Stack) -> Ground:
    admin = client_of(stack, stack.credentials["keys"]["admin"])
    provider = new_user(admin, "bench-provider")
    senders = [new_user(admin, f"bench-sender-{number}") for number in range(CLIENTS)]
    keys = [
        created(
            admin.post(
                "/apikeys",
                json={
                    "name": "bench",
                    "scope": "sender",
                    "user_id": sender,
                    "may_confirm_deposits": True,
                    "confirm_limit": _LIMIT,
                    "reason": "The benchmark collects the money itself.",
                },
            )
        )
        for sender in senders
    ]
    escrows = [
        _escrow(stack, key["key"], sender, provider)
        for _ in range(_ESCROWS_EACH)
        for key, sender in zip(keys, senders, strict=True)
    ]
    key_ids = [int(key["id"]) for key in keys]
    _require_unbroken(key_ids)
    _require_unbroken(escrows)
    return Ground([key["key"] for key in keys], key_ids[0], escrows[0])


def _escrow(stack: Stack, key: str, sender: int, provider: int) -> int:
    with client_of(stack, key) as client:
        escrow = created(
            client.post(
                "/escrows",
                json={
                    "client_id": sender,
                    "provider_id": provider,
                    "amount_total": _TOTAL,
                    "currency": "EUR",
                    "release_conditions": {},
                    "deadline_at": in_a_year(),
                },
            )
        )
    return int(escrow["id"])


def _require_unbroken(ids: list[int]) -> None:
    if ids != list(range(ids[0], ids[0] + len(ids))):
        raise RuntimeError("The floor computes ids; on a fresh database they run on unbroken.")


def _turn(stack: Stack, ground: Ground, *, seconds: int) -> Round:
    web = _drive(stack, ground, clients=CLIENTS, seconds=seconds)
    before = _children_cpu_s()
    postgres = cast("PostgresServer", stack.server("postgres"))
    floor = run_floor(
        postgres.bin_dir / "pgbench",
        postgres.app_url(),
        clients=CLIENTS,
        seconds=seconds,
        variables={
            "first_key": ground.first_key,
            "first_escrow": ground.first_escrow,
            "clients": CLIENTS,
            "escrows_each": _ESCROWS_EACH,
        },
    )
    return Round(web, floor, _children_cpu_s() - before)


def _drive(stack: Stack, ground: Ground, *, clients: int, seconds: float) -> Load:
    url = urlsplit(stack.base_url)
    load = drive(
        str(url.hostname),
        int(url.port or 0),
        clients=clients,
        seconds=seconds,
        next_request=_requests(str(url.netloc), ground),
    )
    if set(load.statuses) != {200}:
        raise RuntimeError(f"Deposits were refused: {load.statuses} {load.first_refusal}")
    return load


def _requests(host: str, ground: Ground) -> Callable[[int], bytes]:
    run_id = uuid.uuid4().hex
    numbers = itertools.count()

    def next_request(client: int) -> bytes:
        number = next(numbers)
        escrow = ground.first_escrow + client + CLIENTS * (number % _ESCROWS_EACH)
        return http_request(
            "POST",
            f"/escrows/{escrow}/deposit",
            host=host,
            headers={
                "Authorization": f"Bearer {ground.keys[client]}",
                "Content-Type": "application/json",
                "Idempotency-Key": f"{run_id}-{number}",
            },
            body=_BODY,
        )

    return next_request


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _check_the_books(stack: Stack) -> None:
    """The floor must have done the same work: what it wrote has to stand in the books."""
    subprocess.run(
        [sys.executable, "manage.py", "ledger_check"],
        env=environment_of(stack),
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _report(turns: list[Round], alone: Load, shares: Shares) -> Report:
    web = median(turn.web.per_second for turn in turns)
    floor = median(turn.floor.per_second for turn in turns)
    latencies = sorted(latency for turn in turns for latency in turn.web.latencies_s)
    client_share = median(turn.web.client_cpu_share for turn in turns)
    pgbench_share = median(turn.floor_client_cpu_s / turn.web.seconds for turn in turns)
    alone_ms = median(alone.latencies_s) * 1000
    return Report(
        "deposit",
        [
            Figure(
                "deposits against the floor",
                median(turn.ratio for turn in turns) * 100,
                "%",
                Bound.AT_LEAST,
                _REQUIRED * 100,
                _AIM * 100,
            ),
            Figure("deposits over HTTP, 16 clients", web, "/s"),
            Figure("floor under pgbench, 16 clients", floor, "/s"),
            Figure("p50", latencies[len(latencies) // 2] * 1000, "ms"),
            Figure("p99", latencies[len(latencies) * 99 // 100] * 1000, "ms"),
            Figure("one client alone, p50", alone_ms, "ms"),
        ],
        notes=[
            "ratios of the rounds: " + ", ".join(f"{turn.ratio:.0%}" for turn in turns),
            f"the clients used {client_share:.0%} of one core, pgbench {pgbench_share:.0%}",
            f"where {shares.total_ms:.2f} ms of one request in one process go: {shares}",
            f"over HTTP one client alone takes {alone_ms:.2f} ms: the rest is the web server",
        ],
        details={"sections_ms": shares.sections_ms, "queries": shares.queries},
    )
