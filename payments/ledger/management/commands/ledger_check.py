"""`manage.py ledger_check`: recompute the books and say whether they are right."""

from collections import defaultdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.ledger import selectors
from payments.ledger.rules import registered_rules


def _beside() -> str:
    """How many figures beside the books were held against them."""
    count = len(registered_rules())
    return f", {count} figures kept beside them agree" if count else ""


class Command(BaseCommand):
    """One line per currency; ends with an error when a figure is wrong."""

    help = "Recomputes every balance from its entries and says so in one line per currency."

    def handle(self, *args: Any, **options: Any) -> None:
        """Check and print."""
        problems = defaultdict(list)
        for problem in selectors.check():
            problems[problem.currency].append(problem)
        summaries = selectors.summaries()
        for summary in summaries:
            wrong = problems[summary.currency]
            counts = (
                f"{summary.accounts} accounts, {summary.transfers} transfers, "
                f"{summary.entries} entries"
            )
            if not wrong:
                self.stdout.write(
                    f"{summary.currency} ok: {counts}; entries sum to zero, balances agree, "
                    f"no guarded balance is negative{_beside()}"
                )
                continue
            said = "; ".join(str(problem) for problem in wrong[:10])
            self.stdout.write(f"{summary.currency} WRONG: {counts}; {len(wrong)} problems: {said}")
        if not summaries:
            self.stdout.write("ok: nothing is booked yet")
        if any(problems.values()):
            raise CommandError("The ledger does not agree with itself.")
