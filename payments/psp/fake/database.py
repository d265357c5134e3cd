"""The SQLite file of the PSP's own books: its tables, and its transactions.

SQLite because this process stands for somebody else's system: it must survive when everything of
Kobatela is killed or wiped, and start in milliseconds without a server.
"""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
CREATE TABLE IF NOT EXISTS script (
    id INTEGER PRIMARY KEY, behaviour TEXT NOT NULL, times INTEGER NOT NULL, kind TEXT NOT NULL,
    destination TEXT NOT NULL, metadata TEXT NOT NULL, seconds REAL NOT NULL);
CREATE TABLE IF NOT EXISTS chargeback (
    id TEXT PRIMARY KEY, charge TEXT NOT NULL, amount TEXT NOT NULL, currency TEXT NOT NULL,
    status TEXT NOT NULL, created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS fee (id TEXT PRIMARY KEY, amount TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS delay (id TEXT PRIMARY KEY, seconds REAL NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY, body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL, delivered_at REAL);
CREATE TABLE IF NOT EXISTS moved (id TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS lie (id TEXT PRIMARY KEY, what TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (next_at) WHERE delivered_at IS NULL;
CREATE INDEX IF NOT EXISTS order_due ON orders (due_at) WHERE due_at IS NOT NULL;
"""

Row = Mapping[str, Any]


class Database:
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

    def run(self, statement: str, *values: Any) -> None:
        """Carry one statement out."""
        with self._lock:
            self._connection.execute(statement, values)

    def one(self, statement: str, *values: Any) -> Row | None:
        """The first row that it finds."""
        with self._lock:
            row = self._connection.execute(statement, values).fetchone()
        return None if row is None else dict(row)

    def all(self, statement: str, *values: Any) -> Sequence[Row]:
        """Every row that it finds."""
        with self._lock:
            return [dict(row) for row in self._connection.execute(statement, values)]
