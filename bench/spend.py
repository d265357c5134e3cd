"""What a decision to spend costs: 16 clients at once, and one client against a plain deposit.

A purchase under a mandate without an escrow is the decision with its locks, its sums over rows,
its record and its audit entry. A payment to a payee is the same and the payment on top.
"""

import itertools
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import httpx

from bench.figures import Bound, Figure, Options, Report
from bench.load import Load, drive, http_request
from bench.stack import client_of, created, in_a_year, new_user, running_stack
from kobatela.embedded.stack import Stack

CLIENTS = 16
_PLENTY = "1000000000000.00"
_TOTAL = "1000000000.00"
_FUNDED = "900000000.00"
_MOST_OVER_DEPOSIT_MS = 3.0


@dataclass(frozen=True)
class Buyer:
    """One client: a sender who lets themselves spend, with an escrow and a payee."""

    key: str
    user_id: int
    escrow_id: int


@dataclass(frozen=True)
class Ground:
    """What the requests are about."""

    buyers: list[Buyer]
    merchant_id: int


@dataclass(frozen=True)
class Turn:
    """Each kind of command by one client alone; medians in ms. Deposits and decisions take turns
    request by request, so that whatever else the machine does hits both."""

    deposit_ms: float
    purchase_ms: float
    payment_ms: float


def run(options: Options) -> Report:
    """Measure the crowd once and the single client in turns."""
    rounds, seconds = (3, 2) if options.quick else (7, 5)
    with running_stack() as stack:
        ground = _lay_ground(stack)
        for make in (_purchase, _deposit, _payment):
            _drive(stack, ground, make, clients=CLIENTS, seconds=2)  # everything is warm
        turns = [_turn(stack, ground, seconds=seconds) for _ in range(rounds)]
        crowd = _drive(stack, ground, _purchase, clients=CLIENTS, seconds=2 * seconds)
        payers = _drive(stack, ground, _payment, clients=CLIENTS, seconds=2 * seconds)
    return _report(turns, crowd, payers)


def _lay_ground(stack: Stack) -> Ground:
    admin = client_of(stack, stack.credentials["keys"]["admin"])
    merchant = created(admin.post("/spend/merchants", json={"name": "Bench", "is_certified": True}))
    provider = new_user(admin, "bench-provider")
    buyers = [_buyer(stack, admin, number, provider) for number in range(CLIENTS)]
    return Ground(buyers, int(merchant["id"]))


def _buyer(stack: Stack, admin: httpx.Client, number: int, provider: int) -> Buyer:
    user = new_user(admin, f"bench-sender-{number}")
    key = created(
        admin.post(
            "/apikeys",
            json={
                "name": "bench",
                "scope": "sender",
                "user_id": user,
                "may_confirm_deposits": True,
                "confirm_limit": {"EUR": _PLENTY},
                "reason": "The benchmark collects the money itself.",
            },
        )
    )["key"]
    with client_of(stack, key) as client:
        escrow = _funded_escrow(client, user, provider)
        mandate = {
            "sender_id": user,
            "beneficiary_id": user,
            "total_amount": _TOTAL,
            "currency": "EUR",
            "max_per_hour": 1_000_000,
            "expires_at": in_a_year(),
        }
        created(client.post("/mandates", json=mandate))
    created(
        admin.post(
            "/spend/allowed",
            json={
                "escrow_id": escrow,
                "payee_ref": "mason",
                "label": "Mason",
                "daily_limit": _FUNDED,
                "total_limit": _FUNDED,
            },
        )
    )
    return Buyer(key, user, escrow)


def _funded_escrow(client: httpx.Client, user: int, provider: int) -> int:
    terms = {
        "client_id": user,
        "provider_id": provider,
        "amount_total": _TOTAL,
        "currency": "EUR",
        "release_conditions": {},
        "deadline_at": in_a_year(),
    }
    escrow = int(created(client.post("/escrows", json=terms))["id"])
    deposit = {"amount": _FUNDED}
    headers = {"Idempotency-Key": "fund"}
    created(client.post(f"/escrows/{escrow}/deposit", json=deposit, headers=headers))
    return escrow


