"""Whoever pulls the plugs: a seeded order of faults, given out as fast as the work goes on."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpx

from tests.chaos.installation import Installation
from tests.chaos.proxy import Fault

# Between two faults so much work is to be acknowledged, or so long is waited for it.
_PROGRESS = (1, 6)
_PATIENCE_S = 6.0
_START_PATIENCE_S = 120.0
_PROCESSES: Mapping[str, int] = {
    "worker child": 8,
    "worker": 3,
    "web": 3,
    "web child": 2,
    "documents": 1,
    "beat": 2,
}
_WEATHER: Sequence[Mapping[Fault, float]] = (
    {Fault.NONE: 4, Fault.CUT: 2, Fault.RESET: 1, Fault.DELAY: 2},
    {},
    {Fault.NONE: 2, Fault.CUT: 1, Fault.HALF_CLOSE: 1, Fault.BLACKHOLE: 0.5},
    {Fault.NONE: 1, Fault.DELAY: 4},
    {Fault.NONE: 1, Fault.CUT: 3},
)
# What the PSP does to orders by itself.
_MISCHIEF: Sequence[Mapping[str, object]] = (
    {"behaviour": "slow", "seconds": 0.3, "times": 3},
    {"behaviour": "no_answer", "times": 2},
    {"behaviour": "error_after_accept", "times": 2},
    {"behaviour": "early_webhook", "seconds": 0.2, "times": 2},
    {"behaviour": "duplicate_webhook", "times": 3},
    {"behaviour": "late_webhook", "seconds": 4, "times": 2},
    {"behaviour": "drop_before", "times": 1},
    {"behaviour": "busy", "times": 1},
    {"behaviour": "lost_webhook", "times": 1},
    {"behaviour": "fail", "times": 1, "kind": "transfer"},
    {"behaviour": "return", "times": 1, "kind": "transfer"},
    {"behaviour": "reordered_webhooks", "times": 1, "kind": "transfer"},
    {"behaviour": "fail", "times": 1, "kind": "refund"},
    {"behaviour": "duplicate_webhook", "times": 2, "kind": "funding"},
    {"behaviour": "late_webhook", "seconds": 2, "times": 1, "kind": "funding"},
    {"behaviour": "duplicate_webhook", "times": 2, "kind": "chargeback"},
    # That a case was opened comes behind its end, where that comes soon.
    {"behaviour": "late_webhook", "seconds": 2, "times": 1, "kind": "chargeback"},
)


@dataclass(frozen=True)
class Quota:
    """How many faults of each kind a run has."""

    kills: int
    database_kills: int
    wipes: int

    @property
    def total(self) -> int:
        """All of them together."""
        return self.kills + self.database_kills + self.wipes


class Nemesis:
    """Does what a quota says to an installation, in an order drawn from `chance`."""

    def __init__(
        self,
        installation: Installation,
        chance: random.Random,
        quota: Quota,
        progress: Callable[[], int],
    ) -> None:
        self._installation = installation
        self._chance = chance
        self._progress = progress
        names, weights = list(_PROCESSES), list(_PROCESSES.values())
        self._order = [
            *chance.choices(names, weights=weights, k=quota.kills),
            *["postgres"] * quota.database_kills,
            *["valkey"] * (quota.wipes // 4),
            *["wipe"] * (quota.wipes - quota.wipes // 4),
        ]
        chance.shuffle(self._order)
        self.recoveries_s: list[float] = []

    def rage(self, say: Callable[[str], None]) -> None:
        """Do all of it. To be called from the thread that started the installation."""
        self._installation.line.weights = _WEATHER[0]
        for number, fault in enumerate(self._order, start=1):
            self._change_the_weather()
            self._do(fault)
            self._wait_for_progress()
            if number % 20 == 0:
                say(f"{number} of {len(self._order)} faults, {self._progress()} acknowledged")

    def _do(self, fault: str) -> None:
        installation = self._installation
        if fault == "postgres":
            self.recoveries_s.append(installation.crash_server("postgres"))
        elif fault == "valkey":
            installation.crash_server("valkey")
        elif fault == "wipe":
            installation.wipe_valkey()
        elif fault.endswith(" child"):
            name = fault.removesuffix(" child")
            self._wait_until_ready(name)
            while not installation.kill_child(name):
                time.sleep(0.1)
                self._wait_until_ready(name)
        else:
            self._wait_until_ready(fault)
            installation.kill_program(fault)
            time.sleep(self._chance.choice((0.0, 0.0, self._chance.uniform(0.2, 1.5))))
            installation.restart(fault)

    def _change_the_weather(self) -> None:
        if self._chance.random() < 0.3:
            self._installation.line.weights = self._chance.choice(_WEATHER)
        if self._chance.random() < 0.3:
            mischief = self._chance.choice(_MISCHIEF)
            with suppress(httpx.HTTPError):
                httpx.post(f"{self._installation.psp_direct_url}/scenario", json=dict(mischief))

    def _wait_for_progress(self) -> None:
        # As soon as somebody has been served again; at once, now and then.
        wanted = self._progress() + self._chance.randint(*_PROGRESS)
        give_up_at = time.monotonic() + self._chance.uniform(0.1, _PATIENCE_S)
        while self._progress() < wanted and time.monotonic() < give_up_at:
            self._installation.restart_dead()
            time.sleep(0.02)
        time.sleep(self._chance.uniform(0.0, 0.3))

    def _wait_until_ready(self, name: str) -> None:
        give_up_at = time.monotonic() + _START_PATIENCE_S
        while not self._installation.is_ready(name):
            self._installation.restart_dead()
            assert time.monotonic() < give_up_at, f"{name} did not come back"
            time.sleep(0.05)
