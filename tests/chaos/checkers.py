"""What must hold after everything: each checker takes the facts and lists what is wrong.

They share no code with the product, and take plain rows: a test shows each of them a flaw. Those of
the trail, of the escrows and of what clients were told have modules of their own.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.chaos.hurry.apps import EVERY_S
from tests.chaos.snapshot import Row, Snapshot

Books = Mapping[str, Any]
_DIGITS = {"EUR": 2, "XOF": 0}
_KNOWN_ACCOUNT = re.compile(
    r"psp:(fake|manual)|collector:\d+|escrow:\d+:held|user:\d+:(payable|funds|receivable)"
    r"|(payee|merchant):\d+:payable|payment:\d+:in_transit|chargeback:\d+:(pending|frozen)"
    r"|operator:capital|income:platform_fee|expense:(psp_fee|dispute_fee|chargeback_loss)"
)
# Jobs that run within seconds here: what one of them left behind is taken over by the next run.
_FREQUENT = frozenset(EVERY_S)
# The tables that `unfinished` looks at.
LOOKED_AT = (
    "payments", "events", "fundings", "proofs", "chargebacks", "batches", "approvals", "locks",
    "jobs", "outbox",
)  # fmt: skip


def minor(amount: str, currency: str) -> int:
    """An amount of the PSP in minor units."""
    return int(Decimal(amount).scaleb(_DIGITS[currency]))


# --- bank: holds at every moment ----------------------------------------------------------------
def bank(found: Snapshot) -> list[str]:
    """Nothing is made or lost: sums are zero, nobody owes less than nothing, rows agree."""
    problems = []
    sums: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for account in found.accounts:
        sign = 1 if account["normal_side"] == "debit" else -1
        sums[account["currency"]] += sign * account["balance_minor"]
        if account["is_guarded"] and account["balance_minor"] < 0:
            problems.append(f"{account['code']} is at {account['balance_minor']}")
        if not _KNOWN_ACCOUNT.fullmatch(account["code"]):
            problems.append(f"nobody knows the account {account['code']}")
        if (
            account["code"].startswith(("escrow:", "chargeback:"))
            or "receivable" in account["code"]
        ):
            there[account["code"]] += account["balance_minor"]
    problems += [f"{currency} sums to {total}" for currency, total in sums.items() if total]
    wanted = Counter({f"escrow:{row['id']}:held": _held(row) for row in found.escrows})
    for case in found.chargebacks:
        # Not added: a sum of counters forgets what is below zero.
        wanted.update(_left_of(case))
    problems += [
        f"{code} holds {there[code]}, its row says {wanted[code]}"
        for code in dict.fromkeys([*wanted, *there])
        if there[code] != wanted[code]
    ]
    return problems


# --- quiescence: nothing is left to do ----------------------------------------------------------
def unfinished(found: Snapshot, books: Books) -> list[str]:
    """Work that has not come to its end."""
    problems = [
        f"payment {row['id']} is {row['status']} {row['reason']} {row['hold_reason']}"
        for row in found.payments
        # What the payer's bank has given back is never sent.
        if row["status"] in {"PENDING", "SENT", "ERROR"} and row["hold_reason"] != "charged_back"
    ]
    problems += [*_undecided(found), *_left_behind(found)]
    problems += [
        f"event {row['id']} ({row['type']}) is {row['status']} {row['reason']}"
        for row in found.events
        if row["status"] not in {"PROCESSED", "IGNORED"}
    ]
    paid = {row["key"] for row in books["fundings"] if row["status"] == "succeeded"}
    problems += [
        f"funding {row['id']} is paid at the PSP and {row['status']} here"
        for row in found.fundings
        if row["psp_key"] in paid and row["status"] != "SUCCEEDED"
    ]
    if books["open_deliveries"]:
        problems.append(f"{books['open_deliveries']} reports of the PSP were not taken")
    return problems


def _undecided(found: Snapshot) -> Iterator[str]:
    """What still waits for a machine, a person or a bank."""
    for proof in found.proofs:
        if proof["status"] == "PENDING":
            yield f"proof {proof['id']} waits"
        if proof["processing"] not in {"done", "failed"}:
            yield f"proof {proof['id']} is {proof['processing']}"
    for noun, rows, ended in (
        ("chargeback", found.chargebacks, {"WON", "LOST"}),
        ("batch", found.batches, {"CLOSED", "CANCELLED"}),
        ("approval", found.approvals, {"GRANTED", "REPLACED", "WITHDRAWN"}),
    ):
        waiting = (row for row in rows if row["status"] not in ended)
        yield from (f"{noun} {row['id']} is {row['status']}" for row in waiting)


def _left_behind(found: Snapshot) -> Iterator[str]:
    """What dead processes left: locks, runs, and news that nobody passed on."""
    owners = {row["name"]: row["owner"] for row in found.locks}
    for row in found.locks:
        if row["owner"] and row["is_over"] and row["name"] in _FREQUENT:
            yield f"the lock of {row['name']} is still that of {row['owner']}, which is gone"
    for run in found.jobs:
        if run["status"] == "RUNNING" and owners.get(run["name"], "") != run["owner"]:
            yield f"a run of {run['name']} is RUNNING without its lock"
    # Where somebody passes the news on, all of them go.
    if any(row["relayed_at"] for row in found.outbox):
        waiting = [row["id"] for row in found.outbox if not row["relayed_at"]]
        yield from (f"the outbox row {number} waits" for number in waiting)


# --- paid_once: nothing doubled, nothing lost -----------------------------------------------------
def paid_once(found: Snapshot, books: Books) -> list[str]:
    """By the PSP's own books every payment was made once, or not at all where it came back."""
    paid: Counter[int] = Counter()
    for order in (*books["transfers"], *books["refunds"]):
        paid[int(order["metadata"]["payment"])] += order["status"] in {"settled", "pending"}
    return [
        f"payment {row['id']} is {row['status']} and was paid {paid[row['id']]} times"
        for row in found.payments
        if row["method"] == "psp"
        and row["psp"] != "manual"
        and paid[row["id"]] != int(row["status"] == "SETTLED")
    ]


