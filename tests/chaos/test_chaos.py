"""The short form of `make chaos`; in a soak the full one, and builds broken on purpose."""

import os
import re
import secrets

import pytest

from conftest import SCALE, Scaled
from tests.chaos.broken_builds import BUILDS
from tests.chaos.nemesis import Quota
from tests.chaos.run import Plan, run_chaos

pytestmark = pytest.mark.chaos

# An ordinary day repeats one seed; a soak draws another each time, and prints it.
_FIXED_SEED = 20_261_126
# Which checker must find what a broken build does, and in which words.
_FOUND_BY = {
    "no_psp_key": ("paid_once", r"was paid [2-9]\d* times"),
    "key_per_attempt": ("paid_once", r"was paid [2-9]\d* times"),
    "no_lock": ("bank", "its row says"),
    "wrong_payee": ("payees", "it is owed to"),
}


@pytest.fixture
def seed() -> int:
    drawn = secrets.randbelow(2**31) if SCALE == "soak" else _FIXED_SEED
    seed = int(os.environ.get("KOBATELA_CHAOS_SEED") or drawn)
    print(f"KOBATELA_CHAOS_SEED={seed}")
    return seed


def test_whatever_is_killed_the_money_is_right(seed: int, scaled: Scaled) -> None:
    quota = Quota(
        kills=scaled(ci=10, soak=200),
        database_kills=scaled(ci=1, soak=10),
        wipes=scaled(ci=2, soak=20),
    )

    report = run_chaos(Plan(seed, quota, replays=scaled(ci=40, soak=1_000)))

    print(report)
    assert report.is_clean, str(report)


@pytest.mark.parametrize("build", BUILDS)
def test_a_build_that_is_broken_on_purpose_is_found(seed: int, build: str) -> None:
    if SCALE != "soak":
        pytest.skip("A minute for each build; the checkers themselves are tried every day.")
    quota = Quota(kills=15, database_kills=0, wipes=0)
    plan = Plan(seed, quota, build=build, finished_within_s=15, patience_s=20, replays=0)

    report = run_chaos(plan)

    print(report)
    checker, words = _FOUND_BY[build]
    assert any(re.search(words, problem) for problem in report.problems[checker]), str(report)
