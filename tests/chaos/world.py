"""A small world that is right: a snapshot, a PSP's books and what clients were told, to be flawed.

One escrow is funded over the PSP and paid out once, after its milestone was proven; of a second one
the bank took the charge back, and lost it again, and a part of it was given back; a third one pays
by phone, and by a purchase. Its payment was in a batch before, which one person approved and
another one cancelled.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.chaos import checkers
from tests.chaos.deal_books import deals
from tests.chaos.durability import durable
from tests.chaos.funds_desk import unbooked
from tests.chaos.journal import Acknowledged, Asked
from tests.chaos.journeys import Deal
from tests.chaos.machines import MACHINES, NOTHING
from tests.chaos.payees import payees
from tests.chaos.snapshot import Snapshot
from tests.chaos.trail import audit

Row = dict[str, Any]

STATEMENT = b"line,outcome,amount,reference,date\r\nKB1-1-A,settled,700,TX,2026-01-01\r\n"
FILE = b"line,amount\r\nKB1-1-A,700\r\n"
_SHA = hashlib.sha256(STATEMENT).hexdigest()


class World:
    """What the judges look at, as lists to be changed."""

    spendings: Sequence[Row] = ()
    funds_moves: Sequence[Row] = ()

    def __init__(self) -> None:
        self.accounts = _accounts()
        self.escrows = [
            _escrow(1, 900, "RELEASED"),
            _escrow(2, 500, "FUNDED") | {"refunded_minor": 100},
            _escrow(3, 900, "RELEASED"),
        ]
        self.milestones = [{"id": 1, "escrow_id": 1, "status": "PAID"}]
        self.deposits = [_deposit(1, 900, "ch_1"), _deposit(2, 500, "ch_2"), _deposit(3, 900, "")]
        self.payments = _payments()
        self.attempts = _attempts()
        self.fundings = _fundings()
        self.chargebacks = _chargebacks()
        self.batches = [
            {"id": 1, "status": "CLOSED", "file_sha256": hashlib.sha256(FILE).hexdigest()},
            {"id": 2, "status": "CANCELLED", "file_sha256": ""},
        ]
        self.lines = [
            _line(1, "KB1-1-A", "SETTLED"),
            _line(2, "KB2-1-B", "DROPPED"),
        ]
        self.statements = [{"batch_id": 1, "sha256": _SHA}]
        self.destinations = [{"id": 1, "created_at": 1, "user_id": 8, "party": ""}]
        self.events = [{"id": 1, "type": "payment.settled", "status": "PROCESSED", "reason": ""}]
        self.proofs = [
            {
                "id": 1, "escrow_id": 1, "milestone_id": 1, "status": "APPROVED",
                "processing": "done", "file_sha256": "f1",
            }
        ]  # fmt: skip
        self.readings = [{"id": 1, "proof_id": 1}]
        self.mandates = [{"id": 1, "status": "CONSUMED"}]
        self.purchases = [{"id": 1, "status": "COMPLETED", "escrow_id": 3, "merchant_id": 4}]
        self.approvals = [
            {"id": 1, "subject": "batch:1", "status": "GRANTED"},
            {"id": 2, "subject": "batch:2", "status": "WITHDRAWN"},
        ]
        self.transfers = _transfers()
        self.entries = _entries()
        self.outbox = [
            {"id": 1, "entry_id": entry["id"], "event": entry["action"], "relayed_at": None}
            for entry in self.entries
        ]
        self.answers = [{"key": "k", "status": 200, "body": b"{}"}]
        self.jobs = [{"name": "payment_sweep", "owner": "a", "status": "DONE", "error": ""}]
        self.locks = [{"name": "payment_sweep", "owner": "", "is_over": None}]
        self.others = [{"kind": "user", "id": 7}]
        self.books = _books()
        self.deals = _deals()
        self.acknowledged = _acknowledged()
        self.paid_lines = {"KB1-1-A"}
        self.booked_moves: set[str] = set()

    def judged(self) -> Mapping[str, list[str]]:
        """What each checker says."""
        names = Snapshot.__dataclass_fields__.keys() - {"alerts"}
        found = replace(Snapshot(), **{name: getattr(self, name) for name in names})
        return {
            "bank": checkers.bank(found),
            "liveness": checkers.unfinished(found, self.books),
            "deals": deals(found, self.deals),
            "durable": durable(found, self.acknowledged),
            "paid_once": checkers.paid_once(found, self.books),
            "payees": payees(found, self.books),
            "paid_by_people": checkers.paid_by_people(found, self.paid_lines),
            "moves": unbooked(found, self.booked_moves),
            "psp_books": checkers.psp_books(found, self.books),
            "one_payout": checkers.one_payout(found),
            "audit": audit(found),
        }


def account(code: str, balance_minor: int, *, side: str = "credit", guarded: bool = True) -> Row:
    """An account of the ledger in EUR."""
    return {
        "code": code,
        "currency": "EUR",
        "normal_side": side,
        "is_guarded": guarded,
        "balance_minor": balance_minor,
    }


def _accounts() -> list[Row]:
    debit: dict[str, Any] = {"side": "debit", "guarded": False}
    return [
        account("psp:fake", 200, **debit),
        account("psp:manual", -700, **debit),
        account("collector:7", 900, **debit),
        account("escrow:1:held", 0),
        account("escrow:2:held", 400),
        account("escrow:3:held", 0),
        account("payment:1:in_transit", 0),
        account("chargeback:1:pending", 0, side="debit"),
        account("chargeback:1:frozen", 0),
    ]


def _escrow(number: int, funded_minor: int, status: str) -> Row:
    released = funded_minor if status == "RELEASED" else 0
    return {
        "id": number, "status": status, "currency": "EUR", "funded_minor": funded_minor,
        "released_minor": released, "refunded_minor": 0, "frozen_minor": 0, "client_id": 7,
        "provider_id": 8,
    }  # fmt: skip


def _line(number: int, code: str, status: str) -> Row:
    """A line of a batch that pays the third escrow's rest."""
    line = {"id": number, "code": code, "payment_id": 2, "destination_id": 1}
    return line | {"status": status}