def paid_by_people(found: Snapshot, paid_lines: Collection[str]) -> list[str]:
    """By the book of who paid from the files every payment was made once, or not at all where it
    failed or came back. paid_lines: the codes of the lines whose money arrived and stayed."""
    paid: Counter[int] = Counter()
    known = {line["code"]: line["payment_id"] for line in found.lines}
    for code in paid_lines:
        if code in known:
            paid[known[code]] += 1
    problems = [f"the line {code} was paid and is in no batch" for code in {*paid_lines} - {*known}]
    problems += [
        f"payment {row['id']} is {row['status']} and was paid {paid[row['id']]} times by people"
        for row in found.payments
        if row["method"] == "psp"
        and row["psp"] == "manual"
        and paid[row["id"]] != int(row["status"] == "SETTLED")
    ]
    return problems


# --- psp_books: what left and came, as the PSP saw it -------------------------------------------
def psp_books(found: Snapshot, books: Books) -> list[str]:
    """Every order at the PSP is one attempt of ours, with its figures, once; and the sums agree."""
    return [
        *_orders(found, (*books["transfers"], *books["refunds"])),
        *_fundings(found, books["fundings"]),
        *_cases(found, books["chargebacks"]),
        *_totals(found, books["totals"]),
    ]


def _orders(found: Snapshot, orders: Sequence[Row]) -> list[str]:
    payments = {row["id"]: row for row in found.payments}
    attempts = {row["psp_key"]: row for row in found.attempts}
    problems = []
    for order in orders:
        payment_id = int(order["metadata"]["payment"])
        attempt = attempts.get(order["key"])
        if attempt is None or attempt["payment_id"] != payment_id:
            problems.append(f"the PSP has {order['id']} for payment {payment_id}; we do not")
            continue
        payment = payments[payment_id]
        if minor(order["amount"], order["currency"]) != payment["amount_minor"]:
            problems.append(f"{order['id']} is {order['amount']}, not what payment {payment_id} is")
        if attempt["result"] != order["status"]:
            problems.append(f"{order['id']} is {order['status']}, {attempt['result']} here")
    return problems


def _fundings(found: Snapshot, sessions: Sequence[Row]) -> list[str]:
    ours = {row["psp_key"]: row for row in found.fundings}
    charges = Counter(row["charge_ref"] for row in found.deposits if row["charge_ref"])
    problems = []
    for session in sessions:
        row = ours.get(session["key"])
        if row is None:
            problems.append(f"the PSP has a session {session['id']} that we do not know")
        elif session["status"] == "succeeded":
            received = minor(session["received"], session["currency"])
            if row["received_minor"] != received or charges[session["id"]] != 1:
                problems.append(f"{session['id']} of {received} was not booked once")
    return problems


def _cases(found: Snapshot, cases: Sequence[Row]) -> list[str]:
    """Every case of a bank is one of ours, with its amount and its end; and we know no other."""
    ours = {
        row["psp_ref"]: (row["amount_minor"], row["status"].lower()) for row in found.chargebacks
    }
    theirs = {
        case["id"]: (minor(case["amount"], case["currency"]), case["status"]) for case in cases
    }
    return [
        f"the case {name} is {theirs.get(name)} at the PSP, {ours.get(name)} here"
        for name in dict.fromkeys([*theirs, *ours])
        if theirs.get(name) != ours.get(name)
    ]


def _totals(found: Snapshot, totals: Mapping[str, Row]) -> list[str]:
    held: Counter[str] = Counter()
    for account in found.accounts:
        if account["code"] == "psp:fake":
            held[account["currency"]] += account["balance_minor"]
    problems = []
    for currency, total in totals.items():
        parts = {name: minor(amount, currency) for name, amount in total.items()}
        # What came in, less everything that left in any way.
        there = 2 * parts["collected"] - sum(parts.values())
        if held[currency] != there:
            problems.append(
                f"{currency} at the PSP: {there} by its books, {held[currency]} by ours"
            )
    return problems


# --- one_payout -----------------------------------------------------------------------------------
def one_payout(found: Snapshot) -> list[str]:
    """A milestone has one payout that counts, and exactly one once it is paid."""
    live = Counter(
        row["milestone_id"]
        for row in found.payments
        if row["milestone_id"] is not None and row["status"] != "REFUNDED"
    )
    return [
        f"milestone {row['id']} is {row['status']} with {live[row['id']]} payouts"
        for row in found.milestones
        if live[row["id"]] != int(row["status"] in {"APPROVED", "PAYING", "PAID"})
    ]


def _held(escrow: Row) -> int:
    """What may be decided about; a frozen part lies on an account of its case."""
    given = escrow["released_minor"] + escrow["refunded_minor"]
    return int(escrow["funded_minor"] - given - escrow["frozen_minor"])


def _left_of(case: Row) -> "Counter[str]":
    """What the accounts of a case, and of its payer's debt, hold for it."""
    code = f"chargeback:{case['id']}"
    if case["status"] == "OPEN":
        return Counter(
            {f"{code}:pending": case["amount_minor"], f"{code}:frozen": case["frozen_minor"]}
        )
    is_gone = case["written_off_at"] is not None
    owed = 0 if is_gone else case["owed_minor"] - case["recovered_minor"]
    return Counter({f"user:{case['payer_id']}:receivable": owed})
