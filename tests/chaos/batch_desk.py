"""Those who pay from files: two people who approve, and the operator who pays and tells of it."""

import csv
import io
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from kobatela.kernel import clock
from tests.chaos.clients import Unanswered
from tests.chaos.journeys import Town, admit, issue

_COLUMNS = ("line", "outcome", "amount", "reference", "date")
# Most of it arrives; what fails or comes back is tried again, so that it ends.
_OUTCOMES = ("settled",) * 6 + ("failed", "returned")


class BatchDesk:
    """Collects what waits for mobile money in XOF, over and over, and keeps the operator's book."""

    def __init__(self, town: Town, seed: int) -> None:
        self._town = town
        self._chance = random.Random(seed)  # noqa: S311 - what to do is no secret
        admin = town.client(town.admin_key, self._chance)
        self._people = []
        for _ in range(2):
            user_id, name = admit(admin, "support")
            town.make_staff(user_id)
            key = issue(admin, "support", user_id, name)
            self._people.append(town.client(key, self._chance))
        admin.close()

    def work(self, is_over: Callable[[], bool]) -> None:
        """Pay one batch after the other until it is over."""
        while not is_over():
            try:
                self._pay_a_batch()
            except Unanswered as problem:
                self._town.journal.complain(f"the batch desk: {problem}")
            time.sleep(0.3)

    def _pay_a_batch(self) -> None:
        first, second = self._people
        batch = first.command(
            "/payments/batches",
            {"currency": "XOF", "kind": "mobile_money"},
            excused={"NOTHING_TO_COLLECT"},
        )
        if "refused" in batch:
            return
        path = f"/payments/batches/{batch['id']}"
        first.command(f"{path}/approve")
        if self._chance.random() < 0.1:
            # Rejected by the other one; its payments wait for the next.
            second.command(f"{path}/cancel", {"note": "On another day."})
            return
        second.command(f"{path}/approve")
        lines = list(csv.DictReader(io.StringIO(second.fetch(f"{path}/file").decode())))
        half = self._chance.randint(0, len(lines) - 1)
        for told in (lines[:half], lines[half:]):
            if told:
                self._tell(path, told)

    def _tell(self, path: str, lines: Sequence[dict[str, Any]]) -> None:
        """The operator pays these lines, or cannot, and says so; now and then twice."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(_COLUMNS)
        for line in lines:
            outcome = self._chance.choice(_OUTCOMES)
            if outcome == "settled":
                self._town.paid_lines.add(line["line"])
            day = f"{clock.now():%Y-%m-%d}"
            writer.writerow([line["line"], outcome, line["amount"], "TX", day])
        statement = text.getvalue().encode()
        for _ in range(self._chance.choice((1, 1, 2))):
            self._people[0].command(f"{path}/statement", file=statement, media_type="text/csv")
