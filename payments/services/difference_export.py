"""Differences as a file for a spreadsheet: what accounting, or the PSP's support, is sent."""

import csv
import io
from collections.abc import Iterator, Mapping

from django.db import transaction
from django.db.models import QuerySet

from audit.actions import Action
from audit.services import entries
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import format_minor
from payments.models import Difference
from payments.psp.manual import safe_cell

COLUMNS = (
    "id",
    "psp",
    "kind",
    "status",
    "subject",
    "movement",
    "key",
    "psp_ref",
    "ours_amount",
    "ours_currency",
    "ours_state",
    "theirs_amount",
    "theirs_currency",
    "theirs_state",
    "occurred_at",
    "first_seen_at",
    "note",
)
_AT_ONCE = 500


@transaction.atomic
def export_differences(
    *, caller: Caller, rows: "QuerySet[Difference]", filters: Mapping[str, str]
) -> Iterator[str]:
    """The rows as CSV, line by line. That somebody took them is audited, with the filters.

    No cell is a formula when a spreadsheet opens it: a PSP, or whoever pays through it, has a say
    in what stands there.
    """
    entries.record(
        actor=caller.actor,
        action=Action.RECONCILIATION_EXPORTED,
        subject="reconciliation:differences",
        body={"filters": dict(filters)},
    )
    return _lines(rows)


def _lines(rows: "QuerySet[Difference]") -> Iterator[str]:
    yield _line(COLUMNS)
    for row in rows.iterator(chunk_size=_AT_ONCE):
        yield _line(_cells(row))


def _cells(row: Difference) -> tuple[str, ...]:
    return (
        str(row.pk),
        row.psp,
        str(row.kind),
        str(row.status),
        row.subject,
        row.movement,
        row.key,
        row.psp_ref,
        _amount(row.ours_minor, row.ours_currency),
        row.ours_currency,
        row.ours_state,
        _amount(row.theirs_minor, row.theirs_currency),
        row.theirs_currency,
        row.theirs_state,
        row.occurred_at.isoformat(),
        row.created_at.isoformat(),
        row.note,
    )


def _amount(amount_minor: int | None, currency: str) -> str:
    return "" if amount_minor is None else format_minor(amount_minor, currency)


def _line(cells: tuple[str, ...]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow([safe_cell(cell) for cell in cells])
    return text.getvalue()
