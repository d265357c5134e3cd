"""A process that dies at any crash point loses nothing and does nothing twice."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from pytest_django import Settings

from conftest import Scaled
from kobatela.kernel import crashpoints
from kobatela.kernel.crashpoints import CrashpointReached, Ending, crashpoint
from kobatela.rest.checks import no_crashpoint_is_armed
from payments.services.sending import send_payment
from scripts.check_production import made_up_environment
from tests.chaos.crash_scenarios import (
    LONG,
    POINTS_OF,
    SCENARIOS,
    Scenario,
    assert_paid_once,
    payout,
    released,
)
from tests.chaos.dying import dying_at
from tests.house import House, person

CHECKOUT = Path(__file__).resolve().parents[2]
PRODUCT = ("kobatela", "audit", "payments", "escrow", "proofs", "spend")


@pytest.fixture
def disarmed() -> Iterator[None]:
    yield
    crashpoints.arm("")


@pytest.fixture
def busy_house(house: House) -> House:
    """A house whose sender collects the money itself: it is funded in one call."""
    house.sender = person("sender", may_confirm_deposits=True)
    return house


def _points() -> Counter[str]:
    """Every call of `crashpoint` in the product, by name; fails for a name that is computed."""
    found: Counter[str] = Counter()
    for path in (path for top in PRODUCT for path in (CHECKOUT / top).rglob("*.py")):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("crashpoint")):
                continue
            (argument,) = node.args
            assert isinstance(argument, ast.Constant), f"{path}:{node.lineno} has no plain name"
            found[str(argument.value)] += 1
    return found


def test_every_crash_point_is_tried_and_stands_in_one_place() -> None:
    points = _points()
    assert sorted(points - Counter(set(points))) == [], "names that stand in two places"
    assert sorted(set(points) - set(SCENARIOS)) == [], "points that no scenario passes"
    assert sorted(set(SCENARIOS) - set(points)) == [], "scenarios of points that are gone"


@pytest.mark.chaos
@pytest.mark.parametrize("run", POINTS_OF, ids=lambda run: run.__name__)
def test_what_dies_at_a_crash_point_has_its_effect_once(
    busy_house: House, scaled: Scaled, run: Scenario
) -> None:
    for name in POINTS_OF[run] * scaled(ci=1 if run in LONG else 3, soak=50):
        run(busy_house, dying_at(name, Ending.KILL))


@pytest.mark.chaos
@pytest.mark.parametrize("run", POINTS_OF, ids=lambda run: run.__name__)
def test_what_breaks_at_a_crash_point_has_its_effect_once(
    busy_house: House, scaled: Scaled, run: Scenario
) -> None:
    for name in POINTS_OF[run] * scaled(ci=1, soak=50):
        run(busy_house, dying_at(name, Ending.RAISE))


@pytest.mark.chaos
@pytest.mark.parametrize("behaviour", ["no_answer", "slow", "error_after_accept", "busy"])
def test_a_worker_that_dies_beside_a_psp_that_errs_pays_once(
    busy_house: House, settings: Settings, scaled: Scaled, behaviour: str
) -> None:
    settings.KOBATELA_PSP_TIMEOUT_S = 0.3
    for name in POINTS_OF[payout] * scaled(ci=1, soak=50):
        payment = released(busy_house)
        send = partial(send_payment, payment_id=payment.pk)
        scenario = {"behaviour": behaviour, "kind": "transfer", "seconds": 0.5}
        httpx.post(f"{busy_house.psp.url}/scenario", json=scenario, timeout=10)
        dying_at(name, Ending.KILL)(send)
        assert_paid_once(busy_house, payment)
        httpx.delete(f"{busy_house.psp.url}/scenario", timeout=10)


def test_a_point_that_nobody_armed_does_nothing(disarmed: None) -> None:
    crashpoint("payment.asked")
    crashpoints.arm("payment.claimed:raise")
    crashpoint("payment.asked")
    assert crashpoints.armed() == "payment.claimed"


def test_a_point_raises_once(disarmed: None) -> None:
    crashpoints.arm("payment.asked:raise")
    with pytest.raises(CrashpointReached):
        crashpoint("payment.asked")
    crashpoint("payment.asked")


def test_a_point_named_by_the_environment_ends_the_process() -> None:
    code = "from kobatela.kernel.crashpoints import crashpoint; crashpoint('a'); print('alive')"
    for armed, wanted in (("a", (137, "")), ("b", (0, "alive\n")), ("", (0, "alive\n"))):
        ended = subprocess.run(
            [sys.executable, "-c", code],
            cwd=CHECKOUT,
            env={crashpoints.VARIABLE: armed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == wanted


def test_production_refuses_an_armed_point(disarmed: None, settings: Settings) -> None:
    assert no_crashpoint_is_armed(None) == []
    crashpoints.arm("payment.asked")
    assert no_crashpoint_is_armed(None) == []
    settings.KOBATELA_ENV = "production"
    assert [error.id for error in no_crashpoint_is_armed(None)] == ["rest.E002"]


def test_production_does_not_start_with_an_armed_point() -> None:
    environment = made_up_environment() | {crashpoints.VARIABLE: "payment.asked"}
    code = "import sys, manage; sys.argv = ['manage.py', 'check']; manage.main()"
    started = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 1
    assert "rest.E002" in started.stderr
