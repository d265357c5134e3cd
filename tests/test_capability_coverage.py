"""`docs/capability-coverage.md` names what exists, and leaves out no row of the audit."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from kobatela.rest.tests.client import Api

PAGE = Path("docs/capability-coverage.md")
_NAME = re.compile(r"`([^`]+)`")
_SUCCESS = {"201", "200"}
# The rows of the audit, of which none may go missing here.
ENDPOINTS = {
    "GET /health", "POST /escrows", "POST /escrows/{id}/deposit",
    "POST /escrows/{id}/funding-session", "POST /escrows/{id}/mark-delivered",
    "POST /escrows/{id}/client-approve", "POST /escrows/{id}/client-reject",
    "POST /escrows/{id}/check-deadline", "GET /escrows/{id}", "POST /proofs",
    "POST /proofs/{id}/decision", "POST /payments/execute/{id}", "POST /psp/webhook",
    "POST /psp/stripe/webhook", "POST /spend/categories", "POST /spend/merchants",
    "POST /spend/allow", "POST /spend/purchases", "POST /spend/allowed", "POST /spend",
    "POST /allowlist", "POST /certified", "POST /transactions", "GET /transactions/{id}",
    "GET /alerts", "GET /kct_public/mandates",
}  # fmt: skip
RISKS = {*(f"R{number}" for number in range(1, 9)), "AI-1", "AI-2", "OCR-1", "OCR-2"}
CHECKLISTS = {"P0": 5, "P1": 4, "P2": 3}


def rows(section: str) -> list[list[str]]:
    """The rows of one table, each as its cells."""
    text = PAGE.read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests of a module, by their names."""
    tree = ast.parse(Path(path).read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def _all_rows() -> list[list[str]]:
    sections = ("Endpoints", "Functions", "Journeys", "Risks", "Checklists")
    return [row for section in sections for row in rows(section)]


@pytest.mark.parametrize("row", _all_rows(), ids=lambda row: " ".join(row[:2])[:60])
def test_every_file_and_test_that_a_row_names_exists(row: list[str]) -> None:
    *_, place, tests = row
    for name in _NAME.findall(place):
        assert Path(name).is_file(), name
    named = _NAME.findall(tests)
    assert named
    for name in named:
        path, _, test = name.partition("::")
        assert Path(path).is_file(), path
        found = names_in(path)
        assert found if test == "*" else test in found, name


def test_no_row_of_the_audit_is_missing() -> None:
    endpoints = [f"{method} {path.strip('`')}" for method, path, *_ in rows("Endpoints")]
    assert sorted(endpoints) == sorted(ENDPOINTS)
    assert sorted(row[0] for row in rows("Risks")) == sorted(RISKS)
    lists = [row[0] for row in rows("Checklists")]
    assert {name: lists.count(name) for name in set(lists)} == CHECKLISTS
    assert len(rows("Functions")) == 10
    assert len(rows("Journeys")) == 5


@pytest.mark.django_db
def test_every_endpoint_is_described_with_its_method_and_success_code() -> None:
    paths = Api().get("/openapi.json").json["paths"]
    described = {re.sub(r"\{[^}]+\}", "{id}", path): row for path, row in paths.items()}

    for method, path, _scope, codes, *_ in rows("Endpoints"):
        operation = described[path.strip("`")][method.lower()]
        (success,) = _SUCCESS & {code.strip() for code in codes.split(",")}
        assert success in operation["responses"], path
