"""The audit trail judged: replayed it ends where the rows stand, and every posting is told of."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.machines import MACHINES, NO_STATE, NOTHING, Machine, words
from tests.chaos.snapshot import Row, Snapshot

Told = tuple[str, str]

_STEP_KEY = re.compile(
    r"(payment:\d+):(\d+):(sent|settled|failed|returned|never_received|found|found_again)"
)
_PART_KEY = re.compile(r"escrow:(\d+):refund:\d+")
_CASE_KEY = re.compile(r"(chargeback:\d+):(opened|frozen|unfrozen|won|lost|written_off|fee):?.*")
_FOUND_KEY = re.compile(r"payment:(\d+):\d+:found(?:_again)?")
_SET_OFF_KEY = re.compile(r"(payment:\d+):\d+:(set_off|owed)(?:_again)?")
_CASE_STEPS = {"frozen": "opened", "unfrozen": "won"}
# What somebody outside must hear of has a row for that, written with the entry.
_HEARD = words(
    """
    escrow.funded escrow.disputed escrow.released escrow.refunded escrow.cancelled escrow.spent
    escrow.partly_refunded milestone.approved milestone.paid milestone.payout_returned
    payment.settled payment.failed payment.returned funding.succeeded funding.failed
    chargeback.opened chargeback.won chargeback.lost proof.submitted proof.approved proof.rejected
    proof.replaced purchase.made purchase.refunded mandate.created
    """
)
# Told as often as other rows say that it happened.
COUNTED = words(
    """
    milestone.submitted milestone.paying milestone.paid milestone.payout_failed
    milestone.payout_returned payment.sent payment.settled payment.failed payment.returned
    payment.found escrow.partly_refunded escrow.spent escrow.spent_put_back escrow.money_frozen
    escrow.money_freed escrow.charged_back chargeback.written_off purchase.made purchase.paid
    purchase.payout_failed purchase.payout_returned spending.made spending.paid
    spending.payout_failed spending.payout_returned proof.document_read batch.statement_taken
    job.lock_acquired
    """
)
# Under these a payment is only by an entry that says so; the others it may have from its birth.
_TOLD_HOLDS = frozenset({"staff", "charged_back"})


@dataclass
class _Trail:
    """The entries, counted and grouped as the judges ask for them.

    told: how often each subject's action was told. steps: the same for each attempt of a payment.
    by_subject: the actions and bodies of each subject, in their order. moved: the keys of the
    moves of funds that were told to be booked.
    """

    told: "Counter[Told]" = field(default_factory=Counter)
    steps: "Counter[tuple[str, int, str]]" = field(default_factory=Counter)
    by_subject: defaultdict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    moved: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, found: Snapshot) -> "_Trail":
        trail = cls()
        for entry in found.entries:
            trail.told[entry["subject"], entry["action"]] += 1
            trail.by_subject[entry["subject"]].append(entry)
            if entry["action"] == "funds_move.booked":
                trail.moved.add(f"funds:{entry['body']['bank_ref']}:moved")
            if entry["action"].startswith("payment.") and "attempt" in entry["body"]:
                trail.steps[entry["subject"], entry["body"]["attempt"], entry["action"]] += 1
        return trail

    def is_told(self, subject: str, action: str) -> bool:
        """Whether it was told once."""
        return self.told[subject, action] == 1


def audit(found: Snapshot) -> list[str]:
    """Streams without gaps, and for every state and every posting the entry that tells of it."""
    trail = _Trail.of(found)
    return [
        *_gaps(found),
        *_unknown(found),
        *(
            problem
            for noun, machine in MACHINES.items()
            for problem in _replayed(found, noun, machine, trail)
        ),
        *_miscounted(found, trail),
        *_holds(found, trail),
        *_routes(found, trail),
        *_recovered(found, trail),
        *_untold_postings(found, trail),
        *_unheard(found),
    ]


def _gaps(found: Snapshot) -> Iterator[str]:
    streams: defaultdict[str, list[int]] = defaultdict(list)
    for entry in found.entries:
        streams[entry["stream"]].append(entry["stream_seq"])
    for stream, numbers in streams.items():
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"the stream {stream} has gaps"


def _unknown(found: Snapshot) -> Iterator[str]:
    """Actions that no judge looks at."""
    for action in sorted({entry["action"] for entry in found.entries}):
        noun = action.partition(".")[0]
        machine = MACHINES.get(noun)
        if machine is None and noun not in NO_STATE:
            yield f"nobody judges {action}"
        if machine is not None and action not in {*machine.moves, *machine.notes}:
            yield f"nobody judges {action}"


def _replayed(found: Snapshot, noun: str, machine: Machine, trail: _Trail) -> Iterator[str]:
    """Every row is where its own entries, taken one after the other, lead to."""
    rows = {f"{noun}:{row['id']}": row for row in getattr(found, machine.rows)}
    subjects = [name for name in trail.by_subject if name.partition(":")[0] == noun]
    for subject in dict.fromkeys([*rows, *subjects]):
        state = NOTHING
        for entry in trail.by_subject.get(subject, ()):
            action = entry["action"]
            if action not in machine.moves:
                continue
            target = machine.moves[action][1]
            said = entry["body"].get("before", state), entry["body"].get("status", target)
            if state not in machine.sources(action) or said != (state, target):
                yield f"{subject} was {state} by its entries; {action} says {said}"
            state = target
        is_there = rows[subject]["status"] if subject in rows else NOTHING
        if state != is_there:
            yield f"{subject} is {is_there}, by its entries it is {state}"


def _miscounted(found: Snapshot, trail: _Trail) -> Iterator[str]:
    """What other rows say how often it happened."""
    wanted: Counter[Told] = Counter()
    for count in (_of_proofs, _of_attempts, _of_cases, _of_spending, _of_batches, _of_jobs):
        wanted.update(count(found))
    told = {name: times for name, times in trail.told.items() if name[1] in COUNTED}
    for subject, action in dict.fromkeys([*wanted, *told]):
        is_told, count_wanted = told.get((subject, action), 0), wanted[subject, action]
        if is_told != count_wanted:
            yield f"{subject} should be told {action} {count_wanted} times, is {is_told}"


def _of_proofs(found: Snapshot) -> "Counter[Told]":
    wanted: Counter[Told] = Counter()
    for row in found.proofs:
        wanted[f"milestone:{row['milestone_id']}", "milestone.submitted"] += 1
    for row in found.readings:
        wanted[f"proof:{row['proof_id']}", "proof.document_read"] += 1
    return wanted


def _of_attempts(found: Snapshot) -> "Counter[Told]":
    """Each attempt at the PSP was told when it began and when it ended, and its milestone too."""
    wanted: Counter[Told] = Counter()
    words_of_owner = {
        "sent": "paying", "settled": "paid", "failed": "payout_failed",
        "returned": "payout_returned", "found": "paying",
    }  # fmt: skip
    for payment, step in _steps(found):
        wanted[f"payment:{payment['id']}", f"payment.{step}"] += 1
        if payment["milestone_id"] is not None:
            milestone = f"milestone:{payment['milestone_id']}"
            wanted[milestone, f"milestone.{words_of_owner[step]}"] += 1
        noun = payment["origin"].partition(":")[0]
        if noun and step not in {"sent", "found"}:
            wanted[payment["origin"], f"{noun}.{words_of_owner[step]}"] += 1
    return wanted


def _steps(found: Snapshot) -> Iterator[tuple[Row, str]]:
    """What became of each payment, by its attempts and the ledger."""
    payments = {row["id"]: row for row in found.payments}
    # What came back had arrived.
    ends = {"settled": ["settled"], "returned": ["settled", "returned"], "failed": ["failed"]}
    for row in found.attempts:
        steps = ["sent", *ends.get(row["result"], [])]
        yield from ((payments[row["payment_id"]], step) for step in steps)
    for transfer in found.transfers:
        if (late := _FOUND_KEY.fullmatch(transfer["business_key"])) is not None:
            # Given up, and on its way again.
            yield from ((payments[int(late[1])], step) for step in ("failed", "found"))
    for payment in found.payments:
        if payment["method"] == "external":
            steps = ["sent", "settled"] if payment["settled_at"] else ["sent"]
            yield from ((payment, step) for step in steps)


def _of_cases(found: Snapshot) -> "Counter[Told]":
    wanted: Counter[Told] = Counter()
    ends = {"WON": "escrow.money_freed", "LOST": "escrow.charged_back"}
    for row in found.chargebacks:
        escrow, case = f"escrow:{row['escrow_id']}", f"chargeback:{row['id']}"
        if row["frozen_minor"]:
            wanted[escrow, "escrow.money_frozen"] += 1
            if row["status"] in ends:
                wanted[escrow, ends[row["status"]]] += 1
        wanted[case, "chargeback.written_off"] += row["written_off_at"] is not None
    return wanted


def _of_spending(found: Snapshot) -> "Counter[Told]":
    """What was taken out of escrows and what came back into them, by the ledger."""
    wanted: Counter[Told] = Counter()
    origins = {row["origin"]: row["escrow_id"] for row in found.payments if row["origin"]}
    for transfer in found.transfers:
        key, code = transfer["business_key"], transfer["code"]
        part = _PART_KEY.fullmatch(key)
        if part is not None:
            wanted[f"escrow:{part[1]}", "escrow.partly_refunded"] += 1
        elif code == "spend":
            origin = key.removesuffix(":pay")
            wanted[f"escrow:{origins[origin]}", "escrow.spent"] += 1
            wanted[origin, f"{origin.partition(':')[0]}.made"] += 1
        elif code in {"spend.taken_back", "spend.given_back"}:
            escrow_id = origins[key.removesuffix(":back")]
            wanted[f"escrow:{escrow_id}", "escrow.spent_put_back"] += 1
    for purchase in found.purchases:
        if purchase["escrow_id"] is None:
            wanted[f"purchase:{purchase['id']}", "purchase.made"] += 1
    return wanted


def _of_batches(found: Snapshot) -> "Counter[Told]":
    taken = Counter(row["batch_id"] for row in found.statements)
    return Counter(
        {(f"batch:{number}", "batch.statement_taken"): taken[number] for number in taken}
    )


def _of_jobs(found: Snapshot) -> "Counter[Told]":
    """Every run of a job took its lock, or took it over; what has ended gave it back or lost it."""
    wanted: Counter[Told] = Counter()
    for subject, runs in Counter(f"job:{row['name']}" for row in found.jobs).items():
        over = sum(
            entry["action"] == "job.lock_taken_over"
            for entry in found.entries
            if entry["subject"] == subject
        )
        wanted[subject, "job.lock_acquired"] = runs - over
    return wanted


def _holds(found: Snapshot, trail: _Trail) -> Iterator[str]:
    """Why a payment waits is what was told of it last."""
    for row in found.payments:
        subject, hold = f"payment:{row['id']}", row["hold_reason"]
        last: str | None = None
        for entry in trail.by_subject.get(subject, ()):
            if entry["action"] == "payment.held":
                last = str(entry["body"]["hold"])
            elif entry["action"] in {"payment.hold_lifted", "payment.retried"}:
                last = ""
        # While a case is open, what is freed of one hold falls under that of the case.
        is_right = hold == last or (hold == "chargeback" and last == "")
        if not (is_right or (last is None and hold not in _TOLD_HOLDS)):
            yield f"{subject} is held by {hold!r}, it was told {last!r}"


def _routes(found: Snapshot, trail: _Trail) -> Iterator[str]:
    """A payment that goes another way than it was ordered to was told so."""
    named = {f"destination:{row['id']}": row["created_at"] for row in found.destinations}
    for row in found.payments:
        subject = f"payment:{row['id']}"
        routed = [
            entry["body"]["psp"]
            for entry in trail.by_subject.get(subject, ())
            if entry["action"] == "payment.routed"
        ]
        is_newer = row["destination"] in named and named[row["destination"]] > row["created_at"]
        if (routed and routed[-1] != row["psp"]) or (is_newer and not routed):
            yield f"{subject} goes by {row['psp']}, it was told {routed}"


def _recovered(found: Snapshot, trail: _Trail) -> Iterator[str]:
    """What was taken off a debt is the sum of what was told of it."""
    for row in found.chargebacks:
        subject = f"chargeback:{row['id']}"
        told = 0
        for entry in trail.by_subject.get(subject, ()):
            if entry["action"] == "chargeback.recovered":
                told += entry["body"]["amount_minor"]
            elif entry["action"] == "chargeback.owed_again" and entry["body"]["paid_a_debt"]:
                told -= entry["body"]["amount_minor"]
        if told != row["recovered_minor"]:
            yield f"{subject} was paid {row['recovered_minor']} of its debt, it was told {told}"


def _untold_postings(found: Snapshot, trail: _Trail) -> Iterator[str]:
    """Movements in the ledger without the entry of what moved them."""
    by_key = {row["business_key"]: f"payment:{row['id']}" for row in found.payments}
    by_origin: defaultdict[str, list[str]] = defaultdict(list)
    for row in found.payments:
        by_origin[row["origin"]].append(f"payment:{row['id']}")
    fees = Counter(
        case[1]
        for case in map(_CASE_KEY.fullmatch, (row["business_key"] for row in found.transfers))
        if case is not None and case[2] == "fee"
    )
    for transfer in found.transfers:
        key, code = transfer["business_key"], transfer["code"]
        step, case = _STEP_KEY.fullmatch(key), _CASE_KEY.fullmatch(key)
        if step is not None:
            words_of_step = {"never_received": "failed", "found_again": "found"}
            word = words_of_step.get(step[3], step[3])
            is_told = trail.steps[step[1], int(step[2]), f"payment.{word}"] >= 1
        elif case is not None and case[2] == "fee":
            is_told = trail.told[case[1], "psp_fee.booked"] == fees[case[1]]
        elif case is not None:
            is_told = trail.is_told(case[1], f"chargeback.{_CASE_STEPS.get(case[2], case[2])}")
        elif code in {"spend.taken_back", "spend.given_back", "spend.same_money"}:
            action = code.replace("spend", "payment")
            payments = by_origin[key.rpartition(":")[0]]
            is_told = sum(trail.told[payment, action] for payment in payments) == 1
        else:
            is_told = _is_told(key, code, by_key, trail)
        if not is_told:
            yield f"the posting {key} ({code}) is told nowhere"


def _is_told(key: str, code: str, by_key: Mapping[str, str], trail: _Trail) -> bool:
    kept = _SET_OFF_KEY.fullmatch(key)
    if code == "funds.moved":
        return key in trail.moved
    if kept is not None:
        is_kept = code == "debt.set_off"
        told = {"payment.held"} if is_kept else {"payment.hold_lifted", "payment.taken_back"}
        return any(trail.told[kept[1], word] for word in told)
    ordered = by_key.get(key) or by_key.get(f"{key}:1", "")
    wanted: Mapping[str, Told] = {
        "deposit": (key, "deposit.confirmed"),
        "release": (ordered, "payment.requested"),
        "refund": (ordered, "payment.requested"),
        "spend": (ordered, "payment.requested"),
        "surplus": (by_key.get(f"{key}:refund", ""), "payment.surplus_booked"),
        "psp_fee": (key.removesuffix(":fee"), "psp_fee.booked"),
    }
    return code in wanted and trail.is_told(*wanted[code])


def _unheard(found: Snapshot) -> Iterator[str]:
    """Entries of which somebody outside must hear, without a row in the outbox; and the reverse."""
    rows: Counter[Any] = Counter(row["entry_id"] for row in found.outbox)
    for entry in found.entries:
        if entry["action"] in _HEARD and rows[entry["id"]] != 1:
            yield f"{entry['subject']}: nobody will hear of {entry['action']}"
    known = {entry["id"] for entry in found.entries}
    yield from (
        f"outbox row of entry {number} tells of nothing" for number in rows if number not in known
    )
