"""What must hold after everything: each checker takes the facts and lists what is wrong.

They share no code with the product, and take plain rows: a test shows each of them a flaw.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.chaos.snapshot import Row, Snapshot

if TYPE_CHECKING:
    from tests.chaos.journal import Acknowledged
    from tests.chaos.journeys import Deal

Books = Mapping[str, Any]
_DIGITS = {"EUR": 2, "XOF": 0}
_KNOWN_ACCOUNT = re.compile(
    r"psp:(fake|manual)|collector:\d+|escrow:\d+:held|user:\d+:(payable|funds)"
    r"|(payee|merchant):\d+:payable|payment:\d+:in_transit|income:platform_fee|expense:psp_fee"
)
_STEP_KEY = re.compile(r"(payment:\d+):(\d+):(sent|settled|failed|returned)")


def minor(amount: str, currency: str) -> int:
    """An amount of the PSP in minor units."""
    return int(Decimal(amount).scaleb(_DIGITS[currency]))


# --- bank: holds at every moment ----------------------------------------------------------------
def bank(found: Snapshot) -> list[str]:
    """Nothing is made or lost: sums are zero, nobody owes less than nothing, rows agree."""
    problems = []
    sums: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for account in found.accounts:
        sign = 1 if account["normal_side"] == "debit" else -1
        sums[account["currency"]] += sign * account["balance_minor"]
        if account["is_guarded"] and account["balance_minor"] < 0:
            problems.append(f"{account['code']} is at {account['balance_minor']}")
        if not _KNOWN_ACCOUNT.fullmatch(account["code"]):
            problems.append(f"nobody knows the account {account['code']}")
        if account["code"].startswith("escrow:"):
            held[account["code"]] += account["balance_minor"]
    problems += [f"{currency} sums to {total}" for currency, total in sums.items() if total]
    for row in found.escrows:
        code, wanted = f"escrow:{row['id']}:held", _held(row)
        if held[code] != wanted:
            problems.append(f"{code} holds {held[code]}, its row says {wanted}")
    return problems


# --- quiescence: nothing is left to do ----------------------------------------------------------
def unfinished(found: Snapshot, books: Books) -> list[str]:
    """Work that has not come to its end."""
    problems = [
        f"payment {row['id']} is {row['status']} {row['reason']} {row['hold_reason']}"
        for row in found.payments
        if row["status"] in {"PENDING", "SENT", "ERROR"}
    ]
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
    problems += [f"proof {row['id']} waits" for row in found.proofs if row["status"] == "PENDING"]
    if books["open_deliveries"]:
        problems.append(f"{books['open_deliveries']} reports of the PSP were not taken")
    return problems


# --- deals: acknowledged is durable, and nothing else happened ------------------------------------
def deals(found: Snapshot, agreed: Iterable["Deal"]) -> list[str]:
    """Every escrow is exactly as its client, who was told of each step, keeps book of it."""
    problems = []
    escrows = {row["id"]: row for row in found.escrows}
    deposits, payments = _by(found.deposits, "escrow_id"), _by(found.payments, "escrow_id")
    for deal in agreed:
        row = escrows.get(deal.escrow_id)
        if row is None:
            problems.append(f"escrow {deal.escrow_id} was acknowledged and is gone")
            continue
        if not deal.is_sure:
            continue
        live = [one for one in payments[deal.escrow_id] if one["status"] != "REFUNDED"]
        confirmed = [one for one in deposits[deal.escrow_id] if one["status"] == "CONFIRMED"]
        seen = (
            row["status"],
            row["funded_minor"],
            row["released_minor"],
            row["refunded_minor"],
            sorted(one["amount_minor"] for one in confirmed),
            sum(one["amount_minor"] for one in live if one["kind"] != "refund"),
            sum(one["amount_minor"] for one in live if one["kind"] == "refund"),
        )
        told = (
            deal.status,
            sum(deal.deposits_minor),
            deal.released_minor,
            deal.refunded_minor,
            sorted(deal.deposits_minor),
            deal.released_minor,
            deal.refunded_minor,
        )
        if seen != told:
            problems.append(f"escrow {deal.escrow_id} is {seen}, its client was told {told}")
    return problems


def durable(found: Snapshot, acknowledged: Iterable["Acknowledged"]) -> list[str]:
    """Every answer that a client has is in the database, under its key."""
    stored = {row["key"]: row for row in found.answers}
    proofs = {row["id"]: row for row in found.proofs}
    problems = []
    for answer in acknowledged:
        row = stored.get(answer.asked.key)
        if answer.asked.key and (row is None or row["status"] != answer.status):
            problems.append(f"{answer.asked.path} under {answer.asked.key} is not kept")
        if answer.asked.path.endswith("/decision"):
            proof = proofs.get(int(answer.asked.path.split("/")[2]))
            wanted = "APPROVED" if answer.asked.body["decision"] == "approve" else "REJECTED"
            if proof is None or proof["status"] != wanted:
                problems.append(f"{answer.asked.path} was {wanted} and is not")
    return problems


# --- paid_once: nothing doubled, nothing lost -----------------------------------------------------
def paid_once(found: Snapshot, books: Books) -> list[str]:
    """By the PSP's own books every payment was made once, or not at all where it came back."""
    paid: Counter[int] = Counter()
    for order in (*books["transfers"], *books["refunds"]):
        paid[int(order["metadata"]["payment"])] += order["status"] in {"settled", "pending"}
    return [
        f"payment {row['id']} is {row['status']} and was paid {paid[row['id']]} times"
        for row in found.payments
        if row["method"] == "psp" and paid[row["id"]] != int(row["status"] == "SETTLED")
    ]


