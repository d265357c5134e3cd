"""`docs/capability-coverage.md` names what exists, and leaves out no row of the audit."""

import re
from pathlib import Path

import pytest

from kobatela.rest.tests.client import Api
from tests.assertions import names_of_tests, problem_of

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


def _all_rows() -> list[list[str]]:
    sections = ("Endpoints", "Functions", "Journeys", "Risks", "Checklists")
    return [row for section in sections for row in rows(section)]


@pytest.mark.parametrize("row", _all_rows(), ids=lambda row: " ".join(row[:2])[:60])
def test_every_file_that_a_row_names_exists_and_every_test_could_fail(row: list[str]) -> None:
    *_, place, tests = row
    for name in _NAME.findall(place):
        assert Path(name).is_file(), name
    named = _NAME.findall(tests)
    assert named
    for name in named:
        path, _, test = name.partition("::")
        assert Path(path).is_file(), path
        found = names_of_tests(Path(path)) if test == "*" else [test]
        assert found, name
        for one in found:
            assert problem_of(Path(path), one) is None, (name, one)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("def test_x() -> None:\n    assert 1", None),
        ("def test_x() -> None:\n    with pytest.raises(ValueError):\n        pass", None),
        ("def check() -> None:\n    assert 1\ndef test_x() -> None:\n    check()", None),
        (
            "from tests.test_capability_coverage import for_a_test as f\ndef test_x():\n    f()",
            None,
        ),
        ("def test_y() -> None:\n    assert 1", "no such test is collected"),
        ("if False:\n    def test_x() -> None:\n        assert 1", "no such test is collected"),
        ("def test_x() -> None:\n    work()", "it asserts nothing"),
        ("def work():\n    work()\ndef test_x():\n    work()", "it asserts nothing"),
        (
            "from payments.ledger.services import post\ndef test_x():\n    post()",
            "it asserts nothing",
        ),
        ("def test_x():\n    assert 1\ndef test_x():\n    pass", "it asserts nothing"),
        ("@pytest.mark.skip\ndef test_x():\n    assert 1", "it may be left out"),
        ("@pytest.mark.xfail(reason='x')\ndef test_x():\n    assert 1", "it may be left out"),
        ("def test_x():\n    pytest.skip('x')\n    assert 1", "it may be left out"),
        ("pytestmark = [pytest.mark.skip]\ndef test_x():\n    assert 1", "it may be left out"),
    ],
)
def test_what_could_never_fail_is_found(tmp_path: Path, source: str, problem: str | None) -> None:
    path = tmp_path / "test_something.py"
    path.write_text(source)
    assert problem_of(path, "test_x") == problem


def for_a_test() -> None:
    """What a test of another module may call."""
    assert PAGE.is_file()


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
