"""The judges of a chaos run: shown a world that is right, they are silent; shown a flaw, not."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos import checkers
from tests.chaos.journal import Acknowledged, Asked
from tests.chaos.journeys import Deal
from tests.chaos.snapshot import Snapshot

Row = dict[str, Any]


class World:
    """One escrow, funded over the PSP and paid out once, as a snapshot and the PSP's books."""

    def __init__(self) -> None:
        self.accounts = [
            _account("psp:fake", 0, side="debit", guarded=False),
            _account("escrow:1:held", 0),
            _account("payment:1:in_transit", 0),
        ]
        self.escrows = [
            {
                "id": 1, "status": "RELEASED", "currency": "EUR",
                "funded_minor": 900, "released_minor": 900, "refunded_minor": 0,
            }
        ]  # fmt: skip
        self.milestones = [{"id": 1, "escrow_id": 1, "status": "PAID"}]
        self.deposits = [
            {
                "id": 1, "escrow_id": 1, "status": "CONFIRMED", "amount_minor": 900,
                "charge_ref": "ch_1",
            }
        ]  # fmt: skip
        self.payments = [
            {
                "id": 1, "escrow_id": 1, "milestone_id": 1, "kind": "payout", "method": "psp",
                "status": "SETTLED", "amount_minor": 900, "settled_at": "now", "reason": "",
                "hold_reason": "", "business_key": "proof:1:release",
            }
        ]  # fmt: skip
        self.attempts = [{"payment_id": 1, "psp_key": "koba_1", "result": "settled"}]
        self.fundings = [
            {"id": 1, "psp_key": "kobf_1", "status": "SUCCEEDED", "received_minor": 900}
        ]
        self.events = [{"id": 1, "type": "payment.settled", "status": "PROCESSED", "reason": ""}]
        self.proofs = [{"id": 1, "milestone_id": 1, "status": "APPROVED"}]
        self.transfers = _transfers()
        self.entries = _entries()
        self.answers = [{"key": "k", "status": 200, "body": b"{}"}]
        self.books = _books()
        self.deal = Deal(
            1, "EUR", [900], 0, [900], "psp", released_minor=900, status="RELEASED", is_sure=True
        )
        self.acknowledged = [Acknowledged(Asked("key", "/escrows/1/deposit", {}, "k"), 200, b"", 1)]

    def judged(self) -> Mapping[str, list[str]]:
        """What each checker says."""
        names = Snapshot.__dataclass_fields__.keys() - {"jobs", "alerts"}
        found = replace(Snapshot(), **{name: getattr(self, name) for name in names})
        return {
            "bank": checkers.bank(found),
            "liveness": checkers.unfinished(found, self.books),
            "deals": checkers.deals(found, [self.deal]),
            "durable": checkers.durable(found, self.acknowledged),
            "paid_once": checkers.paid_once(found, self.books),
            "psp_books": checkers.psp_books(found, self.books),
            "one_payout": checkers.one_payout(found),
            "audit": checkers.audit(found),
        }


def _account(code: str, balance_minor: int, *, side: str = "credit", guarded: bool = True) -> Row:
    return {
        "code": code,
        "currency": "EUR",
        "normal_side": side,
        "is_guarded": guarded,
        "balance_minor": balance_minor,
    }


def _transfers() -> list[Row]:
    return [
        {"business_key": "deposit:1", "code": "deposit"},
        {"business_key": "proof:1:release", "code": "release"},
        {"business_key": "payment:1:1:sent", "code": "payment.sent"},
        {"business_key": "payment:1:1:settled", "code": "payment.settled"},
    ]


def _entries() -> list[Row]:
    told = (
        ("escrow.created", "escrow:1"),
        ("funding.created", "funding:1"),
        ("funding.succeeded", "funding:1"),
        ("deposit.confirmed", "deposit:1"),
        ("proof.submitted", "proof:1"),
        ("milestone.submitted", "milestone:1"),
        ("proof.approved", "proof:1"),
        ("payment.requested", "payment:1"),
        ("escrow.released", "escrow:1"),
        ("payment.sent", "payment:1"),
        ("payment.settled", "payment:1"),
        ("milestone.paid", "milestone:1"),
    )
    return [_entry(number, *what) for number, what in enumerate(told, start=1)]


def _books() -> dict[str, Any]:
    transfer = {
        "id": "tr_1", "key": "koba_1", "amount": "9.00", "currency": "EUR", "status": "settled",
        "metadata": {"payment": "1"},
    }  # fmt: skip
    session = {
        "id": "ch_1", "key": "kobf_1", "status": "succeeded", "currency": "EUR", "received": "9.00",
    }  # fmt: skip
    return {
        "transfers": [transfer],
        "refunds": [],
        "fundings": [session],
        "totals": {"EUR": {"collected": "9.00", "paid_out": "9.00", "given_back": "0"}},
        "open_deliveries": 0,
    }


def _entry(number: int, action: str, subject: str) -> Row:
    return {
        "stream": "escrow:1",
        "stream_seq": number,
        "action": action,
        "subject": subject,
        "body": {"attempt": 1},
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


FLAWS: Mapping[str, tuple[Callable[[World], None], frozenset[str]]] = {
    "money out of nothing": (_set("accounts", balance_minor=1), frozenset({"bank", "psp_books"})),
    "a guarded account below zero": (
        lambda world: world.accounts.append(_account("user:7:funds", -1)),
        frozenset({"bank"}),
    ),
    "an account that nobody knows": (
        lambda world: world.accounts.append(_account("petty:cash", 0)),
        frozenset({"bank"}),
    ),
    "an update of an escrow that was lost": (
        _set("escrows", funded_minor=800),
        frozenset({"bank", "deals"}),
    ),
    "an escrow that is gone": (
        lambda world: world.escrows.clear(),
        frozenset({"deals"}),
    ),
    "an acknowledged answer that is not kept": (_drop("answers", 0), frozenset({"durable"})),
    "a payment that never ends": (
        _set("payments", status="SENT"),
        frozenset({"liveness", "paid_once"}),
    ),
    "a report that never has its effect": (
        _set("events", status="WAITING"),
        frozenset({"liveness"}),
    ),
    "a payment that was made twice": (_order_twice, frozenset({"paid_once", "psp_books"})),
    "a payment that the PSP never made": (
        lambda world: world.books["transfers"].clear(),
        frozenset({"paid_once"}),
    ),
    "another amount at the PSP": (_set_book("transfers", amount="9.01"), frozenset({"psp_books"})),
    "a session that was booked nowhere": (
        _set("deposits", charge_ref=""),
        frozenset({"psp_books"}),
    ),
    "two payouts of one milestone": (
        lambda world: world.payments.append(
            world.payments[0]
            | {"id": 2, "method": "external", "business_key": "again", "kind": "spend"}
        ),
        frozenset({"one_payout", "audit", "deals"}),
    ),
    "an entry that is missing": (_drop("entries", 10), frozenset({"audit"})),
    "an entry that was cut off": (_drop("entries", 11), frozenset({"audit"})),
    "a posting that nobody tells of": (
        lambda world: world.transfers.append({"business_key": "gift:1", "code": "gift"}),
        frozenset({"audit"}),
    ),
}


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
