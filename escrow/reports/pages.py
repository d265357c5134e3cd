"""The report as pages to print."""

import io
from collections.abc import Iterable, Iterator, Sequence

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from escrow.errors import ReportTooLarge
from escrow.models import Project
from escrow.reports.lines import AMOUNTS, EscrowLine, escrow_lines, total_lines
from kobatela.kernel import clock

# Pages are laid out in memory, and twice the rows take four times as long; whoever has more takes
# the CSV.
MAX_ROWS = 2_000
_HEAD = tuple(name.capitalize() for name in AMOUNTS)
_LOOK = TableStyle(
    [
        ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 8),
        ("FONT", (0, 1), (-1, -1), "Helvetica", 8),
        ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#e8edf2")),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.HexColor("#9aa7b4")),
        ("ALIGN", (-6, 0), (-1, -1), "RIGHT"),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
)
_HASHES = TableStyle(
    [
        ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 8),
        ("FONT", (0, 1), (-1, -1), "Helvetica", 8),
        ("FONT", (-1, 1), (-1, -1), "Courier", 7),
        ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#e8edf2")),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.HexColor("#9aa7b4")),
    ]
)


def pdf_report(project: Project) -> bytes:
    """The report as an A4 document: sums by currency, escrows, milestones with their evidence.

    Raises ReportTooLarge for a project that takes more than MAX_ROWS rows.
    """
    lines = list(_bounded(escrow_lines(project)))
    made = io.BytesIO()
    document = SimpleDocTemplate(
        made,
        pagesize=landscape(A4),
        leftMargin=15 * mm,
        rightMargin=15 * mm,
        topMargin=15 * mm,
        bottomMargin=15 * mm,
        title=printable(project.label),
        author="Kobatela",
        invariant=True,
    )
    document.build(_content(project, lines))
    return made.getvalue()


def _bounded(lines: Iterable[EscrowLine]) -> Iterator[EscrowLine]:
    """The same lines; refuses as soon as there are too many."""
    rows = 0
    for line in lines:
        rows += 1 + sum(max(1, len(part.evidence)) for part in line.milestones)
        if rows > MAX_ROWS:
            raise ReportTooLarge(max_rows=MAX_ROWS)
        yield line


def printable(text: str) -> str:
    """`text` with a question mark for what the fonts of every PDF reader do not have."""
    return text.encode("cp1252", errors="replace").decode("cp1252")


def _content(project: Project, lines: Sequence[EscrowLine]) -> list[Flowable]:
    styles = getSampleStyleSheet()
    place = ", ".join(part for part in (project.city, project.country) if part)
    made_at = clock.now().strftime("%Y-%m-%d %H:%M UTC")
    facts = f"{project.project_type}. {place}. Domain {project.domain}, {project.status}."
    content: list[Flowable] = [
        Paragraph(_escaped(project.label), styles["Title"]),
        Paragraph(_escaped(facts), styles["Normal"]),
        Paragraph(f"Project {project.pk}. Made {made_at}.", styles["Normal"]),
        Paragraph("Sums by currency", styles["Heading2"]),
        _totals(project),
        Paragraph("Escrows", styles["Heading2"]),
        _escrows(lines),
        Paragraph("Milestones and evidence (SHA-256 of each file)", styles["Heading2"]),
        _milestones(lines),
    ]
    return [item for part in content for item in (part, Spacer(0, 2 * mm))]


def _totals(project: Project) -> Table:
    rows = [
        (line.currency, str(line.escrows), *line.amounts.cells) for line in total_lines(project)
    ]
    return Table([("Currency", "Escrows", *_HEAD), *rows], repeatRows=1, style=_LOOK)


def _escrows(lines: Sequence[EscrowLine]) -> Table:
    rows = [(line.reference, line.status, line.currency, *line.amounts.cells) for line in lines]
    return Table([("Escrow", "Status", "Currency", *_HEAD), *rows], repeatRows=1, style=_LOOK)


def _milestones(lines: Sequence[EscrowLine]) -> Table:
    rows = [
        (
            line.reference,
            str(part.sequence_index),
            part.status,
            f"{part.amount} {line.currency}",
            digest,
        )
        for line in lines
        for part in line.milestones
        for digest in (part.evidence or ("",))
    ]
    head = ("Escrow", "Milestone", "Status", "Amount", "Evidence")
    return Table([head, *rows], repeatRows=1, style=_HASHES)


def _escaped(text: str) -> str:
    # Paragraphs read markup, and a label is what somebody typed.
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
