"""Acknowledged implies durable: what a client was told is there, or has gone on from there."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tests.chaos.machines import MACHINES
from tests.chaos.snapshot import Snapshot

if TYPE_CHECKING:
    from tests.chaos.journal import Acknowledged

_TABLES = (
    "escrows", "milestones", "fundings", "proofs", "payments", "batches", "lines", "mandates",
    "purchases",
)  # fmt: skip


class _World:
    """The rows of a snapshot by their ids, for quick looks."""

    def __init__(self, found: Snapshot) -> None:
        self.found = found
        self.rows = {name: {row["id"]: row for row in getattr(found, name)} for name in _TABLES}
        self.others = {(row["kind"], row["id"]) for row in found.others}
        self.answers = {row["key"]: row for row in found.answers}
        self.lines = {row["code"]: row for row in found.lines}

    def has_come_to(self, noun: str, row_id: int, told: str) -> str:
        """Why a row is not where a client saw it, or after; "" when it is."""
        machine = MACHINES[noun]
        row = self.rows[machine.rows].get(row_id)
        if row is None:
            return f"{noun} {row_id} is gone"
        if row["status"] not in machine.later(told):
            return f"{noun} {row_id} was {told} and is {row['status']}"
        return ""


_Judge = Callable[[_World, "Acknowledged", Any, int], str]


def durable(found: Snapshot, acknowledged: Iterable["Acknowledged"]) -> list[str]:
    """Every answer that a client has is in the database, under its key and in its rows."""
    world = _World(found)
    return [
        f"{answer.asked.path}: {problem}"
        for answer in acknowledged
        for problem in _problems(world, answer)
        if problem
    ]


def _problems(world: _World, answer: "Acknowledged") -> Iterator[str]:
    key = answer.asked.key
    kept = world.answers.get(key)
    if key and (kept is None or kept["status"] != answer.status):
        yield f"the answer under {key} is not kept"
    for pattern, judge in JUDGES.items():
        match = re.fullmatch(pattern, answer.asked.path)
        if match is not None:
            number = int(match.groups()[0]) if match.groups() else 0
            body = b"" if pattern.endswith("/file") else json.loads(answer.content)
            yield judge(world, answer, body, number)
            return
    yield "nobody judges this answer"


def _stands(noun: str) -> _Judge:
    """The thing of the answer is in the answer's state, or has gone on."""

    def judge(world: _World, _answer: "Acknowledged", told: Any, _number: int) -> str:
        return world.has_come_to(noun, told["id"], told["status"])

    return judge


def _is_there(kind: str) -> _Judge:
    def judge(world: _World, _answer: "Acknowledged", told: Any, _number: int) -> str:
        is_there = (kind, told["id"]) in world.others
        return "" if is_there else f"{kind} {told['id']} is gone"

    return judge


def _destination(world: _World, _answer: "Acknowledged", told: Any, _number: int) -> str:
    is_there = any(row["id"] == told["id"] for row in world.found.destinations)
    return "" if is_there else f"destination {told['id']} is gone"


def _session(world: _World, _answer: "Acknowledged", told: Any, _number: int) -> str:
    is_there = told["funding_id"] in world.rows["fundings"]
    return "" if is_there else f"funding {told['funding_id']} is gone"


def _proof(world: _World, _answer: "Acknowledged", told: Any, _number: int) -> str:
    row = world.rows["proofs"].get(told["id"])
    if row is not None and row["file_sha256"] != told["sha256"]:
        return f"proof {told['id']} is of another file"
    return world.has_come_to("proof", told["id"], told["status"])


def _decision(world: _World, answer: "Acknowledged", told: Any, number: int) -> str:
    wanted = "APPROVED" if answer.asked.body["decision"] == "approve" else "REJECTED"
    row = world.rows["proofs"].get(number)
    return "" if row is not None and row["status"] == wanted else f"it was {wanted} and is not"


