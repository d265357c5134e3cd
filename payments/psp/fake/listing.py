"""The list of what the PSP did, in pages, and the lies that it can be told to tell in it.

A lie changes the list and nothing else: the order, its answers and its reports stay true. So a
test can have a PSP whose record disagrees with what it did.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

from payments.psp.fake.bank import Bank, Refusal
from payments.psp.fake.database import Row
from payments.psp.fake.store import Store

_LONGEST_PAGE = 100
_FIELDS = ("id", "kind", "key", "amount", "currency", "status", "created_at", "changed_at")


class Lie(StrEnum):
    """What the list says of one movement instead of the truth.

    DROP: nothing. DOUBLE: it is there twice, the second time under another id. AMOUNT, CURRENCY,
    STATUS: `value` in the place of the truth; for AMOUNT, without a value, one unit more.
    """

    DROP = "drop"
    DOUBLE = "double"
    AMOUNT = "amount"
    CURRENCY = "currency"
    STATUS = "status"


def script(store: Store, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let the list lie about the movement `id` from now on. Raises Refusal."""
    try:
        lie = Lie(fields.get("lie", ""))
    except ValueError as error:
        raise Refusal(422, "lie_invalid", f"The lies are {', '.join(Lie)}.") from error
    store.add_lie(str(fields.get("id") or ""), lie, str(fields.get("value") or ""))
    return {"scripted": fields}


def page(
    store: Store, query: Mapping[str, list[str]], *, of_cases: bool = False
) -> Mapping[str, Any]:
    """One page of movements, or of chargebacks: `since` and `until` in seconds, `after` as the page
    before said in `next`."""
    try:
        since, until = float(query["since"][0]), float(query["until"][0])
        moment, _, last_id = query.get("after", [""])[0].partition(":")
        after = (float(moment), last_id) if moment else (0.0, "")
        limit = min(max(int(query.get("limit", ["100"])[0]), 1), _LONGEST_PAGE)
    except (KeyError, ValueError) as error:
        raise Refusal(422, "span_invalid", "Give since and until in seconds.") from error
    read = store.cases if of_cases else store.movements
    rows = read(since, until, after, limit + 1)
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    lies = store.lies()
    return {
        "items": [told for row in shown for told in _told(row, lies.get(row["id"]))],
        "next": f"{last['created_at']!r}:{last['id']}" if last else None,
    }


def balances(bank: Bank) -> Mapping[str, str]:
    """What is held for the client, by currency: collected, less what left and did not come back,
    what payers' banks have taken back, and fees."""
    out = ("paid_out", "given_back", "taken_back", "fees")
    return {
        currency: str(Decimal(sums["collected"]) - sum(Decimal(sums[name]) for name in out))
        for currency, sums in bank.books()["totals"].items()
    }


def _told(row: Row, lie: Row | None) -> list[Mapping[str, Any]]:
    truth = {name: row[name] for name in _FIELDS}
    if lie is None:
        return [truth]
    match lie["what"]:
        case Lie.DROP:
            return []
        case Lie.DOUBLE:
            return [truth, {**truth, "id": f"{row['id']}_again"}]
        case Lie.AMOUNT:
            return [{**truth, "amount": lie["value"] or str(Decimal(row["amount"]) + 1)}]
        case what:
            return [{**truth, str(what): lie["value"]}]
