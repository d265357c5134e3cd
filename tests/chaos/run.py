"""One run: an installation, its people, whoever pulls the plugs, and the judges."""

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.chaos import checkers
from tests.chaos.batch_desk import BatchDesk
from tests.chaos.crew import Hand
from tests.chaos.deal_books import deals
from tests.chaos.durability import durable
from tests.chaos.enough import Done, too_little
from tests.chaos.funds_desk import FundsDesk, booked_from, unbooked
from tests.chaos.installation import Installation, running
from tests.chaos.journal import Acknowledged, Journal
from tests.chaos.journeys import SupportDesk, Town, Traveller
from tests.chaos.nemesis import Nemesis, Quota
from tests.chaos.payees import payees
from tests.chaos.snapshot import BankReader, Snapshot, take_snapshot
from tests.chaos.trail import audit
from tests.chaos.wider_journeys import Wanderer

CHECKOUT = Path(__file__).resolve().parents[2]
# The promise: so long after the last fault everything is done.
FINISHED_WITHIN_S = 60.0
_SHOWN_PROBLEMS = 12
_SERVERS = frozenset({"postgres", "valkey", "wipe"})

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a run tries.

    travellers: how many senders are at work at once. replays: how many answers are asked for again.
    build: "" for the whole one, or a broken one's name; people make only the main journeys in that,
    which it can bring to an end now and then. patience_s: when a client gives up.
    """

    seed: int
    quota: Quota
    travellers: int = 3
    replays: int = 100
    build: str = ""
    finished_within_s: float = FINISHED_WITHIN_S
    patience_s: float = 150.0
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def journeys(self) -> Sequence[str]:
        """What people do."""
        return Traveller.journeys if self.build else Wanderer.journeys


@dataclass
class Report:
    """What a run found. problems: by the name of the checker that found them."""

    seed: int
    problems: dict[str, list[str]] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether nobody found anything."""
        return not any(self.problems.values())

    def __str__(self) -> str:
        lines = [f"seed {self.seed}"]
        lines += [f"  {name:<28} {value}" for name, value in self.figures.items()]
        for name, found in self.problems.items():
            lines.append(f"  {name + ':':<28} {len(found) or 'nothing'} wrong")
            lines += [f"      {problem}" for problem in found[:_SHOWN_PROBLEMS]]
        return "\n".join(lines)


def run_chaos(plan: Plan, say: Say = lambda _line: None) -> Report:
    """Do what the plan says and report. Must be called from a thread that lives as long."""
    report = Report(plan.seed)
    chance = random.Random(plan.seed)  # noqa: S311 - a seed is to be repeated
    with running(chance, build=plan.build, environment=plan.environment) as installation:
        say(f"everything runs below {installation.var}")
        journal = Journal(installation.var / "journal.jsonl")
        reader = BankReader(installation.owner_url, checkers.bank)
        reader.start()
        town = _town(installation, journal, plan.patience_s)
        people = People(town, chance, plan)
        nemesis = Nemesis(installation, chance, plan.quota, lambda: journal.count)
        started = time.monotonic()
        nemesis.rage(say)
        raged_s = time.monotonic() - started
        say("healing")
        installation.heal()
        found = _judge(plan, report, installation, town, people)
        reader.stop()
        journal.close()
        report.problems["bank"] = reader.problems
        answers = journal.count - people.settled_in_with
        done = Done(plan.quota.total, answers, reader.count, town.begun, town.ended)
        report.problems["enough"] = too_little(done, plan.journeys, found)
        _fill_in(report, installation, journal, nemesis)
        report.figures |= {
            "journeys": dict(town.ended),
            "rage_s": round(raged_s, 1),
            "bank snapshots": reader.count,
        }
        if not report.is_clean:
            # Whoever looks into it needs the logs.
            report.figures["kept in"] = _keep(installation)
    return report


