"""The clock, transitions, canonical JSON, simulation traces and request ids."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from kobatela.kernel import clock, context, trace
from kobatela.kernel.admin import readable_amounts
from kobatela.kernel.canonical import canonical_json
from kobatela.kernel.errors import DomainError, InvalidState, Kind, published_codes
from kobatela.kernel.transitions import check_transition

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Light(StrEnum):
    RED = "RED"
    GREEN = "GREEN"


TABLE = {Light.RED: frozenset({Light.GREEN}), Light.GREEN: frozenset[Light]()}


def test_a_frozen_clock_stands_and_moves_only_when_told() -> None:
    with clock.frozen(MOMENT):
        assert clock.now() == MOMENT
        clock.advance(timedelta(minutes=5))
        assert clock.now() == MOMENT + timedelta(minutes=5)
    assert clock.now() > MOMENT + timedelta(minutes=5)


def test_a_running_clock_cannot_be_moved() -> None:
    with pytest.raises(RuntimeError):
        clock.advance(timedelta(seconds=1))


def test_the_clock_takes_no_naive_moment() -> None:
    with pytest.raises(ValueError, match="aware"), clock.frozen(datetime(2026, 1, 1)):  # noqa: DTZ001
        pass


def test_a_move_outside_the_table_is_refused_and_named() -> None:
    check_transition(TABLE, Light.RED, Light.GREEN, subject="light:1")
    with pytest.raises(InvalidState) as refusal:
        check_transition(TABLE, Light.GREEN, Light.RED, subject="light:1")
    assert refusal.value.details == {"current": "GREEN", "wanted": "RED"}


def test_a_simulation_hears_of_postings_and_moves_and_nobody_does_afterwards() -> None:
    with trace.recording() as heard:
        assert trace.is_simulating()
        check_transition(TABLE, Light.RED, Light.GREEN, subject="light:1")
        trace.report_posting({"code": "release"})
    check_transition(TABLE, Light.RED, Light.GREEN, subject="light:1")
    assert not trace.is_simulating()
    assert heard.states == [{"subject": "light:1", "from": "RED", "to": "GREEN"}]
    assert heard.postings == [{"code": "release"}]


def test_canonical_json_is_the_same_for_the_same_meaning() -> None:
    assert canonical_json({"b": [1, "e\u0301"], "a": None}) == '{"a":null,"b":[1,"é"]}'
    assert canonical_json({"amount": 100}) != canonical_json({"amount": "100"})


def test_canonical_json_refuses_floats() -> None:
    with pytest.raises(TypeError):
        canonical_json({"amount": 1.5})


@pytest.mark.parametrize(
    ("value", "valid"),
    [("abc-1.2:3_X", True), ("", False), ("a" * 129, False), ("a b", False), ("a\n", False)],
)
def test_a_request_id_has_a_grammar(value: str, valid: bool) -> None:  # noqa: FBT001
    assert context.is_valid_request_id(value) is valid


def test_a_request_id_is_valid_and_lasts_for_its_block() -> None:
    fresh = context.new_request_id()
    assert context.is_valid_request_id(fresh)
    with context.working_for(fresh):
        assert context.request_id() == fresh
    assert context.request_id() == ""


def test_every_error_code_is_published_with_its_sentence() -> None:
    class TeapotRefusal(DomainError):
        code = "TEST_TEAPOT"
        kind = Kind.CONFLICT
        message = "It is a teapot."

    assert published_codes()["TEST_TEAPOT"] == TeapotRefusal.message
    assert published_codes()["INVALID_STATE"] == InvalidState.message


def test_figures_are_shown_as_amounts_of_their_currency() -> None:
    asked = {"currency": "XOF", "figures": {"release_minor": 5_000}, "on_behalf_of": None}
    assert readable_amounts(asked) == "release: 5000 XOF"
    assert readable_amounts({"limits_minor": {"EUR": 1_050, "XOF": 7}, "key": 3}) == (
        "limits: 10.50 EUR, 7 XOF\nkey: 3"
    )