MakeBody = Callable[[Ground, Buyer], tuple[str, dict[str, Any]]]


def _purchase(ground: Ground, buyer: Buyer) -> tuple[str, dict[str, Any]]:
    return "/spend/purchases", {
        "sender_id": buyer.user_id,
        "merchant_id": ground.merchant_id,
        "amount": "1.00",
        "currency": "EUR",
    }


def _deposit(_ground: Ground, buyer: Buyer) -> tuple[str, dict[str, Any]]:
    return f"/escrows/{buyer.escrow_id}/deposit", {"amount": "1.00"}


def _payment(_ground: Ground, buyer: Buyer) -> tuple[str, dict[str, Any]]:
    return "/spend", {"escrow_id": buyer.escrow_id, "payee_ref": "mason", "amount": "1.00"}


def _turn(stack: Stack, ground: Ground, *, seconds: int) -> Turn:
    both = _drive(stack, ground, _deposit, _purchase, clients=1, seconds=2 * seconds).latencies_s
    # The payment last: what it orders keeps a worker and the sandbox busy for a while.
    payment = _drive(stack, ground, _payment, clients=1, seconds=seconds).latencies_s
    return Turn(
        deposit_ms=median(both[0::2]) * 1000,
        purchase_ms=median(both[1::2]) * 1000,
        payment_ms=median(payment) * 1000,
    )


def _drive(stack: Stack, ground: Ground, *makes: MakeBody, clients: int, seconds: float) -> Load:
    """Each client sends the kinds of request in turn."""
    url = urlsplit(stack.base_url)
    load = drive(
        str(url.hostname),
        int(url.port or 0),
        clients=clients,
        seconds=seconds,
        next_request=_requests(str(url.netloc), ground, makes),
    )
    if not set(load.statuses) <= {200, 201}:
        raise RuntimeError(f"Something was refused: {load.statuses} {load.first_refusal}")
    return load


def _requests(host: str, ground: Ground, makes: Sequence[MakeBody]) -> Callable[[int], bytes]:
    run_id = uuid.uuid4().hex
    numbers = itertools.count()
    made = [
        itertools.cycle(
            [
                (path, buyer.key, json.dumps(body).encode())
                for path, body in (make(ground, buyer) for make in makes)
            ]
        )
        for buyer in ground.buyers
    ]

    def next_request(client: int) -> bytes:
        path, key, body = next(made[client])
        return http_request(
            "POST",
            path,
            host=host,
            headers={
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                "Idempotency-Key": f"{run_id}-{next(numbers)}",
            },
            body=body,
        )

    return next_request


def _report(turns: list[Turn], crowd: Load, payers: Load) -> Report:
    over = median(turn.purchase_ms - turn.deposit_ms for turn in turns)
    return Report(
        "spend",
        [
            Figure(
                "decision over a plain deposit, p50",
                over,
                "ms",
                Bound.AT_MOST,
                _MOST_OVER_DEPOSIT_MS,
            ),
            Figure("decisions, 16 clients", crowd.per_second, "/s"),
            Figure("decision, 16 clients, p99", _p99_ms(crowd), "ms"),
            Figure("payments to payees, 16 clients", payers.per_second, "/s"),
            Figure("payment to a payee, 16 clients, p99", _p99_ms(payers), "ms"),
            Figure("one client alone: deposit, p50", median(t.deposit_ms for t in turns), "ms"),
            Figure("one client alone: decision, p50", median(t.purchase_ms for t in turns), "ms"),
            Figure(
                "one client alone: payment to a payee, p50",
                median(turn.payment_ms for turn in turns),
                "ms",
            ),
        ],
        notes=[
            "decision over deposit in each turn, ms: "
            + ", ".join(f"{turn.purchase_ms - turn.deposit_ms:+.2f}" for turn in turns),
            f"the clients used {crowd.client_cpu_share:.0%} of one core",
        ],
    )


def _p99_ms(load: Load) -> float:
    latencies = sorted(load.latencies_s)
    return latencies[len(latencies) * 99 // 100] * 1000
