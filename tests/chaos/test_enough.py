"""A run whose people died, or did next to nothing, is not a clean one."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

from tests.chaos import run
from tests.chaos.enough import LEAVES, Done, too_little
from tests.chaos.journal import Journal
from tests.chaos.journeys import Town, Traveller
from tests.chaos.nemesis import Quota
from tests.chaos.run import People, Plan
from tests.chaos.snapshot import BankReader, Snapshot
from tests.chaos.wider_journeys import Wanderer

CHANCE = random.Random(1)  # noqa: S311 - what to do is no secret
PLAN = Plan(1, Quota(kills=10, database_kills=1, wipes=2), travellers=2)
KINDS = Wanderer.journeys
EVERYTHING = Snapshot(
    proofs=[{"status": "APPROVED"}],
    payments=[{"kind": kind, "status": "SETTLED"} for kind in ("payout", "refund", "spend")],
    chargebacks=[{"status": "WON"}, {"status": "LOST"}],
    lines=[{"status": "SETTLED"}],
    readings=[{"id": 1}],
    purchases=[{"id": 1}],
)
DONE = Done(13, answers=26, snapshots=300, begun=Counter(KINDS), ended=Counter(KINDS))
DESKS = ("SupportDesk", "BatchDesk", "FundsDesk")
HALF = Counter(KINDS[:3])


class _Lost(Traveller):
    """Somebody who trips over what nobody foresaw."""

    journeys: ClassVar = ("stumble",)

    def __init__(self, town: Town, _seed: int, _journeys: object = None) -> None:
        self._town, self._chosen, self._chance = town, self.journeys, CHANCE

    def stumble(self) -> None:
        raise KeyError("paid_to")

    def work(self, _is_over: Callable[[], bool]) -> None:
        self.stumble()


class _LostDesk(_Lost):
    """The same at a desk."""


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    journal = Journal(tmp_path / "journal.jsonl")
    yield Town("http://web", "http://psp", "a", "s", journal, 5.0, lambda _user_id: None, "p")
    journal.close()


def test_whoever_dies_of_an_error_that_nobody_foresaw_is_a_problem(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "Wanderer", _Lost)
    for desk in DESKS:
        monkeypatch.setattr(run, desk, _LostDesk)
    people = People(town, CHANCE, PLAN)
    assert people.come_home()
    people.close_the_desks()
    assert [problem.partition(": KeyError")[0] for problem in sorted(town.journal.problems)] == [
        *["_LostDesk died"] * len(DESKS), "traveller 1 died", "traveller 2 died",
    ]  # fmt: skip
    assert (town.begun, town.ended) == (Counter(stumble=2), Counter())


def test_a_traveller_who_never_comes_home_is_a_problem(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over: list[bool] = []

    def wait(self: _LostDesk, is_closed: Callable[[], bool]) -> None:
        while not (is_closed() and is_over):
            time.sleep(0.01)

    monkeypatch.setattr(_Lost, "travel", wait)
    monkeypatch.setattr(_LostDesk, "work", lambda _self, _is_over: None)
    monkeypatch.setattr(run, "Wanderer", _Lost)
    for desk in DESKS:
        monkeypatch.setattr(run, desk, _LostDesk)
    town.patience_s = 0.05
    people = People(town, CHANCE, PLAN)
    assert not people.come_home()
    is_over.append(True)
    assert town.journal.problems == ["traveller 1 did not end", "traveller 2 did not end"]


def test_a_reader_of_the_books_that_dies_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_args: object, **_options: object) -> None:
        raise KeyError("balance_minor")

    monkeypatch.setattr(psycopg, "connect", stumble)
    reader = BankReader("postgresql://nowhere", lambda _found: [])
    reader.start()
    reader.stop()
    assert [problem.partition(": KeyError")[0] for problem in reader.problems] == [
        "the bank reader died"
    ]


def test_what_was_enough_is_no_problem() -> None:
    assert too_little(DONE, KINDS, EVERYTHING) == []
    short = replace(DONE, begun=HALF, ended=HALF)
    assert too_little(short, KINDS, EVERYTHING) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"answers": 25}, "only 25 answers, at least 26 were to be"),
        ({"answers": 19, "faults": 3}, "only 19 answers, at least 20 were to be"),
        ({"snapshots": 299}, "only 299 snapshots, at least 300 were to be"),
        ({"begun": Counter(), "ended": Counter()}, "nobody set out on any journey"),
        (
            {"begun": HALF + Counter(["quarrel"]), "ended": HALF},
            "of 1 times quarrel only 0 came to an end",
        ),
    ],
)
def test_what_was_too_little_is_told(changes: Mapping[str, Any], problem: str) -> None:
    assert too_little(replace(DONE, **changes), KINDS, EVERYTHING) == [problem]


def test_a_long_run_has_every_kind_of_journey() -> None:
    long = Done(100, answers=200, snapshots=500, begun=HALF, ended=HALF)
    assert too_little(long, KINDS, EVERYTHING) == [
        f"nobody made the journey {kind}" for kind in sorted({*KINDS} - {*HALF})
    ]


@pytest.mark.parametrize("journey", sorted({*KINDS}))
def test_a_journey_that_left_nothing_behind_is_told(journey: str) -> None:
    made = replace(DONE, begun=Counter([journey]), ended=Counter([journey]))
    assert too_little(made, KINDS, EVERYTHING) == []
    assert too_little(made, KINDS, Snapshot()) == [
        f"the journey {journey} was made and left nothing behind"
    ]


def test_what_every_journey_leaves_behind_is_known() -> None:
    assert LEAVES.keys() == {*KINDS}
