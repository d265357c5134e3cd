"""The database as it is at one moment, read past the product's own code."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.chaos.crew import Hand

Row = Mapping[str, Any]

_BOOKS = """
    SELECT account.code, account.currency, account.normal_side, account.is_guarded,
           sum(balance.balance_minor)::bigint AS balance_minor
      FROM ledger_account account JOIN ledger_balance balance ON balance.account_id = account.id
     GROUP BY account.id
"""
_TABLES = {
    "accounts": _BOOKS,
    "escrows": "SELECT * FROM escrow_escrow ORDER BY id",
    "milestones": "SELECT * FROM escrow_milestone ORDER BY id",
    "deposits": "SELECT * FROM escrow_deposit ORDER BY id",
    "payments": "SELECT * FROM payments_payment ORDER BY id",
    "attempts": "SELECT * FROM payments_attempt ORDER BY id",
    "fundings": "SELECT * FROM payments_funding ORDER BY id",
    "chargebacks": "SELECT * FROM payments_chargeback ORDER BY id",
    "funds_moves": "SELECT * FROM payments_fundsmove ORDER BY id",
    "batches": "SELECT * FROM payments_batch ORDER BY id",
    "lines": "SELECT * FROM payments_batchline ORDER BY id",
    "statements": "SELECT * FROM payments_batchstatement ORDER BY id",
    "destinations": "SELECT id, created_at, user_id, party FROM payments_destination ORDER BY id",
    "events": "SELECT id, type, status, reason, tries FROM payments_pspevent ORDER BY id",
    "proofs": "SELECT * FROM proofs_proof ORDER BY id",
    "readings": "SELECT id, proof_id FROM proofs_documentreading ORDER BY id",
    "mandates": "SELECT * FROM spend_mandate ORDER BY id",
    "purchases": "SELECT * FROM spend_purchase ORDER BY id",
    "spendings": "SELECT * FROM spend_spending ORDER BY id",
    "approvals": "SELECT * FROM accounts_approval ORDER BY id",
    "transfers": "SELECT business_key, code, currency FROM ledger_transfer ORDER BY id",
    "entries": """
        SELECT id, stream, stream_seq, action, subject, body::json AS body FROM audit_auditentry
         ORDER BY stream, stream_seq
    """,
    "outbox": "SELECT id, entry_id, event, relayed_at FROM audit_outboxevent ORDER BY id",
    "answers": "SELECT key, status, body FROM kobatela_rest_idempotencyrecord",
    "jobs": "SELECT name, owner, status, error FROM audit_jobrun ORDER BY id",
    "locks": "SELECT name, owner, expires_at < now() AS is_over FROM audit_joblock ORDER BY name",
    "alerts": "SELECT type, subject, severity FROM audit_alert ORDER BY id",
    # What clients made and nothing else tells of: that it is there.
    "others": """
        SELECT 'user' AS kind, id FROM accounts_user
         UNION ALL SELECT 'key', id FROM accounts_apikey
         UNION ALL SELECT 'category', id FROM spend_category
         UNION ALL SELECT 'merchant', id FROM spend_merchant
         UNION ALL SELECT 'usage', id FROM spend_allowedusage
         UNION ALL SELECT 'payee', id FROM spend_allowedpayee
    """,
}


@dataclass(frozen=True)
class Snapshot:
    """Every table that the checkers ask for, all of one moment."""

    accounts: Sequence[Row] = ()
    escrows: Sequence[Row] = ()
    milestones: Sequence[Row] = ()
    deposits: Sequence[Row] = ()
    payments: Sequence[Row] = ()
    attempts: Sequence[Row] = ()
    fundings: Sequence[Row] = ()
    chargebacks: Sequence[Row] = ()
    funds_moves: Sequence[Row] = ()
    batches: Sequence[Row] = ()
    lines: Sequence[Row] = ()
    statements: Sequence[Row] = ()
    destinations: Sequence[Row] = ()
    events: Sequence[Row] = ()
    proofs: Sequence[Row] = ()
    readings: Sequence[Row] = ()
    mandates: Sequence[Row] = ()
    purchases: Sequence[Row] = ()
    spendings: Sequence[Row] = ()
    approvals: Sequence[Row] = ()
    transfers: Sequence[Row] = ()
    entries: Sequence[Row] = ()
    outbox: Sequence[Row] = ()
    answers: Sequence[Row] = ()
    jobs: Sequence[Row] = ()
    locks: Sequence[Row] = ()
    alerts: Sequence[Row] = ()
    others: Sequence[Row] = ()


def take_snapshot(url: str, *names: str) -> Snapshot:
    """Read the named tables, or all, in one REPEATABLE READ transaction."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return _read(connection, names or tuple(_TABLES))


def _read(connection: "psycopg.Connection[dict[str, Any]]", names: Sequence[str]) -> Snapshot:
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    return Snapshot(**{name: connection.execute(_TABLES[name]).fetchall() for name in names})


class BankReader:
    """Reads the books over and over while everything dies, and looks for what can never be.

    check: what is wrong in one snapshot. count: how many snapshots were read.
    """

    def __init__(self, url: str, check: Callable[[Snapshot], list[str]]) -> None:
        self.count = 0
        self.problems: list[str] = []
        self._url = url
        self._check = check
        self._stopping = threading.Event()
        self._hand = Hand("the bank reader", self._run, self.problems.append)

    def start(self) -> None:
        """Begin to read."""
        self._hand.start()

    def stop(self) -> None:
        """End after the snapshot under way."""
        self._stopping.set()
        self._hand.ends_within(30)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._url, row_factory=dict_row) as connection:
                    self._read_on(connection)
            except psycopg.Error:
                # It was killed, or is not back yet.
                time.sleep(0.1)

    def _read_on(self, connection: "psycopg.Connection[dict[str, Any]]") -> None:
        while not self._stopping.is_set():
            found = _read(connection, ("accounts", "escrows", "chargebacks"))
            connection.rollback()
            self.problems += self._check(found)[: max(0, 20 - len(self.problems))]
            self.count += 1
            time.sleep(0.01)
