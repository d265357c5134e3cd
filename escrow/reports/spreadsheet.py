"""The report as CSV, line by line, so that a project of any size takes no memory."""

import csv
import io
from collections.abc import Iterator, Sequence

from escrow.models import Project
from escrow.reports.lines import AMOUNTS, EscrowLine, escrow_lines, total_lines
from kobatela.kernel import clock
from payments.psp.manual import safe_cell

COLUMNS = (
    "row",
    "reference",
    "milestone",
    "status",
    "currency",
    "escrows",
    *AMOUNTS,
    "evidence_sha256",
)


def csv_report(project: Project) -> Iterator[bytes]:
    """The report: a header, the project, then escrows with their milestones, then the sums.

    `row` says what a line is: project, escrow, milestone, evidence or total. The line of the
    project has its label under `reference` and when the report was made under `status`.
    """
    made_at = clock.now().isoformat(timespec="seconds")
    yield _row(COLUMNS)
    yield _row(["project", project.label, "", made_at])
    for line in escrow_lines(project):
        yield from map(_row, _escrow(line))
    for total in total_lines(project):
        yield _row(["total", "", "", "", total.currency, str(total.escrows), *total.amounts.cells])


def _escrow(line: EscrowLine) -> Iterator[Sequence[str]]:
    yield ["escrow", line.reference, "", line.status, line.currency, "", *line.amounts.cells]
    for milestone in line.milestones:
        head = (line.reference, str(milestone.sequence_index), milestone.status, line.currency)
        yield ["milestone", *head, "", milestone.amount]
        blank = [""] * (1 + len(AMOUNTS))
        yield from (["evidence", *head, *blank, digest] for digest in milestone.evidence)


def _row(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    padded = [*cells, *([""] * (len(COLUMNS) - len(cells)))]
    csv.writer(text, lineterminator="\r\n").writerow([safe_cell(cell) for cell in padded])
    return text.getvalue().encode()
