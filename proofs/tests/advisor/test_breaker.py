"""The rule of the breaker, against every order of events."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from proofs.advisor.breaker import Breaker, Outcome, Rules, after, ask
from proofs.states import BREAKER_TRANSITIONS, BreakerState
from proofs.tests.factories import NOW

RULES = Rules(failures_to_open=3, open_for=timedelta(seconds=60), probe_for=timedelta(seconds=30))
OPEN = Breaker(state=BreakerState.OPEN, failures=3, opened_at=NOW)
SECOND = timedelta(seconds=1)


def test_failures_in_a_row_open_it_and_an_answer_between_starts_anew() -> None:
    breaker = Breaker()
    for outcome in (Outcome.FAILED, Outcome.FAILED, Outcome.ANSWERED, Outcome.FAILED):
        breaker = after(breaker, outcome, NOW, RULES)
    assert (breaker.state, breaker.failures) == (BreakerState.CLOSED, 1)

    for _ in range(2):
        breaker = after(breaker, Outcome.FAILED, NOW, RULES)
    assert (breaker.state, breaker.opened_at) == (BreakerState.OPEN, NOW)


def test_open_it_lets_nothing_through_until_its_time_and_then_one() -> None:
    early, _ = ask(OPEN, NOW + timedelta(seconds=59), RULES)
    probe, half_open = ask(OPEN, NOW + timedelta(seconds=60), RULES)
    second, _ = ask(half_open, NOW + timedelta(seconds=61), RULES)

    assert (early, probe, second) == (False, True, False)
    assert half_open.state is BreakerState.HALF_OPEN


def test_the_probe_decides() -> None:
    _, half_open = ask(OPEN, NOW + timedelta(seconds=60), RULES)
    later = NOW + timedelta(seconds=62)

    assert after(half_open, Outcome.ANSWERED, later, RULES) == Breaker(opened_at=NOW)
    failed = after(half_open, Outcome.FAILED, later, RULES)
    assert (failed.state, failed.opened_at) == (BreakerState.OPEN, later)


def test_a_probe_that_made_no_call_leaves_its_turn_to_the_next() -> None:
    _, half_open = ask(OPEN, NOW + timedelta(seconds=60), RULES)

    again, _ = ask(after(half_open, Outcome.NOT_MADE, NOW, RULES), NOW + 61 * SECOND, RULES)

    assert again


def test_a_probe_that_is_never_heard_of_again_is_replaced() -> None:
    _, half_open = ask(OPEN, NOW + timedelta(seconds=60), RULES)

    assert not ask(half_open, NOW + timedelta(seconds=89), RULES)[0]
    assert ask(half_open, NOW + timedelta(seconds=90), RULES)[0]


def test_while_it_is_open_calls_from_before_change_nothing() -> None:
    for outcome in Outcome:
        assert after(OPEN, outcome, NOW + timedelta(seconds=5), RULES) == OPEN


@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", *Outcome]), st.integers(min_value=0, max_value=70)),
        max_size=60,
    )
)
def test_it_moves_only_as_its_table_says_and_never_stays_open_for_ever(
    events: list[tuple[str, int]],
) -> None:
    breaker, now = Breaker(), NOW
    for event, seconds in events:
        now += seconds * SECOND
        before = breaker.state
        if event == "ask":
            _, breaker = ask(breaker, now, RULES)
        else:
            breaker = after(breaker, Outcome(event), now, RULES)
        assert breaker.state is before or breaker.state in BREAKER_TRANSITIONS[before]
        assert breaker.state is BreakerState.CLOSED or breaker.opened_at is not None
    # Whatever happened, after its times somebody may try.
    assert ask(breaker, now + RULES.open_for + RULES.probe_for, RULES)[0]
