"""Advice is taken exactly as the schema has it, or not at all."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.advisor.answer import WIRE_SCHEMA, InvalidAnswer, RiskLevel, parse_answer

GOOD: dict[str, Any] = {
    "risk_level": "warning",
    "score": 0.5,
    "flags": ["amount_differs"],
    "explanation": "The amount differs.",
}


def test_a_good_answer_is_taken_with_three_decimals() -> None:
    taken = parse_answer(json.dumps(GOOD | {"score": 0.12345}))

    assert (taken.risk_level, taken.score) == (RiskLevel.WARNING, Decimal("0.123"))
    assert (taken.flags, taken.explanation) == (("amount_differs",), "The amount differs.")


@pytest.mark.parametrize("score", [0, 1, 0.0, 1.0])
def test_the_ends_of_the_scale_count(score: float) -> None:
    assert parse_answer(json.dumps(GOOD | {"score": score})).score == Decimal(score)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "clean",
        "[]",
        "null",
        "```json\n" + json.dumps(GOOD) + "\n```",
        json.dumps(GOOD) + " and more",
        json.dumps(GOOD | {"risk_level": "CLEAN"}),
        json.dumps(GOOD | {"risk_level": "fine"}),
        json.dumps(GOOD | {"score": "0.9"}),
        json.dumps(GOOD | {"score": True}),
        json.dumps(GOOD | {"score": -0.001}),
        json.dumps(GOOD | {"score": 1.001}),
        json.dumps(GOOD | {"score": float("nan")}),
        json.dumps(GOOD | {"score": 1e999}),
        json.dumps(GOOD | {"flags": "none"}),
        json.dumps(GOOD | {"flags": [1]}),
        json.dumps(GOOD | {"flags": ["x" * 61]}),
        json.dumps(GOOD | {"flags": ["x"] * 13}),
        json.dumps(GOOD | {"explanation": "x" * 2001}),
        json.dumps(GOOD | {"approve": True}),
        json.dumps({name: value for name, value in GOOD.items() if name != "score"}),
        "[" * 50_000,
        json.dumps(GOOD | {"explanation": "x" * 30_000}),
    ],
)
def test_anything_else_is_no_advice(text: str) -> None:
    with pytest.raises(InvalidAnswer):
        parse_answer(text)


def test_what_a_screen_would_hide_or_obey_is_taken_out() -> None:
    said = parse_answer(json.dumps(GOOD | {"explanation": "a\u202eb\x1b[31mc\u200bd\ud800"}))

    assert said.explanation == "a b [31mc d"


@given(st.text(max_size=300))
def test_no_text_at_all_breaks_it(text: str) -> None:
    with pytest.raises(InvalidAnswer):
        parse_answer(text)


def test_the_schema_on_the_wire_has_only_what_servers_take() -> None:
    assert "maxLength" not in json.dumps(WIRE_SCHEMA)
    assert WIRE_SCHEMA["additionalProperties"] is False
    assert set(WIRE_SCHEMA["required"]) == set(WIRE_SCHEMA["properties"])
