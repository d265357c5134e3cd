"""The money desk: what is owed, where the money for it lies, and what waits for money."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from audit import selectors as audit_selectors
from kobatela.kernel.money import format_minor
from payments import selectors as payment_selectors
from payments.coverage import Coverage, coverage
from payments.services.coverage import JOB

COLLECTORS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where money lies. says: what the PSP itself said when it was last asked.
    moved: what of it people booked as put in from elsewhere, less what left it so."""

    name: str
    held: str
    leaving: str
    short: str
    says: str
    moved: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One currency, in words of the currency."""

    currency: str
    owed: str
    at_psps: str
    at_collectors: str
    put_in: str
    shortfall: str
    is_covered: bool
    places: list[Place]
    collectors: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class MoneyDesk:
    """Everything on the page. asked_at: when PSPs were last asked what they hold."""

    sheets: list[Sheet]
    waiting: list[tuple[str, str, int, str]]
    waiting_url: str
    moves_url: str
    asked_at: datetime | None


def money_desk() -> MoneyDesk:
    """Our own figures of this moment, beside what PSPs last said."""
    run = audit_selectors.latest_result(JOB)
    told: Mapping[str, Any] = run.result if run is not None else {}
    waiting = payment_selectors.uncovered_totals()
    return MoneyDesk(
        sheets=[_sheet(row, told.get(row.currency, {})) for row in coverage()],
        waiting=[
            (psp, currency, count, format_minor(minor, currency))
            for psp, currency, count, minor in waiting
        ],
        waiting_url=reverse("admin:payments_payment_changelist") + "?reason=UNCOVERED",
        moves_url=reverse("admin:payments_fundsmove_changelist"),
        asked_at=run.started_at if run is not None else None,
    )


def _sheet(row: Coverage, told: Mapping[str, Any]) -> Sheet:
    def shown(amount_minor: int) -> str:
        return format_minor(amount_minor, row.currency)

    says: Mapping[str, int | None] = told.get("psp_says", {})
    collectors = sorted(row.at_collectors.items(), key=lambda item: -item[1])
    return Sheet(
        currency=row.currency,
        owed=shown(row.owed_minor),
        at_psps=shown(row.at_psps_minor),
        at_collectors=shown(row.at_collectors_minor),
        put_in=shown(row.put_in_minor),
        shortfall=shown(row.shortfall_minor),
        is_covered=row.is_covered,
        places=[
            Place(
                name=name,
                held=shown(row.at_psps.get(name, 0)),
                leaving=shown(row.leaving.get(name, 0)),
                short=shown(row.short_at.get(name, 0)),
                moved=shown(row.moved.get(name, 0)),
                says="does not say" if (said := says.get(name)) is None else shown(said),
            )
            for name in sorted(row.at_psps.keys() | row.leaving.keys())
            if name
        ],
        collectors=[(name, shown(minor)) for name, minor in collectors[:COLLECTORS_SHOWN]],
    )
