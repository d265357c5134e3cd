"""The published schema of proof_requirements."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from escrow.requirements import (
    PROOF_REQUIREMENTS_SCHEMA,
    normalised,
    problems_of,
    without_expected,
)

FULL = {
    "expected_amount": "1250.00",
    "amount_tolerance": 10,
    "expected_currency": "EUR",
    "expected_store_name": "Brico",
    "expected_beneficiary": "Awa",
    "expected_iban": "FR76 3000 6000 0112 3456 7890 189",
    "expected_iban_last4": "0189",
    "expected_date_min": "2026-01-01",
    "expected_date_max": "2026-02-01",
    "expected_invoice_number": "F-1",
    "expected_country": "SN",
    "expected_city": "Dakar",
    "gps_required": True,
    "notes": "Both walls.",
}


def test_the_schema_is_itself_valid() -> None:
    Draft202012Validator.check_schema(PROOF_REQUIREMENTS_SCHEMA)


def test_every_known_key_is_taken() -> None:
    assert problems_of(FULL, field="proof_requirements") == []
    assert set(FULL) == set(PROOF_REQUIREMENTS_SCHEMA["properties"])


def test_an_unknown_key_is_kept_as_a_note() -> None:
    extra = {"colour": {"wall": "white"}}
    assert problems_of(extra, field="r") == []
    assert normalised(extra) == extra


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expected_amount", "12,5"),
        ("expected_amount", -1),
        ("expected_amount", True),
        ("expected_currency", "euro"),
        ("expected_iban_last4", "12"),
        ("expected_date_min", "01/02/2026"),
        ("expected_date_min", "2026-02-30"),
        ("gps_required", "yes"),
        ("expected_country", "Senegal"),
        ("expected_store_name", ""),
    ],
)
def test_a_known_key_of_another_type_is_named(name: str, value: Any) -> None:
    problems = problems_of({name: value}, field="proof_requirements")
    assert [problem["field"] for problem in problems] == [f"proof_requirements.{name}"]


def test_days_in_the_wrong_order_are_refused() -> None:
    days = {"expected_date_min": "2026-02-02", "expected_date_max": "2026-02-01"}
    assert [problem["field"] for problem in problems_of(days, field="r")] == ["r.expected_date_min"]


def test_amounts_are_kept_as_texts() -> None:
    assert normalised({"expected_amount": 12.5, "amount_tolerance": "1.00"}) == {
        "expected_amount": "12.5",
        "amount_tolerance": "1.00",
    }


def test_who_sends_the_proof_does_not_read_what_is_expected() -> None:
    masked = without_expected(FULL)
    assert masked["gps_required"] is True
    assert masked["notes"] == "Both walls."
    hidden = {name for name, value in masked.items() if value is None}
    assert hidden == set(FULL) - {"gps_required", "notes"}
