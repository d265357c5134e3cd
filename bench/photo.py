"""A 4 MB photo proof: how long one client waits, and what memory sixteen at once take."""

import os
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

import httpx

from bench.figures import Bound, Figure, Options, Report
from bench.processes import Peak, watch_memory
from bench.stack import client_of, created, in_a_year, new_user, running_stack
from kobatela.embedded.sample_photos import make_photo
from kobatela.embedded.stack import Stack
from kobatela.kernel import clock

_SITE = (14.6937, -17.44406)
_PHOTO_BYTES = 4_000_000
_WIDTH, _HEIGHT = 4000, 3000
_CLIENTS = 16
_P50_MAX_MS = 150
_RSS_MAX_MB = 250
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Parties:
    """Who takes part: keys and ids."""

    sender: httpx.Client
    provider: httpx.Client
    sender_id: int
    provider_id: int


def run(options: Options) -> Report:
    """One client after the other first, then sixteen at once."""
    singles, waves = (6, 1) if options.quick else (30, 3)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        photos = list(pool.map(_photo, [secrets.randbelow(2**32) for _ in range(singles)]))
    with running_stack() as stack:
        parties = _parties(stack)
        alone = _one_after_the_other(parties, photos)
        with watch_memory(stack.program("web").pid) as at_rest:
            time.sleep(1)
        with watch_memory(stack.program("web").pid) as peak:
            together = [_sixteen_at_once(parties, photos) for _ in range(waves)]
    return _report(alone, [ms for wave in together for ms in wave], at_rest, peak)


def _photo(seed: int) -> bytes:
    return make_photo(
        # No two at one place in one second: they would wait for a person.
        latitude=_SITE[0] + seed % 1000 * 1e-7,
        longitude=_SITE[1] + seed // 1000 % 1000 * 1e-7,
        taken_at=clock.now(),
        seed=seed,
        width=_WIDTH,
        height=_HEIGHT,
        target_bytes=_PHOTO_BYTES,
    )


def _parties(stack: Stack) -> Parties:
    admin = client_of(stack, stack.credentials["keys"]["admin"])
    sender_id, provider_id = new_user(admin, "bench-sender"), new_user(admin, "bench-provider")
    sender_key = {
        "name": "bench",
        "scope": "sender",
        "user_id": sender_id,
        "may_confirm_deposits": True,
        "confirm_limit": {"EUR": "1000000.00"},
        "reason": "The benchmark collects the money itself.",
    }
    provider_key = {"name": "bench", "scope": "provider", "user_id": provider_id}
    keys = [
        created(admin.post("/apikeys", json=wanted))["key"] for wanted in (sender_key, provider_key)
    ]
    return Parties(client_of(stack, keys[0]), client_of(stack, keys[1]), sender_id, provider_id)


def _funded_escrow(parties: Parties, milestones: int) -> int:
    """An escrow whose milestones each want a photo from the site."""
    escrow = created(
        parties.sender.post(
            "/escrows",
            json={
                "client_id": parties.sender_id,
                "provider_id": parties.provider_id,
                "amount_total": f"{milestones}.00",
                "currency": "EUR",
                "release_conditions": {},
                "deadline_at": in_a_year(),
                "milestones": [
                    {
                        "sequence_index": number,
                        "label": f"Part {number}",
                        "amount": "1.00",
                        "proof_kind": "PHOTO",
                        "geofence_lat": str(_SITE[0]),
                        "geofence_lng": str(_SITE[1]),
                        "geofence_radius_m": "100",
                        "max_age_minutes": 120,
                    }
                    for number in range(1, milestones + 1)
                ],
            },
        )
    )
    created(
        parties.sender.post(
            f"/escrows/{escrow['id']}/deposit",
            json={"amount": f"{milestones}.00"},
            headers={"Idempotency-Key": secrets.token_hex(16)},
        )
    )
    return int(escrow["id"])


def _one_after_the_other(parties: Parties, photos: Sequence[bytes]) -> list[float]:
    escrow_id = _funded_escrow(parties, len(photos))
    waited_ms = []
    for number, photo in enumerate(photos, start=1):
        started = time.perf_counter()
        proof = _send(parties, escrow_id, number, photo)
        waited_ms.append((time.perf_counter() - started) * 1000)
        if proof["status"] != "APPROVED":
            raise RuntimeError(f"A clean photo was not approved: {proof['review_reasons']}")
    return waited_ms


def _sixteen_at_once(parties: Parties, photos: Sequence[bytes]) -> list[float]:
    escrows = [_funded_escrow(parties, 1) for _ in range(_CLIENTS)]
    together = threading.Barrier(_CLIENTS)

    def client(number: int) -> float:
        # The same pictures again, told apart by bytes after the end of the image.
        photo = photos[number % len(photos)] + secrets.token_bytes(16)
        together.wait()
        started = time.perf_counter()
        _send(parties, escrows[number], 1, photo)
        return (time.perf_counter() - started) * 1000

    with ThreadPoolExecutor(_CLIENTS) as pool:
        return list(pool.map(client, range(_CLIENTS)))


def _send(parties: Parties, escrow_id: int, milestone_idx: int, photo: bytes) -> dict[str, object]:
    return created(
        parties.provider.post(
            "/proofs",
            data={
                "escrow_id": str(escrow_id),
                "milestone_idx": str(milestone_idx),
                "type": "PHOTO",
            },
            files={"file": ("photo.jpg", photo, "image/jpeg")},
        )
    )


def _report(alone: list[float], together: list[float], at_rest: Peak, peak: Peak) -> Report:
    return Report(
        "photo",
        [
            Figure(
                "photo proof of 4 MB, one client, p50",
                median(alone),
                "ms",
                Bound.AT_MOST,
                _P50_MAX_MS,
            ),
            Figure("the same, slowest", max(alone), "ms"),
            Figure(
                "RSS of the largest web process under 16 uploads",
                peak.web_process_bytes / _MEGABYTE,
                "MB",
                Bound.AT_MOST,
                _RSS_MAX_MB,
            ),
            Figure("the same before them", at_rest.web_process_bytes / _MEGABYTE, "MB"),
            Figure("all web processes under 16 uploads", peak.web_bytes / _MEGABYTE, "MB"),
            Figure("the same before them, in all", at_rest.web_bytes / _MEGABYTE, "MB"),
            Figure("RSS of the readers' processes", peak.children_bytes / _MEGABYTE, "MB"),
            Figure("16 at once, p50", median(together), "ms"),
        ],
        notes=[
            f"uploads measured: {len(alone)} alone, {len(together)} in waves of {_CLIENTS}",
            f"web is {peak.web_processes} processes, the readers {peak.child_processes}",
            "memory that processes share is counted for each of them",
        ],
    )