def _payment(world: _World, _answer: "Acknowledged", told: Any, number: int) -> str:
    """Of one try to the next a payment may begin anew; its tries only grow."""
    row = world.rows["payments"].get(number)
    if row is None or row["attempt"] < told["attempt"]:
        return f"try {told['attempt']} of payment {number} is gone"
    is_same_try = row["attempt"] == told["attempt"]
    came_from = {"PENDING": 0, "SENT": 1, "ERROR": 2, "SETTLED": 2, "REFUNDED": 3, "CANCELLED": 3}
    if is_same_try and came_from[row["status"]] < came_from[told["status"]]:
        return f"payment {number} was {told['status']} and is {row['status']}"
    return world.has_come_to("payment", number, told["status"])


def _confirmed(world: _World, answer: "Acknowledged", told: Any, number: int) -> str:
    if told["status"] != "SETTLED":
        return f"payment {number} was not settled by its confirmation"
    return _payment(world, answer, told, number)


def _approved(world: _World, _answer: "Acknowledged", told: Any, number: int) -> str:
    """The first approval is kept, and the second one moved the batch. Only whoever cancels the
    batch takes a first approval back."""
    batch = world.rows["batches"].get(number)
    is_cancelled = batch is not None and batch["status"] == "CANCELLED"
    kept = {"PENDING", "GRANTED", *(("WITHDRAWN",) if is_cancelled else ())}
    given = [
        row
        for row in world.found.approvals
        if row["subject"] == f"batch:{number}" and row["status"] in kept
    ]
    if not given:
        return f"the approval of batch {number} is gone"
    return world.has_come_to("batch", number, told["status"])


def _statement(world: _World, answer: "Acknowledged", _told: Any, number: int) -> str:
    """It is kept, and every line is where it says."""
    content = answer.asked.file or b""
    sha256 = hashlib.sha256(content).hexdigest()
    kept = {(row["batch_id"], row["sha256"]) for row in world.found.statements}
    if (number, sha256) not in kept:
        return f"the statement of batch {number} is gone"
    for row in csv.DictReader(io.StringIO(content.decode())):
        line = world.lines.get(row["line"])
        wanted = row["outcome"].upper()
        if line is None or (line["status"] != wanted and line["status"] != "RETURNED"):
            return f"line {row['line']} was {wanted} and is not"
    return ""


def _file(world: _World, answer: "Acknowledged", _told: Any, number: int) -> str:
    row = world.rows["batches"].get(number)
    if row is None or row["file_sha256"] != hashlib.sha256(answer.content).hexdigest():
        return f"the file of batch {number} is not the one that was handed out"
    return world.has_come_to("batch", number, "EXPORTED")


def _spent(world: _World, _answer: "Acknowledged", told: Any, _number: int) -> str:
    """A payment to a payee; its state is told again by its own row."""
    return world.has_come_to("payment", told["payment_id"], told["status"])


# By the path of what was asked; the first group is the number of what it is about.
JUDGES: Mapping[str, _Judge] = {
    r"/users": _is_there("user"),
    r"/users/\d+/destinations": _destination,
    r"/apikeys": _is_there("key"),
    r"/escrows": _stands("escrow"),
    r"/escrows/(\d+)/funding-session": _session,
    r"/escrows/(\d+)/[a-z-]+": _stands("escrow"),
    r"/proofs": _proof,
    r"/proofs/(\d+)/decision": _decision,
    r"/payments/execute/(\d+)": _payment,
    r"/payments/(\d+)/confirm": _confirmed,
    r"/payments/batches": _stands("batch"),
    r"/payments/batches/(\d+)/approve": _approved,
    r"/payments/batches/(\d+)/cancel": _stands("batch"),
    r"/payments/batches/(\d+)/file": _file,
    r"/payments/batches/(\d+)/statement": _statement,
    r"/spend": _spent,
    r"/spend/allowed": _is_there("payee"),
    r"/spend/allow": _is_there("usage"),
    r"/spend/categories": _is_there("category"),
    r"/spend/merchants": _is_there("merchant"),
    r"/mandates": _stands("mandate"),
    r"/spend/purchases": _stands("purchase"),
    r"/spend/purchases/(\d+)/refund": _stands("purchase"),
}
