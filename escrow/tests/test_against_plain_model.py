"""The escrow's money against a plain Python model: any sequence of commands ends the same."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conftest import SCALE
from escrow.tests.books import assert_in_order
from escrow.tests.plain_model import Part, PlainEscrow, Refused
from escrow.tests.real_escrow import RealEscrow, assert_agrees
from escrow.tests.savepoints import savepoint, undone
from kobatela.kernel import clock
from kobatela.kernel.errors import DomainError
from payments.tests.conftest import psp as psp  # noqa: PLC0414 - the PSP of a test, in memory
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db
TOTAL = 100
RUNS, STEPS_MIN, STEPS_MAX = (300, 50, 50) if SCALE == "soak" else (32, 0, 14)
DAY = 24
# Small ones fit into what is left more often.
amounts = st.one_of(st.integers(1, 40), st.integers(1, 120))
numbers = st.integers(0, 9)
# Past an inspection, a deadline, what evidence may defer it by, and what a PSP may hold for.
HOURS = [DAY + 1, DAY + 1, DAY + 1, 4 * DAY, 8 * DAY, 31 * DAY, 61 * DAY]
# What ends an escrow, or freezes it, is drawn together: alone each would end most of them early.
ENDERS = ["approve", "turn_down", "give_back", "deliver", "dispute"]
PSP_MOVES = ["send", "send", "settle", "settle", "fail", "come_back", "execute"]

STEPS = st.one_of(
    st.tuples(st.sampled_from(["deposit", "report"]), amounts),
    st.tuples(st.just("prove")),
    st.tuples(st.just("prove")),
    st.tuples(st.just("decide"), st.sampled_from([True, True, False])),
    st.tuples(st.just("decide"), st.sampled_from([True, True, False])),
    st.tuples(st.sampled_from(ENDERS)),
    st.tuples(st.just("resolve"), st.integers(0, 110)),
    st.tuples(st.sampled_from(["take_out", "spend", "buy"]), amounts),
    st.tuples(st.sampled_from(["spend", "buy", "buy"]), amounts),
    st.tuples(st.just("bring_back"), numbers),
    st.tuples(st.just("contest"), numbers, amounts),
    st.tuples(st.just("judge"), numbers, st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from(HOURS)),
    st.tuples(st.sampled_from(PSP_MOVES), numbers),
    st.tuples(st.sampled_from(PSP_MOVES), numbers),
)

# Most drawn steps leave an escrow open; each example ends in one of these ways.
ENDINGS = st.one_of(
    st.just([("approve",)]),
    st.just([("turn_down",)]),
    st.just([("give_back",)]),
    st.just([("deliver",), ("wait", 4 * DAY)]),
    st.just([("wait", 31 * DAY)]),
    st.integers(0, 110).map(lambda release: [("dispute",), ("resolve", release)]),
)
# What few drawn sequences come to: refunds and purchases that fail or come back around a bank's
# word, so that all or a part of them is kept for what the payer owes.
RARE = {
    "a refund fails, and all of it is owed": [
        ("give_back",), ("send", 0), ("contest", 0, 60), ("judge", 0, False), ("fail", 0),
        ("execute", 0), ("send", 1),
    ],
    "a refund comes back, and a part of it is owed": [
        ("spend", 30), ("give_back",), ("send", 1), ("settle", 1), ("contest", 0, 60),
        ("judge", 0, False), ("come_back", 1), ("execute", 3), ("send", 3),
    ],
    "a refund that failed is kept as the bank takes the money": [
        ("give_back",), ("send", 0), ("fail", 0), ("contest", 0, 60), ("judge", 0, False),
        ("send", 1), ("execute", 1), ("send", 1), ("settle", 1),
    ],
    "a refund that waits is kept as the bank takes the money": [
        ("give_back",), ("contest", 0, 60), ("judge", 0, False), ("send", 0), ("send", 1),
        ("contest", 0, 20), ("fail", 1), ("judge", 0, True), ("execute", 1),
    ],
    "a purchase is on its way, arrives and comes back": [
        ("buy", 20), ("send", 0), ("bring_back", 0), ("settle", 0), ("bring_back", 0),
        ("come_back", 0), ("send", 1), ("bring_back", 0),
    ],
    "a purchase that failed is taken back after all is over": [
        ("buy", 20), ("give_back",), ("send", 0), ("fail", 0), ("contest", 0, 90),
        ("judge", 0, False), ("bring_back", 0), ("send", 2), ("fail", 2),
    ],
}  # fmt: skip
_BY_NAME = {"decide": "accept", "judge": "is_won"}


def _act(target: Any, name: str, *values: Any) -> Callable[[], None]:
    command = getattr(target, name)
    if name in _BY_NAME:
        return partial(command, *values[:-1], **{_BY_NAME[name]: values[-1]})
    return partial(command, *values)


def _is_done(act: Callable[[], None]) -> bool:
    try:
        with savepoint():
            act()
    except (DomainError, Refused):
        return False
    return True


def _and_rare(test: Callable[..., None]) -> Callable[..., None]:
    """With every rare sequence, by whatever is drawn."""
    for steps in RARE.values():
        test = example(parts=[], on_deadline="refund", start=TOTAL, steps=steps, ending=[])(test)
    return test


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=RUNS,
)
@given(
    parts=st.lists(st.integers(1, 30), max_size=3),
    on_deadline=st.sampled_from(["refund", "release", "review"]),
    start=st.sampled_from([TOTAL, TOTAL, 50, 0]),
    steps=st.lists(STEPS, min_size=STEPS_MIN, max_size=STEPS_MAX),
    ending=ENDINGS,
)
@_and_rare
def test_any_sequence_of_commands_ends_as_the_plain_model_says(
    psp: StubPsp,
    parts: list[int],
    on_deadline: str,
    start: int,
    steps: list[tuple[Any, ...]],
    ending: list[tuple[Any, ...]],
) -> None:
    with undone():
        real = RealEscrow(TOTAL, parts, on_deadline, psp)
        plain = PlainEscrow(TOTAL, [Part(amount) for amount in parts], on_deadline)
        first: list[tuple[Any, ...]] = [("report", start)] if start else []
        for step in first + steps + ending:
            with clock.frozen(real.now):
                done, expected = _is_done(_act(real, *step)), _is_done(_act(plain, *step))
            with clock.frozen(real.now):
                real.act()
            plain.act()
            assert done == expected, step
            assert_agrees(real, plain)
        assert_in_order()
