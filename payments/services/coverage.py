"""Watching by the clock whether the money that is owed is there."""

from collections.abc import Mapping
from typing import Any

from audit.services.alerts import AlertType, Severity, raise_alert
from payments.coverage import Coverage, coverage
from payments.psp import registry
from payments.psp.base import PspDown

JOB = "coverage"


def watch_coverage() -> dict[str, Any]:
    """Look at every currency, alert for what is short, and give the figures, which the run keeps.

    Called outside any transaction: PSPs are asked what they hold, which is shown beside our own
    figure and decides nothing, for they count fees and orders at moments of their own.
    """
    rows = coverage()
    told = {name: _told(name) for name in registry.with_books()}
    for row in rows:
        _alert(row)
    return {row.currency: _figures(row, told) for row in rows}


def _told(name: str) -> Mapping[str, int] | None:
    try:
        return registry.get_books(name).balances()
    except PspDown:
        return None


def _figures(row: Coverage, told: Mapping[str, Mapping[str, int] | None]) -> dict[str, Any]:
    says = {name: None if held is None else held.get(row.currency) for name, held in told.items()}
    return {
        "owed_minor": row.owed_minor,
        "at_psps": dict(row.at_psps),
        "at_collectors_minor": row.at_collectors_minor,
        "moved": dict(row.moved),
        "put_in_minor": row.put_in_minor,
        "shortfall_minor": row.shortfall_minor,
        "short_at": dict(row.short_at),
        "advanced_by": dict(row.advanced_by),
        "psp_says": says,
    }


def _alert(row: Coverage) -> None:
    if row.shortfall_minor:
        raise_alert(
            type=AlertType.COVERAGE_SHORTFALL,
            severity=Severity.CRITICAL,
            subject=f"coverage:{row.currency}",
            message="More is owed than lies with PSPs and collectors together.",
            payload={
                "owed_minor": row.owed_minor,
                "at_psps_minor": row.at_psps_minor,
                "at_collectors_minor": row.at_collectors_minor,
                "shortfall_minor": row.shortfall_minor,
            },
        )
    for psp, missing_minor in row.short_at.items():
        raise_alert(
            type=AlertType.COVERAGE_SHORTFALL,
            severity=Severity.WARNING,
            subject=f"coverage:{psp}:{row.currency}",
            message="A PSP is to pay more than it holds; collectors or we have to put money in.",
            payload={
                "held_minor": row.at_psps.get(psp, 0),
                "leaving_minor": row.leaving.get(psp, 0),
                "missing_minor": missing_minor,
            },
        )
    for collector, minor in row.advanced_by.items():
        raise_alert(
            type=AlertType.COVERAGE_SHORTFALL,
            severity=Severity.WARNING,
            subject=f"coverage:collector:{collector}:{row.currency}",
            message="A collector paid more back than it held; we have to give it the difference.",
            payload={"collector": collector, "advanced_minor": minor},
        )
