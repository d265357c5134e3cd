"""The judges of a chaos run: shown a world that is right, they are silent; shown a flaw, not."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

import pytest

from audit.actions import Action
from escrow.models import Deposit, Escrow, Milestone
from payments.models import Batch, Chargeback, Funding, FundsMove, Payment
from proofs.models import Proof
from spend.models import Mandate, Purchase
from tests.chaos.journal import Acknowledged, Asked
from tests.chaos.machines import MACHINES, NO_STATE, NOTHING
from tests.chaos.trail import COUNTED
from tests.chaos.world import FILE, World, account

# The product's own tables: MACHINES, which were written from the contract, must know each of them.
TABLES: Mapping[str, Any] = {
    "escrow": Escrow,
    "milestone": Milestone,
    "deposit": Deposit,
    "payment": Payment,
    "funding": Funding,
    "funds_move": FundsMove,
    "chargeback": Chargeback,
    "batch": Batch,
    "proof": Proof,
    "purchase": Purchase,
    "mandate": Mandate,
}


def _order_twice(world: World) -> None:
    again = world.books["transfers"][0] | {"id": "tr_2", "key": "koba_unknown"}
    world.books["transfers"].append(again)


def _drop(name: str, index: int) -> Callable[[World], None]:
    return lambda world: getattr(world, name).pop(index)


def _set(name: str, **values: Any) -> Callable[[World], None]:
    return lambda world: getattr(world, name)[0].update(values)


def _set_book(name: str, **values: Any) -> Callable[[World], None]:
    return lambda world: world.books[name][0].update(values)


def _untell(action: str) -> Callable[[World], None]:
    """Cut the first entry of an action out, without a gap."""

    def plant(world: World) -> None:
        index = next(i for i, entry in enumerate(world.entries) if entry["action"] == action)
        gone = world.entries.pop(index)
        world.outbox = [row for row in world.outbox if row["entry_id"] != gone["id"]]
        for entry in world.entries:
            if entry["stream"] == gone["stream"] and entry["stream_seq"] > gone["stream_seq"]:
                entry["stream_seq"] -= 1

    return plant


def _forget(path: str, **changes: Any) -> Callable[[World], None]:
    """Let what a client was told at `path` be something else than what is there."""

    def plant(world: World) -> None:
        index = next(i for i, told in enumerate(world.acknowledged) if told.asked.path == path)
        world.acknowledged[index] = replace(world.acknowledged[index], **changes)

    return plant


def _told(path: str, content: bytes, **body: str) -> Callable[[World], None]:
    answer = Acknowledged(Asked("key", path, body), 200, content, 1)
    return lambda world: world.acknowledged.append(answer)


def _at(name: str, index: int, **values: Any) -> Callable[[World], None]:
    return lambda world: getattr(world, name)[index].update(values)


def _at_psp(name: str, index: int, **values: Any) -> Callable[[World], None]:
    return lambda world: world.books[name][index].update(values)


def _add(name: str, **row: Any) -> Callable[[World], None]:
    return lambda world: getattr(world, name).append(row)


def _all(*plants: Callable[[World], None]) -> Callable[[World], None]:
    def plant(world: World) -> None:
        for each in plants:
            each(world)

    return plant


def _leave_on_a_closed_case(world: World) -> None:
    for row in world.accounts[-2:]:
        row["balance_minor"] = 1


def _end_with_money(world: World) -> None:
    world.deals[1].is_sure = False
    world.escrows[1]["status"] = "RELEASED"


def _end_twice(world: World) -> None:
    again = {"id": 99, "stream_seq": 18, "action": "escrow.released", "subject": "escrow:1"}
    world.entries.append(world.entries[16] | again)
    _add("outbox", id=99, entry_id=99, event="", relayed_at=None)(world)


def _never_decide(world: World) -> None:
    nothing = {"amount_minor": 0, "frozen_minor": 0}
    case = world.chargebacks[0] | nothing | {"id": 2, "psp_ref": "cb_2", "status": "OPEN"}
    world.chargebacks.append(case)
    theirs = {"id": "cb_2", "status": "open", "amount": "0"}
    world.books["chargebacks"].append(world.books["chargebacks"][0] | theirs)


def _pay_twice(world: World) -> None:
    again = {"id": 9, "method": "external", "business_key": "again", "kind": "spend"}
    world.payments.append(world.payments[0] | again)


def _spend_elsewhere(world: World) -> None:
    """The purchase is a payment to a payee instead, and still goes where it went."""
    world.spendings = [{"id": 1, "payee_id": 4}]
    spending = {"origin": "spending:1", "party": "payee:4", "business_key": "spending:1:pay"}
    world.payments[2].update(spending)
    world.transfers[5]["business_key"] = "spending:1:pay"


AUDIT = frozenset({"audit"})
LIVENESS = frozenset({"liveness"})
DURABLE = frozenset({"durable"})
PAYEES = frozenset({"payees"})
ORPHAN = {
    "id": 9, "status": "DRAFT", "currency": "EUR", "funded_minor": 0, "released_minor": 0,
    "refunded_minor": 0, "frozen_minor": 0, "client_id": 7, "provider_id": 8,
}  # fmt: skip

FLAWS: Mapping[str, tuple[Callable[[World], None], frozenset[str]]] = {
    "money out of nothing": (_set("accounts", balance_minor=301), frozenset({"bank", "psp_books"})),
    "a guarded account below zero": (
        _add("accounts", **account("user:7:funds", -1)),
        frozenset({"bank"}),
    ),
    "an account that nobody knows": (
        _add("accounts", **account("petty:cash", 0)),
        frozenset({"bank"}),
    ),
    "money left on a closed case": (
        _leave_on_a_closed_case,
        frozenset({"bank"}),
    ),
    "a debt that nobody has": (
        _all(
            _add("accounts", **account("user:7:receivable", 5, side="debit")),
            _add("accounts", **account("income:platform_fee", 5)),
        ),
        frozenset({"bank"}),
    ),
    "an update of an escrow that was lost": (
        _set("escrows", funded_minor=800),
        frozenset({"bank", "deals"}),
    ),
    "an escrow that is gone": (
        _drop("escrows", 0),
        frozenset({"deals", "durable", "audit"}),
    ),
    "an escrow that has ended and holds money": (
        _end_with_money,
        frozenset({"deals", "audit"}),
    ),
    "an escrow of which nobody was told, with a payment": (
        _all(
            _add("escrows", **(ORPHAN | {"id": 8})),
            _add("escrows", **ORPHAN),
            _add("fundings", id=9, escrow_id=9, psp_key="kobf_9", status="FAILED"),
        ),
        frozenset({"deals", "audit"}),
    ),
    "an acknowledged answer that is not kept": (_drop("answers", 0), DURABLE),
    "an acknowledged deposit that is gone back": (
        _forget("/escrows/1/deposit", content=b'{"id": 2, "status": "RELEASED"}'),
        DURABLE,
    ),
    "an acknowledged decision that is gone": (
        _told("/proofs/1/decision", b"{}", decision="reject"),
        DURABLE,
    ),
    "an acknowledged try that is gone": (
        _forget("/payments/execute/1", content=b'{"id": 1, "status": "PENDING", "attempt": 2}'),
        DURABLE,
    ),
    "an acknowledged confirmation that is gone": (
        _forget("/payments/3/confirm", content=b'{"id": 3, "status": "SENT", "attempt": 1}'),
        DURABLE,
    ),
    "an acknowledged session that is gone": (
        _forget("/escrows/2/funding-session", content=b'{"funding_id": 3}'),
        DURABLE,
    ),
    "a proof of another file": (_set("proofs", file_sha256="f2"), DURABLE),
    "an acknowledged approval that is gone": (_drop("approvals", 0), DURABLE),
    "an approval that was withdrawn while its batch goes on": (
        _set("approvals", status="WITHDRAWN"),
        DURABLE,
    ),
    "an approval of a cancelled batch that is gone": (_drop("approvals", 1), DURABLE),
    "an acknowledged statement that is gone": (
        _set("statements", sha256="other"),
        DURABLE,
    ),
    "an acknowledged line that is open again": (
        _set("lines", status="FAILED"),
        DURABLE,
    ),
    "a file that was handed out and is another now": (
        _forget("/payments/batches/1/file", content=FILE + b"x"),
        DURABLE,
    ),
    "an acknowledged user that is gone": (_drop("others", 0), DURABLE),
    "an acknowledged destination that is gone": (
        _forget("/users/7/destinations", content=b'{"id": 2}'),
        DURABLE,
    ),
    "an acknowledged spending that is gone": (
        _forget("/spend", content=b'{"payment_id": 9, "status": "PENDING"}'),
        DURABLE,
    ),
    "an answer that no judge knows": (_told("/elsewhere", b"{}"), DURABLE),
    "a payment that never ends": (
        _set("payments", status="SENT"),
        frozenset({"liveness", "paid_once", "audit"}),
    ),
    "a report that never has its effect": (_set("events", status="WAITING"), LIVENESS),
    "a document that nobody reads": (_set("proofs", processing="reading"), LIVENESS),
    "a case that the bank never decides": (
        _never_decide,
        frozenset({"liveness", "audit"}),
    ),
    "an approval that waits": (
        _add("approvals", id=3, subject="batch:3", status="PENDING"),
        LIVENESS,
    ),
    "the lock of a job whose process is gone": (
        _set("locks", owner="dead", is_over=True),
        LIVENESS,
    ),
    "a run that its successor did not close": (_set("jobs", status="RUNNING"), LIVENESS),
    "news that are not passed on": (_set("outbox", relayed_at="now"), LIVENESS),
    "a payment that was made twice": (_order_twice, frozenset({"paid_once", "psp_books"})),
    "a payment that the PSP never made": (
        lambda world: world.books["transfers"].clear(),
        frozenset({"paid_once"}),
    ),
    "a payout that went to the payer": (_at_psp("transfers", 0, destination="fake:7"), PAYEES),
    "a payout that is another's in the words of its payment too": (
        _all(_at("payments", 0, payee_id=7), _at_psp("transfers", 0, destination="fake:7")),
        PAYEES,
    ),
    "a payment that names another user": (_at("payments", 0, payee_id=7), PAYEES),
    "a purchase that names another merchant": (_at("payments", 2, party="merchant:5"), PAYEES),
    "a purchase that went to another merchant": (
        _at_psp("transfers", 1, destination="fake:merchant:5"),
        PAYEES,
    ),
    "a purchase that went to a payee": (
        _at_psp("transfers", 1, destination="fake:payee:4"),
        PAYEES,
    ),
    "a payment to a payee that went to a merchant": (_spend_elsewhere, AUDIT | PAYEES),
    "a refund through another charge": (_at_psp("refunds", 0, charge="ch_1"), PAYEES),
    "a refund through a charge of another escrow, which its payment names": (
        _all(_at("payments", 3, charge_ref="ch_1"), _at_psp("refunds", 0, charge="ch_1")),
        PAYEES,
    ),
    "a refund that names somebody else": (_at("payments", 3, payee_id=8), PAYEES),
    "a line to an account of somebody else": (_at("destinations", 0, user_id=7), PAYEES),
    "a line to an account of a merchant": (
        _at("destinations", 0, user_id=None, party="merchant:4"),
        PAYEES,
    ),
    "a line that was paid to another account than its payment": (
        _all(
            _add("destinations", id=2, created_at=1, user_id=8, party=""),
            _at("lines", 0, destination_id=2),
        ),
        PAYEES,
    ),
    "a line that was paid and whose payment waits": (
        lambda world: world.payments[1].update(status="ERROR"),
        frozenset({"paid_by_people", "liveness", "audit"}),
    ),
    "a line that nobody paid": (
        lambda world: world.paid_lines.clear(),
        frozenset({"paid_by_people"}),
    ),
    "a line that is in no batch": (
        lambda world: world.paid_lines.add("KB9-1-Z"),
        frozenset({"paid_by_people"}),
    ),
    "another amount at the PSP": (_set_book("transfers", amount="9.01"), frozenset({"psp_books"})),
    "a session that was booked nowhere": (
        _set("deposits", charge_ref=""),
        frozenset({"psp_books"}),
    ),
    "a case that the PSP does not know": (
        lambda world: world.books["chargebacks"].clear(),
        frozenset({"psp_books"}),
    ),
    "a case that was lost there and won here": (
        _set_book("chargebacks", status="lost"),
        frozenset({"psp_books"}),
    ),
    "two payouts of one milestone": (
        _pay_twice,
        frozenset({"one_payout", "audit", "deals"}),
    ),
    "an entry that is missing": (_drop("entries", 10), AUDIT),
    "a posting that nobody tells of": (
        _add("transfers", business_key="gift:1", code="gift"),
        AUDIT,
    ),
    "a fee of a case that nobody tells of": (
        _add("transfers", business_key="chargeback:1:fee:0:300", code="dispute_fee"),
        AUDIT,
    ),
    "a part of a debt that nobody told of": (
        _set("chargebacks", owed_minor=9, recovered_minor=9),
        AUDIT,
    ),
    "a debt that stands again and nobody told of": (
        _add("transfers", business_key="payment:1:1:owed_again", code="debt.owed_again"),
        AUDIT,
    ),
    "a move of funds that is not booked as it was told": (
        lambda world: world.booked_moves.add("REF1"),
        frozenset({"moves"}),
    ),
    "a move of funds that nobody told of": (
        _add("transfers", business_key="funds:REF1:moved", code="funds.moved"),
        AUDIT,
    ),
    "a hold that was told and is not there": (_untell("payment.hold_lifted"), AUDIT),
    "a hold that nobody told of": (_set("payments", hold_reason="staff"), AUDIT),
    "another way that nobody told of": (_set("destinations", created_at=9), AUDIT),
    "an action that nobody judges": (
        lambda world: world.entries[-1].update(action="escrow.forgotten"),
        AUDIT,
    ),
    "an outbox row that was lost": (_drop("outbox", 0), frozenset()),
    "an outbox row of a settled payment that was lost": (_drop("outbox", 15), AUDIT),
    "a second end that was told": (
        _end_twice,
        AUDIT,
    ),
}
# Every entry of a move, cut out by itself without a gap, must be missed by the judge of the trail.
MOVES = sorted(
    {entry["action"] for entry in World().entries}
    & {*COUNTED, *(action for machine in MACHINES.values() for action in machine.moves)}
)


def test_a_world_that_is_right_passes_every_checker() -> None:
    assert {name: found for name, found in World().judged().items() if found} == {}


@pytest.mark.parametrize(("plant", "found_by"), FLAWS.values(), ids=FLAWS)
def test_a_flaw_is_found_by_its_checkers(
    plant: Callable[[World], None], found_by: frozenset[str]
) -> None:
    world = World()
    plant(world)
    assert {name for name, found in world.judged().items() if found} == found_by


def test_every_checker_finds_something() -> None:
    assert (
        frozenset().union(*(found_by for _, found_by in FLAWS.values())) == World().judged().keys()
    )


@pytest.mark.parametrize("action", MOVES)
def test_a_move_that_was_not_told_is_found(action: str) -> None:
    world = World()
    _untell(action)(world)
    assert {name for name, found in world.judged().items() if found} == AUDIT


@pytest.mark.parametrize("noun", MACHINES)
def test_the_judge_of_the_trail_knows_every_state_and_move_of_the_product(noun: str) -> None:
    machine, table = MACHINES[noun], TABLES[noun].TRANSITIONS
    moves = {(str(source), str(target)) for source in table for target in table[source]}
    assert {pair for pair in machine.pairs() if pair[0] != NOTHING} == moves
    status: type[StrEnum] = type(next(iter(table)))
    assert {target for _, target in machine.pairs()} == {str(state) for state in status}


def test_every_action_is_a_move_a_note_or_about_no_state() -> None:
    judged = {
        action for machine in MACHINES.values() for action in {*machine.moves, *machine.notes}
    }
    about_none = {str(action) for action in Action if action.partition(".")[0] in NO_STATE}
    assert judged | about_none == {str(action) for action in Action}
    assert {action.partition(".")[0] for action in Action} == {*MACHINES, *NO_STATE}


def test_what_was_seen_once_may_go_on_and_not_go_back() -> None:
    assert MACHINES["escrow"].later("RELEASABLE") == {
        "RELEASABLE", "RELEASED", "REFUNDED", "DISPUTED",
    }  # fmt: skip
    assert MACHINES["batch"].later("CLOSED") == {"CLOSED"}