def _deposit(number: int, amount_minor: int, charge_ref: str) -> Row:
    return {
        "id": number, "escrow_id": number, "status": "CONFIRMED", "amount_minor": amount_minor,
        "charged_back_minor": 0, "charge_ref": charge_ref,
    }  # fmt: skip


def _payments() -> list[Row]:
    common = {
        "milestone_id": None, "kind": "payout", "method": "psp", "psp": "fake", "attempt": 1,
        "status": "SETTLED", "settled_at": 5, "created_at": 2, "reason": "", "hold_reason": "",
        "origin": "", "destination": "", "payee_id": 8, "party": "", "charge_ref": "",
    }  # fmt: skip
    return [
        common | {
            "id": 1, "escrow_id": 1, "milestone_id": 1, "amount_minor": 900,
            "business_key": "proof:1:release",
        },
        common | {
            "id": 2, "escrow_id": 3, "amount_minor": 700, "psp": "manual",
            "business_key": "escrow:3:close:rest", "destination": "destination:1",
        },
        common | {
            "id": 3, "escrow_id": 3, "amount_minor": 200, "kind": "purchase",
            "origin": "purchase:1", "business_key": "purchase:1:pay", "payee_id": None,
            "party": "merchant:4",
        },
        common | {
            "id": 4, "escrow_id": 2, "amount_minor": 100, "kind": "refund", "payee_id": 7,
            "business_key": "escrow:2:refund:1:1", "charge_ref": "ch_2",
        },
    ]  # fmt: skip


def _attempts() -> list[Row]:
    return [
        {"payment_id": 1, "psp_key": "koba_1", "result": "settled"},
        {"payment_id": 2, "psp_key": "KB1-1-A", "result": "settled"},
        {"payment_id": 3, "psp_key": "koba_3", "result": "settled"},
        {"payment_id": 4, "psp_key": "koba_4", "result": "settled"},
    ]