# --- psp_books: what left and came, as the PSP saw it -------------------------------------------
def psp_books(found: Snapshot, books: Books) -> list[str]:
    """Every order at the PSP is one attempt of ours, with its figures, once; and the sums agree."""
    return [
        *_orders(found, (*books["transfers"], *books["refunds"])),
        *_fundings(found, books["fundings"]),
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


# --- audit ----------------------------------------------------------------------------------------
def audit(found: Snapshot) -> list[str]:
    """Streams without gaps, and for every state and every posting the entry that tells of it."""
    problems = []
    streams: defaultdict[str, list[int]] = defaultdict(list)
    told: Counter[tuple[str, str]] = Counter()
    steps: Counter[tuple[str, int, str]] = Counter()
    for entry in found.entries:
        streams[entry["stream"]].append(entry["stream_seq"])
        told[entry["subject"], entry["action"]] += 1
        if entry["action"].startswith("payment.") and "attempt" in entry["body"]:
            steps[entry["subject"], entry["body"]["attempt"], entry["action"]] += 1
    for stream, numbers in streams.items():
        if numbers != list(range(1, len(numbers) + 1)):
            problems.append(f"the stream {stream} has gaps")
    problems += _untold_states(found, told)
    problems += _untold_postings(found, told, steps)
    return problems


def _untold_states(found: Snapshot, told: Mapping[tuple[str, str], int]) -> list[str]:
    wanted: dict[tuple[str, str], int] = {}
    for row in found.escrows:
        wanted[f"escrow:{row['id']}", "escrow.created"] = 1
        if row["status"] in {"RELEASED", "REFUNDED", "CANCELLED"}:
            wanted[f"escrow:{row['id']}", f"escrow.{row['status'].lower()}"] = 1
    for row in found.proofs:
        wanted[f"proof:{row['id']}", "proof.submitted"] = 1
        wanted[f"proof:{row['id']}", f"proof.{row['status'].lower()}"] = 1
    submitted = Counter(row["milestone_id"] for row in found.proofs)
    settled = Counter(row["milestone_id"] for row in found.payments if row["settled_at"])
    for row in found.milestones:
        wanted[f"milestone:{row['id']}", "milestone.submitted"] = submitted[row["id"]]
        wanted[f"milestone:{row['id']}", "milestone.paid"] = settled[row["id"]]
    for row in found.fundings:
        wanted[f"funding:{row['id']}", "funding.created"] = 1
        wanted[f"funding:{row['id']}", f"funding.{row['status'].lower()}"] = 1
    attempts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for row in found.attempts:
        attempts[row["payment_id"]][row["result"]] += 1
    for row in found.payments:
        tries = attempts[row["id"]]
        came_back = tries["returned"]
        is_external = row["method"] == "external"
        arrived = tries["settled"] + came_back if not is_external else int(bool(row["settled_at"]))
        subject = f"payment:{row['id']}"
        wanted[subject, "payment.requested"] = 1
        wanted[subject, "payment.sent"] = 1 if is_external else tries.total()
        wanted[subject, "payment.settled"] = arrived
        wanted[subject, "payment.failed"] = tries["failed"]
        wanted[subject, "payment.returned"] = came_back
    return [
        f"{subject} should be told {action} {count} times, is {told.get((subject, action), 0)}"
        for (subject, action), count in wanted.items()
        if told.get((subject, action), 0) != count
    ]


def _untold_postings(
    found: Snapshot,
    told: Mapping[tuple[str, str], int],
    steps: Mapping[tuple[str, int, str], int],
) -> list[str]:
    """Every movement in the ledger has the entry of what moved it."""
    ordered = {row["business_key"]: row["id"] for row in found.payments}
    problems = []
    for transfer in found.transfers:
        key, code = transfer["business_key"], transfer["code"]
        step = _STEP_KEY.fullmatch(key)
        if step is not None:
            is_told = steps.get((step[1], int(step[2]), f"payment.{step[3]}"), 0) == 1
        elif code == "deposit":
            is_told = told.get((key, "deposit.confirmed"), 0) == 1
        elif code in {"release", "refund", "spend"}:
            payment_id = ordered.get(key) or ordered.get(f"{key}:1")
            is_told = told.get((f"payment:{payment_id}", "payment.requested"), 0) == 1
        else:
            is_told = False
        if not is_told:
            problems.append(f"the posting {key} ({code}) is told nowhere")
    return problems


def _held(escrow: Row) -> int:
    funded, released = escrow["funded_minor"], escrow["released_minor"]
    return int(funded - released - escrow["refunded_minor"])


def _by(rows: Sequence[Row], name: str) -> Mapping[Any, list[Row]]:
    grouped: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[name]].append(row)
    return grouped
