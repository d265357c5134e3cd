"""What a benchmark answers: figures with what they must reach, and how they are shown."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """What the command line said. `quick` runs are for seeing that a benchmark works."""

    data: Path | None = None
    quick: bool = False


class Bound(StrEnum):
    """On which side of its requirement a figure must lie."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


_HOLDS = {Bound.AT_LEAST: operator.ge, Bound.AT_MOST: operator.le}


@dataclass(frozen=True)
class Figure:
    """One measured value. Without `required` it is shown and decides nothing."""

    name: str
    value: float
    unit: str = ""
    bound: Bound = Bound.AT_LEAST
    required: float | None = None
    aim: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the requirement is met; an informative figure always holds."""
        return self.required is None or bool(_HOLDS[self.bound](self.value, self.required))

    @property
    def reaches_aim(self) -> bool:
        """Whether the aim is met, or the requirement where there is no aim."""
        goal = self.required if self.aim is None else self.aim
        return goal is None or bool(_HOLDS[self.bound](self.value, goal))


@dataclass(frozen=True)
class Report:
    """What one benchmark measured, with notes on where the time went."""

    bench: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def short(self) -> list[Figure]:
        """The figures that fall short of their requirement."""
        return [figure for figure in self.figures if not figure.holds]

    def as_json(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "bench": self.bench,
            "figures": [asdict(figure) | {"holds": figure.holds} for figure in self.figures],
            "notes": list(self.notes),
            "details": dict(self.details),
            "holds": not self.short,
        }


def table(reports: Sequence[Report]) -> str:
    """All figures of all reports in columns, notes under each report."""
    rows = [("", "figure", "measured", "required", "aim", "")]
    for report in reports:
        rows += [_row(report.bench, figure) for figure in report.figures]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    for report in reports:
        lines += ["", *(f"{report.bench}: {note}" for note in report.notes)]
    return "\n".join(lines)


def verdict(reports: Sequence[Report]) -> str:
    """The last line: what falls short, or that nothing does."""
    short = [
        f"{report.bench}: {figure.name} is {_value(figure, figure.value)},"
        f" required {figure.bound} {_value(figure, figure.required)}"
        for report in reports
        for figure in report.short
    ]
    return "SHORT  " + "; ".join(short) if short else "OK  every required figure is reached"


def _row(bench: str, figure: Figure) -> tuple[str, str, str, str, str, str]:
    required, aim = (
        f"{figure.bound} {_value(figure, goal)}" if goal is not None else ""
        for goal in (figure.required, figure.aim)
    )
    mark = ""
    if figure.required is not None:
        mark = "SHORT" if not figure.holds else ("ok" if figure.reaches_aim else "ok, below aim")
    return bench, figure.name, _value(figure, figure.value), required, aim, mark


def _value(figure: Figure, value: float | None) -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {figure.unit}".rstrip()