class People:
    """Everybody's threads.

    settled_in_with: how many answers there were before the first journey.
    """

    def __init__(self, town: Town, chance: random.Random, plan: Plan) -> None:
        self._patience_s = town.patience_s
        self._is_over = threading.Event()
        self._desk_is_over = threading.Event()
        seeds = [chance.randrange(2**32) for _ in range(plan.travellers)]
        everybody = [Wanderer(town, seed, plan.journeys) for seed in seeds]
        desks = [
            desk(town, chance.randrange(2**32)) for desk in (SupportDesk, BatchDesk, FundsDesk)
        ]
        self.settled_in_with = town.journal.count
        complain = town.journal.complain
        self._travellers = [
            Hand(f"traveller {number}", partial(one.travel, self._is_over.is_set), complain)
            for number, one in enumerate(everybody, start=1)
        ]
        self._desks = [
            Hand(type(desk).__name__, partial(desk.work, self._desk_is_over.is_set), complain)
            for desk in desks
        ]
        for hand in (*self._travellers, *self._desks):
            hand.start()

    def come_home(self) -> bool:
        """Let everybody end the journey under way; whether they did in time."""
        self._is_over.set()
        give_up_at = time.monotonic() + self._patience_s
        are_home = [hand.ends_within(give_up_at - time.monotonic()) for hand in self._travellers]
        return all(are_home)

    def close_the_desks(self) -> None:
        """Nothing is left to be tried again."""
        self._desk_is_over.set()
        for desk in self._desks:
            desk.ends_within(60)


def _judge(
    plan: Plan, report: Report, installation: Installation, town: Town, people: People
) -> Snapshot:
    healed_at = time.monotonic()
    problems = report.problems
    came_home = people.come_home()
    give_up_at = max(healed_at + plan.finished_within_s, time.monotonic() + 5)
    left = _wait_until_quiet(installation, give_up_at)
    took_s = time.monotonic() - healed_at
    report.figures["finished after healing, s"] = round(took_s, 1)
    if not left and took_s > plan.finished_within_s:
        left = [f"everything was finished only {took_s:.0f} s after healing"]
    if not came_home:
        left.append("some clients are still not answered")
    problems["liveness"] = left
    people.close_the_desks()
    journal = town.journal
    problems["answers"] = journal.problems
    books = _books(installation)
    found = take_snapshot(installation.owner_url)
    problems["durable"] = durable(found, journal.acknowledged)
    problems["deals"] = deals(found, town.deals)
    problems["paid_once"] = checkers.paid_once(found, books)
    problems["payees"] = payees(found, books)
    problems["paid_by_people"] = checkers.paid_by_people(found, town.paid_lines)
    problems["moves"] = unbooked(found, town.booked_moves)
    problems["psp_books"] = checkers.psp_books(found, books)
    problems["one_payout"] = checkers.one_payout(found)
    problems["audit"] = audit(found)
    problems["ledger"] = [*checkers.bank(found), *_ledger_check(installation)]
    problems["replay"] = _replay(plan, town, random.Random(plan.seed))  # noqa: S311 - likewise
    _count(report, found, books)
    return found


def _wait_until_quiet(installation: Installation, give_up_at: float) -> list[str]:
    while True:
        left = _left_to_do(installation)
        if not left or time.monotonic() > give_up_at:
            return left
        time.sleep(0.3)


def _left_to_do(installation: Installation) -> list[str]:
    try:
        found = take_snapshot(installation.owner_url, *checkers.LOOKED_AT)
        return checkers.unfinished(found, _books(installation))
    except (psycopg.Error, httpx.HTTPError) as error:
        return [f"it cannot be asked: {error}"]


def _books(installation: Installation) -> dict[str, Any]:
    books: dict[str, Any] = httpx.get(f"{installation.psp_direct_url}/books", timeout=30).json()
    return books


def _ledger_check(installation: Installation) -> list[str]:
    """What the product's own check says."""
    result = subprocess.run(
        [sys.executable, "manage.py", "ledger_check"],
        cwd=CHECKOUT,
        env=dict(installation.variables),
        capture_output=True,
        text=True,
        check=False,
    )
    return [] if result.returncode == 0 else [(result.stdout + result.stderr)[-2000:]]


