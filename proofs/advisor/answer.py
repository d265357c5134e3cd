"""What the model may say, and taking it from what it did say."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn

from jsonschema import Draft202012Validator

MAX_ANSWER_CHARS = 20_000
_THOUSANDTH = Decimal("0.001")


class RiskLevel(StrEnum):
    """How much the model doubts the evidence."""

    CLEAN = "clean"
    WARNING = "warning"
    SUSPECT = "suspect"


ANSWER_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "risk_level": {"type": "string", "enum": [level.value for level in RiskLevel]},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "flags": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 60},
            "maxItems": 12,
        },
        "explanation": {"type": "string", "maxLength": 2000},
    },
    "required": ["risk_level", "score", "flags", "explanation"],
    "additionalProperties": False,
}
# Servers take a part of JSON Schema only; the sizes are checked here.
_NOT_ON_THE_WIRE = frozenset({"minLength", "maxLength", "maxItems", "minimum", "maximum"})


def _for_the_wire(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    return {
        name: _for_the_wire(value) for name, value in schema.items() if name not in _NOT_ON_THE_WIRE
    }


WIRE_SCHEMA: dict[str, Any] = _for_the_wire(ANSWER_SCHEMA)
_VALIDATOR = Draft202012Validator(ANSWER_SCHEMA)


class InvalidAnswer(ValueError):
    """What came back is no advice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The model's word. score is 0 to 1 with three decimals, higher means cleaner."""

    risk_level: RiskLevel
    score: Decimal
    flags: tuple[str, ...]
    explanation: str


def parse_answer(text: str) -> Advice:
    """Take advice from a model's answer. Raises InvalidAnswer for all that is not exactly that.

    Nothing is repaired: an unknown level, a missing field or one too many is no advice.
    """
    if len(text) > MAX_ANSWER_CHARS:
        raise InvalidAnswer("it is too long")
    try:
        given = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise InvalidAnswer("it is no JSON") from error
    problem = next(_VALIDATOR.iter_errors(given), None)
    if problem is not None:
        raise InvalidAnswer(f"it does not fit the schema: {problem.validator}")
    return Advice(
        risk_level=RiskLevel(given["risk_level"]),
        score=Decimal(given["score"]).quantize(_THOUSANDTH),
        flags=tuple(_printable(flag) for flag in given["flags"]),
        explanation=_printable(given["explanation"]),
    )


def _printable(text: str) -> str:
    """The text without control characters, invisible ones and halves of characters."""
    kept = (
        character if character == "\n" or unicodedata.category(character)[0] != "C" else " "
        for character in text
    )
    return "".join(kept).strip()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
