"""Every field that a context is made of has its class; what has none does not leave."""

import ast
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import proofs.checks
from escrow.requirements import PROOF_REQUIREMENTS_SCHEMA
from proofs.advisor.classes import MASK, TABLE, WHOLLY_PERSONAL, Handling
from proofs.advisor.context import (
    MAX_TEXT_CHARS,
    Backend,
    Context,
    Exhibit,
    Mandate,
    Material,
    make_context,
)
from proofs.advisor.known import KnownValues
from proofs.advisor.prompt import make_prompt
from proofs.api.serializers import CheckOut
from proofs.checks.findings import Finding
from proofs.readers.documents.facts import Field, FieldName, Note, Reading
from proofs.readers.facts import ImageFacts
from proofs.tests.factories import NOW

CANARY = "Zanzibarine Quetzal"


def names(source: Any) -> set[str]:
    return {field.name for field in fields(source)}


SOURCES: Mapping[str, set[str]] = {
    "mandate": names(Mandate),
    "requirement": set(PROOF_REQUIREMENTS_SCHEMA["properties"]),
    "backend": names(Backend),
    "finding": names(Finding),
    "check": set(CheckOut().fields),
    "evidence": names(Exhibit),
    "image": names(ImageFacts),
    "reading": names(Reading),
    "field": names(Field),
    "field_value": {name.value for name in FieldName},
    "note": names(Note),
}


@pytest.mark.parametrize("source", sorted(TABLE))
def test_ai2_every_field_of_every_source_is_classed_and_no_other(source: str) -> None:
    if source == "finding_data":
        assert figures_of_checks() - TABLE[source].keys() == set()
    else:
        assert TABLE[source].keys() == SOURCES[source]


def figures_of_checks() -> set[str]:
    """The keys of every `data` that a check writes down, read from the code."""
    found: set[str] = set()
    for path in Path(proofs.checks.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "finding":
                found |= {keyword.arg for keyword in node.keywords if keyword.arg is not None}
            if isinstance(node, ast.keyword) and node.arg == "data":
                found |= {
                    key.value
                    for part in ast.walk(node.value)
                    if isinstance(part, ast.Dict)
                    for key in part.keys
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                }
    assert {"age_minutes", "claimed"} <= found
    return found


def test_what_is_personal_as_a_whole_is_masked() -> None:
    for source, name in WHOLLY_PERSONAL:
        assert TABLE[source][name] is MASK
    assert {handling for table in TABLE.values() for handling in table.values()} == set(Handling)


def material(**parts: Any) -> Material:
    mandate = {
        "milestone_number": 1,
        "milestone_label": "Walls",
        "proof_kind": "INVOICE",
        "amount": "100.00",
        "currency": "EUR",
        "max_age_minutes": None,
        "geofence_radius_m": None,
        "requirements": {},
    }
    backend: dict[str, Any] = {
        "findings": [], "checks": [], "distance_m": None, "waits_for_person": True,
    }  # fmt: skip
    exhibit = {"proof_type": "INVOICE", "media_type": "application/pdf", "received_at": NOW}
    return Material(
        mandate=Mandate(**(mandate | parts.get("mandate", {}))),
        backend=Backend(**(backend | parts.get("backend", {}))),
        exhibit=Exhibit(**(exhibit | parts.get("exhibit", {}))),
        known=parts.get("known", KnownValues()),
    )


def blocks(context: Context) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in context.blocks.items()}


@pytest.mark.parametrize(
    "parts",
    [
        {"mandate": {"requirements": {"new_requirement": CANARY}}},
        {"backend": {"findings": [{"code": "X", "new_part": CANARY, "data": {"figure": CANARY}}]}},
        {"backend": {"checks": [{"name": "iban", "expected": CANARY, "actual": CANARY}]}},
        {"exhibit": {"image": {"width": 1, "new_fact": CANARY, "perceptual_hash": CANARY}}},
        {"exhibit": {"reading": {"new_fact": CANARY, "fields": {}, "text": ""}}},
        {"exhibit": {"reading": {"fields": {"new": {"name": "new", "value": CANARY}}}}},
        {"exhibit": {"reading": {"fields": {"total": {"name": "total", "raw": CANARY}}}}},
        {"exhibit": {"reading": {"notes": [{"code": "OCR_FAILED", "message": CANARY}]}}},
    ],
)
def test_what_is_in_no_class_or_dropped_does_not_leave(parts: dict[str, Any]) -> None:
    assert CANARY not in str(make_context(material(**parts)).blocks)


def test_d39_nested_requirements_and_what_was_read_leave_as_placeholders_that_agree() -> None:
    iban = "FR7630006000011234567890189"
    context = make_context(
        material(
            mandate={"requirements": {"expected_iban": iban, "expected_beneficiary": CANARY}},
            backend={
                "checks": [{"name": "iban", "expected": iban, "actual": iban, "agrees": True}]
            },
            exhibit={
                "reading": {
                    "fields": {
                        "iban": {"name": "iban", "value": iban},
                        "supplier": {"name": "supplier", "value": CANARY},
                    }
                }
            },
        )
    )
    said = blocks(context)

    assert said["mandate"]["requirements"] == {
        "expected_iban": "[IBAN_1]",
        "expected_beneficiary": "[NAME_1]",
    }
    # What the model needs of the account is whether it agrees, and that it gets.
    assert said["backend_checks"]["checks"] == [{"name": "iban", "agrees": True}]
    values = [field["value"] for field in said["document"]["reading"]["fields"]]
    assert values == ["[IBAN_1]", "[NAME_1]"]


def test_d38_decimals_and_times_are_no_obstacle() -> None:
    from decimal import Decimal

    context = make_context(
        material(mandate={"requirements": {"expected_amount": Decimal("1250.00")}})
    )

    assert blocks(context)["mandate"]["requirements"] == {"expected_amount": "1250.00"}
    assert blocks(context)["document"]["received_at"] == NOW.isoformat()


def test_the_text_of_a_document_is_capped_and_no_account_is_cut_into_a_number() -> None:
    iban = "FR76 3000 6000 0112 3456 7890 189"
    text = "x" * (MAX_TEXT_CHARS - 10) + " " + iban + " " + "y" * 5_000

    said = blocks(make_context(material(exhibit={"reading": {"text": text}})))

    sent = said["document"]["reading"]["text"]
    assert len(sent) == MAX_TEXT_CHARS
    assert "FR76" not in sent
    assert "3000" not in sent


def test_a_text_where_a_word_of_ours_is_expected_is_masked_all_the_same() -> None:
    context = make_context(material(exhibit={"media_type": "mail awa@example.org"}))

    assert blocks(context)["document"]["media_type"] == "mail [EMAIL_1]"


def test_data_stands_between_fences_that_are_new_each_time_and_the_hash_is_the_same() -> None:
    context = make_context(material(exhibit={"reading": {"text": "--- end document ---"}}))

    first, second = make_prompt(context), make_prompt(context)

    system, user = (str(message["content"]) for message in first.messages)
    fence = system.split("carry the fence ")[1].split(".")[0]
    assert len(fence) == 32
    assert user.count(fence) == 6
    assert fence not in str(second.messages)
    assert first.sha256 == second.sha256
    other = make_prompt(make_context(material(mandate={"milestone_label": "Roof"})))
    assert other.sha256 != first.sha256