def _replay(plan: Plan, town: Town, chance: random.Random) -> list[str]:
    """Ask again what was answered: the same answer, byte for byte, and nothing happens."""
    keyed = [answer for answer in town.journal.acknowledged if answer.asked.key]
    client = town.client(town.support_key, chance)
    problems = []
    for answer in chance.sample(keyed, k=min(plan.replays, len(keyed))):
        again = client.send(answer.asked)
        if again is None or again.headers.get("Idempotent-Replayed") != "true":
            problems.append(f"{answer.asked.path} under {answer.asked.key} ran again")
        elif not _is_same(answer, again.content):
            problems.append(f"{answer.asked.path} was {answer.content!r}, is {again.content!r}")
    client.close()
    return problems


def _is_same(answer: Acknowledged, content: bytes) -> bool:
    if answer.content == content:
        return True
    # A secret is shown once; all the rest is the same.
    first = json.loads(answer.content)
    shown_once = [name for name in ("client_secret", "key") if first.get(name)]
    return bool(shown_once) and first | dict.fromkeys(shown_once) == json.loads(content)


def _town(installation: Installation, journal: Journal, patience_s: float) -> Town:
    keys, admin = installation.credentials["keys"], installation.credentials["admin"]

    def make_staff(user_id: int) -> None:
        with psycopg.connect(installation.owner_url) as connection:
            connection.execute(
                "UPDATE accounts_user SET is_staff = true, password ="
                " (SELECT password FROM accounts_user WHERE username = %s) WHERE id = %s",
                [admin["username"], user_id],
            )
            connection.execute(
                "INSERT INTO accounts_user_groups (user_id, group_id)"
                " SELECT %s, id FROM auth_group WHERE name = 'support'",
                [user_id],
            )

    return Town(
        base_url=installation.base_url,
        psp_url=installation.psp_direct_url,
        admin_key=keys["admin"],
        support_key=keys["support"],
        journal=journal,
        patience_s=patience_s,
        make_staff=make_staff,
        staff_password=admin["password"],
    )


def _count(report: Report, found: Snapshot, books: Mapping[str, Any]) -> None:
    report.figures |= {
        "escrows": len(found.escrows),
        "payments": len(found.payments),
        "attempts": len(found.attempts),
        "orders at the PSP": len(books["transfers"]) + len(books["refunds"]),
        "fundings at the PSP": len(books["fundings"]),
        "chargebacks": dict(Counter(row["status"] for row in found.chargebacks)),
        "batches": dict(Counter(row["status"] for row in found.batches)),
        "lines paid by people": dict(Counter(row["status"] for row in found.lines)),
        "documents read": len(found.readings),
        "moves of funds from": dict(Counter(booked_from(found))),
        "purchases": dict(Counter(row["status"] for row in found.purchases)),
        "audit entries": len(found.entries),
        "alerts": dict(Counter(row["type"] for row in found.alerts)),
        "runs of jobs": dict(Counter(row["status"] for row in found.jobs)),
    }


def _fill_in(
    report: Report, installation: Installation, journal: Journal, nemesis: Nemesis
) -> None:
    kills = installation.kills
    processes = {name: count for name, count in kills.items() if name not in _SERVERS}
    report.figures |= {
        "process kills": f"{sum(processes.values())} {processes}",
        "PostgreSQL kills": f"{kills['postgres']}, back after at most "
        f"{max(nemesis.recoveries_s, default=0):.1f} s",
        "Valkey wipes": f"{kills['wipe'] + kills['valkey']} ({kills['valkey']} by killing it)",
        "line to the PSP": {str(name): count for name, count in installation.line.seen.items()},
        "acknowledged": journal.count,
        "asked more than once": sum(answer.tries > 1 for answer in journal.acknowledged),
        "what clients got": dict(journal.statuses),
    }


def _keep(installation: Installation) -> str:
    """Copy the logs away from the folder that goes."""
    kept = CHECKOUT / "var" / f"chaos-{installation.var.name}"
    kept.mkdir(parents=True, exist_ok=True)
    for path in (installation.log_dir, installation.var / "journal.jsonl"):
        subprocess.run(["cp", "-r", str(path), str(kept)], check=False)
    return str(kept)
