"""The last steps of the story: the ledger agrees with itself, and the audit trail is unbroken."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from scripts.demo.display import expect
from scripts.demo.story import Journey

# What the story must have left in the escrow's stream, and how often.
EXPECTED_ACTIONS = {
    "escrow.created": 1,
    "escrow.funded": 1,
    "deposit.confirmed": 1,
    "proof.submitted": 3,
    "proof.refused": 1,
    "proof.approved": 2,
    "milestone.submitted": 3,
    "milestone.approved": 2,
    "milestone.paying": 2,
    "milestone.paid": 2,
}


def check_the_ledger(journey: Journey) -> None:
    """`manage.py ledger_check` recomputes every balance from its entries."""
    result = subprocess.run(
        [sys.executable, "manage.py", "ledger_check"],
        env=os.environ | {"KOBATELA_ENV": "dev", "KOBATELA_VAR_DIR": str(journey.var)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    expect(result.returncode == 0, f"ledger_check failed:\n{result.stdout}{result.stderr}")
    lines = result.stdout.strip().splitlines()
    expect(any(line.startswith("EUR ok") for line in lines), f"ledger_check said: {lines}")
    balances = journey.sender.get(f"/escrows/{journey.escrow_id}/summary")["balances"]
    wanted = {"funded": "4500.00", "held": "1200.00", "released": "3300.00", "refunded": "0.00"}
    found = {name: balances[name] for name in wanted}
    expect(found == wanted, f"The escrow's balances are {found}, not {wanted}.")
    journey.display.say("Every balance is recomputed from the entries of the double-entry ledger.")
    for line in lines:
        journey.display.fact("ledger", line)
    journey.display.fact("this escrow", ", ".join(f"{name} {found[name]}" for name in wanted))


def check_the_audit_trail(journey: Journey) -> None:
    """Every change of the escrow has its entry, and no number is missing in its stream."""
    stream = f"escrow:{journey.escrow_id}"
    entries = [item for item in _all_entries(journey, stream) if item["stream"] == stream]
    numbers = sorted(item["stream_seq"] for item in entries)
    expect(
        numbers == list(range(1, len(entries) + 1)),
        f"The sequence of {stream} is broken: {numbers}",
    )
    counts = Counter(item["action"] for item in _all_entries(journey, stream))
    wrong = {
        action: counts[action]
        for action, wanted in EXPECTED_ACTIONS.items()
        if counts[action] != wanted
    }
    expect(not wrong, f"Counted {wrong} where {EXPECTED_ACTIONS} was expected; all: {counts}")
    journey.display.say("Each of these changes wrote its entry in the same transaction.")
    journey.display.fact("entries", f"1 to {len(entries)} of {stream}, none missing")
    journey.display.fact("actors", ", ".join(sorted({_kind(item["actor"]) for item in entries})))


def _all_entries(journey: Journey, subject: str) -> Sequence[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"subject": subject, "limit": 100} | ({"cursor": cursor} if cursor else {})
        page = journey.support.get("/audit/events", **query)
        entries += page["items"]
        cursor = page["next"]
        if cursor is None:
            return entries


def _kind(actor: str) -> str:
    """Who acted, without the id."""
    return actor.partition(":")[0]
