"""Checking the books by the clock."""

from collections import Counter

from audit.services.alerts import AlertType, Severity, raise_alert
from payments.ledger import selectors as ledger
from payments.ledger.selectors import LedgerProblem


def check_ledger() -> dict[str, int]:
    """Recompute the books; alert for each currency that is wrong. How many problems there are."""
    problems = ledger.check()
    for currency, count in Counter(problem.currency for problem in problems).items():
        _alert(currency, count, next(item for item in problems if item.currency == currency))
    return {"problems": len(problems)}


def _alert(currency: str, count: int, first: LedgerProblem) -> None:
    raise_alert(
        type=AlertType.LEDGER_CHECK_FAILED,
        severity=Severity.CRITICAL,
        subject=f"ledger:{currency}",
        message=f"The ledger does not agree with itself: {first.what}.",
        payload={"problems": count, "first": first.subject},
    )