def _fundings() -> list[Row]:
    return [
        {
            "id": 1,
            "escrow_id": 1,
            "psp_key": "kobf_1",
            "status": "SUCCEEDED",
            "received_minor": 900,
        },
        {
            "id": 2,
            "escrow_id": 2,
            "psp_key": "kobf_2",
            "status": "SUCCEEDED",
            "received_minor": 500,
        },
    ]


def _chargebacks() -> list[Row]:
    return [
        {
            "id": 1, "escrow_id": 2, "payer_id": 7, "psp_ref": "cb_1", "status": "WON",
            "amount_minor": 500, "frozen_minor": 500, "owed_minor": 0,
            "recovered_minor": 0, "written_off_at": None,
        }
    ]  # fmt: skip


def _transfers() -> list[Row]:
    told = (
        ("deposit:1", "deposit"),
        ("deposit:2", "deposit"),
        ("deposit:3", "deposit"),
        ("proof:1:release", "release"),
        ("escrow:3:close:rest", "release"),
        ("purchase:1:pay", "spend"),
        ("escrow:2:refund:1", "refund"),
        ("chargeback:1:opened", "chargeback.opened"),
        ("chargeback:1:frozen", "chargeback.frozen"),
        ("chargeback:1:unfrozen", "chargeback.unfrozen"),
        ("chargeback:1:won", "chargeback.won"),
        *(
            (f"payment:{number}:1:{step}", f"payment.{step}")
            for number in (1, 2, 3, 4)
            for step in ("sent", "settled")
        ),
    )
    return [{"business_key": key, "code": code} for key, code in told]


# stream: what was told in it, in order; a hold is told with its reason.
_TOLD: Mapping[str, str] = {
    "escrow:1": """
        escrow.created:escrow:1 milestone.created:milestone:1 funding.created:funding:1
        funding.succeeded:funding:1 deposit.confirmed:deposit:1 escrow.funded:escrow:1
        proof.submitted:proof:1 milestone.submitted:milestone:1 proof.document_read:proof:1
        milestone.approved:milestone:1 payment.requested:payment:1 proof.approved:proof:1
        escrow.released:escrow:1 payment.sent:payment:1 milestone.paying:milestone:1
        payment.settled:payment:1 milestone.paid:milestone:1
    """,
    "escrow:2": """
        escrow.created:escrow:2 funding.created:funding:2 funding.succeeded:funding:2
        deposit.confirmed:deposit:2 escrow.funded:escrow:2 escrow.money_frozen:escrow:2
        chargeback.opened:chargeback:1 escrow.money_freed:escrow:2 chargeback.won:chargeback:1
        payment.requested:payment:4 escrow.partly_refunded:escrow:2 payment.sent:payment:4
        payment.settled:payment:4
    """,
    "escrow:3": """
        escrow.created:escrow:3 deposit.confirmed:deposit:3 escrow.funded:escrow:3
        payment.requested:payment:3 escrow.spent:escrow:3 purchase.made:purchase:1
        payment.requested:payment:2 escrow.released:escrow:3 payment.sent:payment:3
        payment.held:payment:2 payment.hold_lifted:payment:2
        payment.settled:payment:3 purchase.paid:purchase:1 payment.sent:payment:2
        payment.settled:payment:2
    """,
    "mandate:1": "mandate.created:mandate:1 mandate.consumed:mandate:1",
    "batch:1": """
        batch.collected:batch:1 batch.approved:batch:1 batch.exported:batch:1
        batch.closed:batch:1 batch.statement_taken:batch:1
    """,
    "batch:2": "batch.collected:batch:2 batch.cancelled:batch:2",
    "job:payment_sweep": "job.lock_acquired:job:payment_sweep job.lock_released:job:payment_sweep",
}


