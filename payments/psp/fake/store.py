"""The PSP's own books, in a SQLite file of its own.

SQLite because this process stands for somebody else's system: it must survive when everything of
Kobatela is killed or wiped, and start in milliseconds without a server.
"""

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from payments.psp.fake.scenarios import Behaviour, Scenario

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answer (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL UNIQUE, amount TEXT NOT NULL,
    currency TEXT NOT NULL, destination TEXT NOT NULL, charge TEXT NOT NULL,
    metadata TEXT NOT NULL, status TEXT NOT NULL, failure TEXT NOT NULL DEFAULT '',
    behaviour TEXT NOT NULL, due_at REAL, created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS funding (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, client_secret TEXT NOT NULL,
    amount TEXT NOT NULL, currency TEXT NOT NULL, metadata TEXT NOT NULL, status TEXT NOT NULL,
    received TEXT NOT NULL DEFAULT '', created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS scenario (
    id INTEGER PRIMARY KEY, behaviour TEXT NOT NULL, times INTEGER NOT NULL, kind TEXT NOT NULL,
    destination TEXT NOT NULL, seconds REAL NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY, body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL, delivered_at REAL);
CREATE TABLE IF NOT EXISTS moved (id TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS lie (id TEXT PRIMARY KEY, what TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (next_at) WHERE delivered_at IS NULL;
CREATE INDEX IF NOT EXISTS order_due ON orders (due_at) WHERE due_at IS NOT NULL;
"""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that was accepted. due_at: when its next step comes, None for never."""

    kind: str
    key: str
    amount: str
    currency: str
    destination: str
    charge: str
    metadata: str
    behaviour: Behaviour
    due_at: float | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One report that is to be delivered."""

    id: int
    body: str
    tries: int


class Store:
    """Every method is one transaction; many threads may call at once."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nested ones join the outer one."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    # --- idempotency ------------------------------------------------------------------------
    def answer(self, key: str) -> Row | None:
        """What was answered under a key."""
        return self._one("SELECT * FROM answer WHERE key = ?", key)

    def keep_answer(self, key: str, request: str, status: int, body: str) -> None:
        """Remember what a key was used for and what was answered."""
        self._run("INSERT INTO answer VALUES (?, ?, ?, ?)", key, request, status, body)

    # --- orders -----------------------------------------------------------------------------
    def add_order(self, new: NewOrder) -> Row:
        """A new order that is pending."""
        order_id = f"{'re' if new.kind == 'refund' else 'tr'}_{secrets.token_hex(8)}"
        self._run(
            "INSERT INTO orders (id, kind, key, amount, currency, destination, charge, metadata,"
            " status, behaviour, due_at, created_at) VALUES (?,?,?,?,?,?,?,?,'pending',?,?,?)",
            order_id,
            new.kind,
            new.key,
            new.amount,
            new.currency,
            new.destination,
            new.charge,
            new.metadata,
            new.behaviour,
            new.due_at,
            time.time(),
        )
        return self.order(order_id)

    def order(self, order_id: str) -> Row:
        """One order. Raises KeyError."""
        found = self._one("SELECT * FROM orders WHERE id = ?", order_id)
        if found is None:
            raise KeyError(order_id)
        return found

    def order_by_key(self, kind: str, key: str) -> Row | None:
        """The order that was given under a key."""
        return self._one("SELECT * FROM orders WHERE kind = ? AND key = ?", kind, key)

    def orders(self, kind: str) -> Sequence[Row]:
        """All orders of a kind, oldest first."""
        return self._all("SELECT * FROM orders WHERE kind = ? ORDER BY rowid", kind)

    def due_orders(self, now: float) -> Sequence[Row]:
        """Orders whose next step has come."""
        return self._all("SELECT * FROM orders WHERE due_at <= ? ORDER BY due_at LIMIT 100", now)

    def move_order(
        self, order_id: str, status: str, *, failure: str = "", due_at: float | None = None
    ) -> Row:
        """Set an order's status and when its next step comes."""
        self._moved(order_id)
        self._run(
            "UPDATE orders SET status = ?, failure = ?, due_at = ? WHERE id = ?",
            status,
            failure,
            due_at,
            order_id,
        )
        return self.order(order_id)

    def given_back(self, charge: str) -> Decimal:
        """How much of a charge was given back or is about to be."""
        rows = self._all(
            "SELECT amount FROM orders WHERE charge = ? AND kind = 'refund'"
            " AND status IN ('pending', 'settled')",
            charge,
        )
        return sum((Decimal(row["amount"]) for row in rows), Decimal(0))

    # --- fundings ---------------------------------------------------------------------------
    def add_funding(self, key: str, *, amount: str, currency: str, metadata: str) -> Row:
        """A new session that is open."""
        funding_id = f"ch_{secrets.token_hex(8)}"
        self._run(
            "INSERT INTO funding (id, key, client_secret, amount, currency, metadata, status,"
            " created_at) VALUES (?,?,?,?,?,?,'open',?)",
            funding_id,
            key,
            f"{funding_id}_secret_{secrets.token_hex(12)}",
            amount,
            currency,
            metadata,
            time.time(),
        )
        return self.funding(funding_id)

    def funding(self, funding_id: str) -> Row:
        """One session. Raises KeyError."""
        found = self._one("SELECT * FROM funding WHERE id = ?", funding_id)
        if found is None:
            raise KeyError(funding_id)
        return found

    def funding_by_key(self, key: str) -> Row | None:
        """The session that was opened under a key."""
        return self._one("SELECT * FROM funding WHERE key = ?", key)

    def fundings(self) -> Sequence[Row]:
        """All sessions, oldest first."""
        return self._all("SELECT * FROM funding ORDER BY rowid")

    def end_funding(self, funding_id: str, status: str, received: str) -> Row:
        """Close a session."""
        self._moved(funding_id)
        self._run(
            "UPDATE funding SET status = ?, received = ? WHERE id = ?", status, received, funding_id
        )
        return self.funding(funding_id)

    # --- listing ----------------------------------------------------------------------------
    def movements(
        self, since: float, until: float, after: tuple[float, str], limit: int
    ) -> Sequence[Row]:
        """Orders and sessions created in a span, by time and id, from behind `after`."""
        return self._all(
            "SELECT listed.*, moved.at AS changed_at FROM ("
            " SELECT id, kind, key, amount, currency, status, created_at FROM orders UNION ALL"
            " SELECT id, 'funding', key, coalesce(nullif(received, ''), amount), currency, status,"
            " created_at FROM funding) AS listed LEFT JOIN moved ON moved.id = listed.id"
            " WHERE created_at >= ? AND created_at < ? AND (created_at, listed.id) > (?, ?)"
            " ORDER BY created_at, listed.id LIMIT ?",
            since,
            until,
            *after,
            limit,
        )

    def add_lie(self, row_id: str, what: str, value: str) -> None:
        """From now on the list says something else of a movement than what happened."""
        self._run("INSERT OR REPLACE INTO lie VALUES (?, ?, ?)", row_id, what, value)

    def clear_lies(self) -> None:
        """The list tells the truth again."""
        self._run("DELETE FROM lie")

    def lies(self) -> Mapping[str, Row]:
        """What the list is to say, by the id of the movement."""
        return {row["id"]: row for row in self._all("SELECT * FROM lie")}

    def _moved(self, row_id: str) -> None:
        self._run("INSERT OR REPLACE INTO moved VALUES (?, ?)", row_id, time.time())

    # --- scenarios --------------------------------------------------------------------------
    def add_scenario(self, scenario: Scenario) -> None:
        """Script the next orders."""
        self._run(
            "INSERT INTO scenario (behaviour, times, kind, destination, seconds)"
            " VALUES (?,?,?,?,?)",
            scenario.behaviour,
            scenario.times,
            scenario.kind,
            scenario.destination,
            scenario.seconds,
        )

    def clear_scenarios(self) -> None:
        """Everything is as usual again."""
        self._run("DELETE FROM scenario")

    def take_scenario(self, kind: str, destination: str) -> Scenario | None:
        """The oldest scenario that fits, used up by one."""
        with self.transaction():
            row = self._one(
                "SELECT * FROM scenario WHERE kind IN ('', ?) AND destination IN ('', ?)"
                " ORDER BY id LIMIT 1",
                kind,
                destination,
            )
            if row is None:
                return None
            self._run("UPDATE scenario SET times = times - 1 WHERE id = ?", row["id"])
            self._run("DELETE FROM scenario WHERE times <= 0")
        return Scenario(
            Behaviour(row["behaviour"]), 1, row["kind"], row["destination"], row["seconds"]
        )

    # --- deliveries -------------------------------------------------------------------------
    def add_delivery(self, event: Mapping[str, Any]) -> None:
        """A report that is to be delivered now."""
        self._run(
            "INSERT INTO delivery (body, next_at) VALUES (?, ?)",
            json.dumps(event, separators=(",", ":")),
            time.time(),
        )

    def due_deliveries(self, now: float) -> list[Delivery]:
        """Reports whose time has come, oldest first."""
        rows = self._all(
            "SELECT id, body, tries FROM delivery WHERE delivered_at IS NULL AND next_at <= ?"
            " ORDER BY id LIMIT 50",
            now,
        )
        return [Delivery(row["id"], row["body"], row["tries"]) for row in rows]

    def end_delivery(self, delivery_id: int) -> None:
        """It was taken."""
        self._run(
            "UPDATE delivery SET delivered_at = ?, tries = tries + 1 WHERE id = ?",
            time.time(),
            delivery_id,
        )

    def retry_delivery(self, delivery_id: int, next_at: float) -> None:
        """It was not taken."""
        self._run(
            "UPDATE delivery SET next_at = ?, tries = tries + 1 WHERE id = ?", next_at, delivery_id
        )

    def open_deliveries(self) -> int:
        """How many reports have not been taken yet."""
        row = self._one("SELECT count(*) AS open FROM delivery WHERE delivered_at IS NULL")
        assert row is not None
        return int(row["open"])

    def _run(self, statement: str, *values: Any) -> None:
        with self._lock:
            self._connection.execute(statement, values)

    def _one(self, statement: str, *values: Any) -> Row | None:
        with self._lock:
            row = self._connection.execute(statement, values).fetchone()
        return None if row is None else dict(row)

    def _all(self, statement: str, *values: Any) -> Sequence[Row]:
        with self._lock:
            return [dict(row) for row in self._connection.execute(statement, values)]
