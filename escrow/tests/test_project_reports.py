"""Reports on a project: the same figures as CSV and as pages."""

import csv
import io
from typing import Any

import pytest
from reportlab import rl_config

from audit.models import AuditEntry
from escrow.models import Domain, Escrow, Project
from escrow.reports import pages
from escrow.tests.factories import attach, make_escrow, make_project
from escrow.tests.http import api, fields
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_user
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer

pytestmark = pytest.mark.django_db


def ngo(**values: Any) -> User:
    return make_user(public_tag="ONG", **values)


def aid_escrow(client: User, **options: Any) -> Escrow:
    return make_escrow(client=client, domain=Domain.AID, **options)


def entries(action: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action=action).order_by("pk"))


@pytest.fixture
def three() -> dict[str, Any]:
    """A manager of two projects, with escrows in two currencies."""
    maker = ngo()
    wells, roads = make_project(maker), make_project(maker, country="ML", domain="public")
    old, new = aid_escrow(maker), aid_escrow(maker, currency="XOF", amount_total_minor=5_000)
    road = make_escrow("REFUNDED", client=maker, domain=Domain.PUBLIC)
    attach(wells, old, new)
    attach(roads, road)
    return {"maker": maker, "wells": wells, "old": old, "new": new, "road": road}


def report(by: User, project: Project, form: str) -> Answer:
    return api(Scope.SENDER, by).get(f"/kct_public/projects/{project.pk}/report?format={form}")


def test_the_csv_has_every_escrow_and_the_sums(three: dict[str, Any]) -> None:
    answer = report(three["maker"], three["wells"], "csv")

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    name = f"kobatela-project-{three['wells'].pk}.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [row["row"] for row in rows] == ["project", "escrow", "escrow", "total", "total"]
    assert [(row["reference"], row["total"], row["remaining"]) for row in rows[1:3]] == [
        (f"escrow:{three['old'].pk}", "100.00", "100.00"),
        (f"escrow:{three['new'].pk}", "5000", "5000"),
    ]
    assert [
        (row["currency"], row["escrows"], row["funded"], row["settled"]) for row in rows[3:]
    ] == [("EUR", "1", "100.00", "0.00"), ("XOF", "1", "5000", "0")]
    (entry,) = entries("project.reported")
    assert entry.body == '{"format":"csv"}'


def test_a_label_is_no_formula_in_the_csv() -> None:
    maker = ngo()
    project = make_project(maker, label='=HYPERLINK("http://x")')

    rows = list(csv.reader(io.StringIO(report(maker, project, "csv").body.decode())))

    assert rows[1][1].startswith("'=")


def test_the_pdf_has_the_same(three: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rl_config, "pageCompression", 0)

    answer = report(three["maker"], three["wells"], "pdf")

    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.body.startswith(b"%PDF-")
    for text in (f"escrow:{three['old'].pk}", "100.00", "XOF", "5000", "Wells of the north"):
        assert text.encode() in answer.body, text
    assert f"escrow:{three['road'].pk}".encode() not in answer.body


def test_a_pdf_of_markup_and_of_other_scripts_is_made() -> None:
    maker = ngo()
    project = make_project(maker, label="<b>Puits & \u0153uvres \u0633\u064a \N{SNOWMAN}")

    assert report(maker, project, "pdf").body.startswith(b"%PDF-")


def test_too_many_rows_for_pages_are_refused_with_the_way_out(
    three: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(three["wells"], aid_escrow(three["maker"], milestones=[3_000, 2_000]))
    three_escrows_and_two_milestones = 5
    monkeypatch.setattr(pages, "MAX_ROWS", three_escrows_and_two_milestones)
    assert report(three["maker"], three["wells"], "pdf").status == 200
    monkeypatch.setattr(pages, "MAX_ROWS", three_escrows_and_two_milestones - 1)

    answer = report(three["maker"], three["wells"], "pdf")

    assert (answer.status, answer.code) == (422, "REPORT_TOO_LARGE")
    assert report(three["maker"], three["wells"], "csv").status == 200


def test_a_report_as_something_else_is_refused(three: dict[str, Any]) -> None:
    assert set(fields(report(three["maker"], three["wells"], "xlsx"))) == {"format"}