def _entries() -> list[Row]:
    entries: list[Row] = []
    states: dict[str, str] = {}
    for stream, told in _TOLD.items():
        for number, word in enumerate(told.split(), start=1):
            action, _, subject = word.partition(":")
            machine = MACHINES.get(action.partition(".")[0])
            move = machine.moves.get(action) if machine is not None else None
            body: Row = {"attempt": 1, "hold": "staff", "psp": "manual"}
            if move is not None:
                body |= {"before": states.get(subject, NOTHING), "status": move[1]}
                states[subject] = move[1]
            entries.append(
                {
                    "id": len(entries) + 1,
                    "stream": stream,
                    "stream_seq": number,
                    "action": action,
                    "subject": subject,
                    "body": body,
                }
            )
    return entries


def _books() -> dict[str, Any]:
    def order(number: int, amount: str, destination: str, charge: str = "") -> Row:
        return {
            "id": f"tr_{number}", "key": f"koba_{number}", "amount": amount, "currency": "EUR",
            "status": "settled", "metadata": {"payment": str(number)}, "destination": destination,
            "charge": charge,
        }  # fmt: skip

    def session(number: int, amount: str) -> Row:
        return {
            "id": f"ch_{number}", "key": f"kobf_{number}", "status": "succeeded",
            "currency": "EUR", "received": amount,
        }  # fmt: skip

    return {
        "transfers": [order(1, "9.00", "fake:8"), order(3, "2.00", "fake:merchant:4")],
        "refunds": [order(4, "1.00", "", "ch_2")],
        "fundings": [session(1, "9.00"), session(2, "5.00")],
        "chargebacks": [{"id": "cb_1", "amount": "5.00", "currency": "EUR", "status": "won"}],
        "totals": {"EUR": {"collected": "14.00", "paid_out": "11.00", "given_back": "1.00"}},
        "open_deliveries": 0,
    }


def _deals() -> list[Deal]:
    released: dict[str, Any] = {"released_minor": 900, "status": "RELEASED", "is_sure": True}
    return [
        Deal(1, "EUR", [900], 0, [900], "psp", **released),
        Deal(2, "EUR", [500], 0, [500], "psp", refunded_minor=100, status="FUNDED", is_sure=True),
        Deal(3, "EUR", [], 900, [900], "collector", **released),
    ]


def _acknowledged() -> list[Acknowledged]:
    def answer(
        path: str, told: Any = None, *, key: str = "", file: bytes | None = None, **body: Any
    ) -> Acknowledged:
        content = told if isinstance(told, bytes) else json.dumps(told).encode()
        return Acknowledged(Asked("key", path, body, key, file), 200, content, 1)

    return [
        answer("/users", {"id": 7}),
        answer("/escrows/1/deposit", {"id": 1, "status": "FUNDED"}, key="k", amount="9.00"),
        answer("/escrows/2/funding-session", {"funding_id": 2}),
        answer("/proofs", {"id": 1, "status": "PENDING", "sha256": "f1"}),
        answer("/proofs/1/decision", {"id": 1, "status": "APPROVED"}, decision="approve"),
        answer("/payments/execute/1", {"id": 1, "status": "PENDING", "attempt": 1}),
        answer("/payments/3/confirm", {"id": 3, "status": "SETTLED", "attempt": 1}),
        answer("/payments/batches/1/approve", {"id": 1, "status": "DRAFT"}),
        answer("/payments/batches/2/approve", {"id": 2, "status": "DRAFT"}),
        answer("/payments/batches/2/cancel", {"id": 2, "status": "CANCELLED"}),
        answer("/payments/batches/1/file", FILE),
        answer("/payments/batches/1/statement", {"settled": 1}, file=STATEMENT),
        answer("/users/7/destinations", {"id": 1}),
        answer("/mandates", {"id": 1, "status": "ACTIVE"}),
        answer("/spend/purchases", {"id": 1, "status": "COMPLETED"}),
        answer("/spend", {"payment_id": 3, "status": "PENDING"}),
    ]
