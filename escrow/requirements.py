"""What a milestone may ask of its proof: the published schema of `proof_requirements`.

Known keys are typed; every other key is kept as a note for the people who decide. Pure.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator

from kobatela.kernel.errors import FieldProblem

_AMOUNT = {
    "type": ["string", "number"],
    "pattern": r"^[0-9]{1,15}(\.[0-9]{1,3})?$",
    "minimum": 0,
    "description": "A decimal amount in expected_currency, or in the escrow's currency.",
}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 200}
_DAY = {
    "type": "string",
    "pattern": r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
    "description": "A day, YYYY-MM-DD.",
}

PROOF_REQUIREMENTS_SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "proof_requirements",
    "description": "What the proof of a milestone must show. Other keys are kept as notes.",
    "type": "object",
    "properties": {
        "expected_amount": _AMOUNT,
        "amount_tolerance": {
            **_AMOUNT,
            "description": "How far the amount may differ, in the same currency.",
        },
        "expected_currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "expected_store_name": _TEXT,
        "expected_beneficiary": _TEXT,
        "expected_iban": {
            "type": "string",
            "pattern": "^[A-Z]{2}[0-9]{2}[A-Z0-9 ]{10,40}$",
            "description": "An IBAN, with or without spaces.",
        },
        "expected_iban_last4": {"type": "string", "pattern": "^[A-Z0-9]{4}$"},
        "expected_date_min": _DAY,
        "expected_date_max": _DAY,
        "expected_invoice_number": _TEXT,
        "expected_country": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "expected_city": _TEXT,
        "gps_required": {"type": "boolean"},
        "notes": {"type": "string", "maxLength": 2000},
    },
    "additionalProperties": True,
}
# What only the people who judge a proof may read: who sends it could otherwise make it fit.
EXPECTED_VALUES = frozenset(
    name
    for name in PROOF_REQUIREMENTS_SCHEMA["properties"]
    if name.startswith("expected_") or name == "amount_tolerance"
)

_AMOUNTS = frozenset({"expected_amount", "amount_tolerance"})
_DAYS = frozenset({"expected_date_min", "expected_date_max"})
_VALIDATOR = Draft202012Validator(PROOF_REQUIREMENTS_SCHEMA)


def problems_of(requirements: Mapping[str, Any], *, field: str) -> list[FieldProblem]:
    """Everything that is wrong with `requirements`, each under `<field>.<key>`."""
    found: list[FieldProblem] = [
        {
            "field": ".".join([field, *(str(part) for part in error.absolute_path)]),
            "code": "invalid",
            "message": error.message[:300],
        }
        for error in _VALIDATOR.iter_errors(requirements)
    ]
    return found or list(_impossible_days(requirements, field))


def normalised(requirements: Mapping[str, Any]) -> dict[str, Any]:
    """The requirements as they are kept: amounts are decimal texts, never floats."""
    return {
        name: format(Decimal(str(value)), "f") if name in _AMOUNTS else value
        for name, value in requirements.items()
    }


def without_expected(requirements: Mapping[str, Any]) -> dict[str, Any]:
    """The requirements as whoever sends the proof reads them: expected values read null."""
    return {
        name: None if name in EXPECTED_VALUES else value for name, value in requirements.items()
    }


def _impossible_days(requirements: Mapping[str, Any], field: str) -> Iterator[FieldProblem]:
    days: dict[str, date] = {}
    for name in sorted(_DAYS & requirements.keys()):
        try:
            days[name] = date.fromisoformat(requirements[name])
        except ValueError:
            message = "There is no such day."
            yield {"field": f"{field}.{name}", "code": "invalid", "message": message}
    if len(days) == 2 and days["expected_date_min"] > days["expected_date_max"]:
        message = "The first day is after the last."
        yield {"field": f"{field}.expected_date_min", "code": "invalid", "message": message}
