"""What the PSP keeps in its books, and how it is found again."""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from payments.psp.fake.database import Database, Row
from payments.psp.fake.scenarios import Behaviour, Scenario


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


def _now() -> float:
    """The time as clients read it: to the microsecond, so that a list ends where they say."""
    return round(time.time(), 6)


class Store(Database):
    """What the PSP keeps and looks for."""

    # --- idempotency ------------------------------------------------------------------------
    def answer(self, key: str) -> Row | None:
        """What was answered under a key."""
        return self.one("SELECT * FROM answer WHERE key = ?", key)

    def keep_answer(self, key: str, request: str, status: int, body: str) -> None:
        """Remember what a key was used for and what was answered."""
        self.run("INSERT INTO answer VALUES (?, ?, ?, ?)", key, request, status, body)

    # --- orders -----------------------------------------------------------------------------
    def add_order(self, new: NewOrder) -> Row:
        """A new order that is pending."""
        order_id = f"{'re' if new.kind == 'refund' else 'tr'}_{secrets.token_hex(8)}"
        self.run(
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
            _now(),
        )
        return self.order(order_id)

    def order(self, order_id: str) -> Row:
        """One order. Raises KeyError."""
        found = self.one("SELECT * FROM orders WHERE id = ?", order_id)
        if found is None:
            raise KeyError(order_id)
        return found

    def order_by_key(self, kind: str, key: str) -> Row | None:
        """The order that was given under a key."""
        return self.one("SELECT * FROM orders WHERE kind = ? AND key = ?", kind, key)

    def orders(self, kind: str) -> Sequence[Row]:
        """All orders of a kind, oldest first."""
        return self.all("SELECT * FROM orders WHERE kind = ? ORDER BY rowid", kind)

    def due_orders(self, now: float) -> Sequence[Row]:
        """Orders whose next step has come."""
        return self.all("SELECT * FROM orders WHERE due_at <= ? ORDER BY due_at LIMIT 100", now)

    def move_order(
        self, order_id: str, status: str, *, failure: str = "", due_at: float | None = None
    ) -> Row:
        """Set an order's status and when its next step comes."""
        self._moved(order_id)
        self.run(
            "UPDATE orders SET status = ?, failure = ?, due_at = ? WHERE id = ?",
            status,
            failure,
            due_at,
            order_id,
        )
        return self.order(order_id)

    def given_back(self, charge: str) -> Decimal:
        """How much of a charge was given back or is about to be."""
        rows = self.all(
            "SELECT amount FROM orders WHERE charge = ? AND kind = 'refund'"
            " AND status IN ('pending', 'settled')",
            charge,
        )
        return sum((Decimal(row["amount"]) for row in rows), Decimal(0))

    # --- fundings ---------------------------------------------------------------------------
    def add_funding(self, key: str, *, amount: str, currency: str, metadata: str) -> Row:
        """A new session that is open."""
        funding_id = f"ch_{secrets.token_hex(8)}"
        self.run(
            "INSERT INTO funding (id, key, client_secret, amount, currency, metadata, status,"
            " created_at) VALUES (?,?,?,?,?,?,'open',?)",
            funding_id,
            key,
            f"{funding_id}_secret_{secrets.token_hex(12)}",
            amount,
            currency,
            metadata,
            _now(),
        )
        return self.funding(funding_id)

    def funding(self, funding_id: str) -> Row:
        """One session. Raises KeyError."""
        found = self.one("SELECT * FROM funding WHERE id = ?", funding_id)
        if found is None:
            raise KeyError(funding_id)
        return found

    def funding_by_key(self, key: str) -> Row | None:
        """The session that was opened under a key."""
        return self.one("SELECT * FROM funding WHERE key = ?", key)

    def fundings(self) -> Sequence[Row]:
        """All sessions, oldest first."""
        return self.all("SELECT * FROM funding ORDER BY rowid")

    def end_funding(self, funding_id: str, status: str, received: str) -> Row:
        """Close a session."""
        self._moved(funding_id)
        self.run(
            "UPDATE funding SET status = ?, received = ? WHERE id = ?", status, received, funding_id
        )
        return self.funding(funding_id)

    # --- listing ----------------------------------------------------------------------------
    def movements(
        self, since: float, until: float, after: tuple[float, str], limit: int
    ) -> Sequence[Row]:
        """Orders and sessions created in a span, by time and id, from behind `after`."""
        return self.all(
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

    def cases(
        self, since: float, until: float, after: tuple[float, str], limit: int
    ) -> Sequence[Row]:
        """Chargebacks opened in a span, in the same way; their key is their charge."""
        return self.all(
            "SELECT chargeback.id, 'chargeback' AS kind, charge AS key, amount, currency, status,"
            " created_at, moved.at AS changed_at FROM chargeback"
            " LEFT JOIN moved ON moved.id = chargeback.id"
            " WHERE created_at >= ? AND created_at < ? AND (created_at, chargeback.id) > (?, ?)"
            " ORDER BY created_at, chargeback.id LIMIT ?",
            since,
            until,
            *after,
            limit,
        )

    def add_lie(self, row_id: str, what: str, value: str) -> None:
        """From now on the list says something else of a movement than what happened."""
        self.run("INSERT OR REPLACE INTO lie VALUES (?, ?, ?)", row_id, what, value)

    def clear_lies(self) -> None:
        """The list tells the truth again."""
        self.run("DELETE FROM lie")

    def lies(self) -> Mapping[str, Row]:
        """What the list is to say, by the id of the movement."""
        return {row["id"]: row for row in self.all("SELECT * FROM lie")}

    def _moved(self, row_id: str) -> None:
        self.run("INSERT OR REPLACE INTO moved VALUES (?, ?)", row_id, _now())

    # --- chargebacks ------------------------------------------------------------------------
    def add_chargeback(self, charge: str, amount: str, currency: str) -> Row:
        """A case that is open."""
        case_id = f"cb_{secrets.token_hex(8)}"
        self.run(
            "INSERT INTO chargeback VALUES (?, ?, ?, ?, 'open', ?)",
            case_id,
            charge,
            amount,
            currency,
            _now(),
        )
        return self.chargeback(case_id)

    def chargeback(self, case_id: str) -> Row:
        """One case. Raises KeyError."""
        found = self.one("SELECT * FROM chargeback WHERE id = ?", case_id)
        if found is None:
            raise KeyError(case_id)
        return found

    def chargebacks(self, charge: str = "") -> Sequence[Row]:
        """All cases, or those of a charge, oldest first."""
        return self.all("SELECT * FROM chargeback WHERE ? IN ('', charge) ORDER BY rowid", charge)

    def end_chargeback(self, case_id: str, status: str) -> Row:
        """Decide a case."""
        self._moved(case_id)
        self.run("UPDATE chargeback SET status = ? WHERE id = ?", status, case_id)
        return self.chargeback(case_id)

    # --- fees and delays --------------------------------------------------------------------
    def set_fee(self, row_id: str, amount: str) -> None:
        """What an order, a session or a case cost the client."""
        self.run("INSERT OR REPLACE INTO fee VALUES (?, ?)", row_id, amount)

    def fee(self, row_id: str) -> str:
        """The fee of an order, a session or a case; "" for none."""
        found = self.one("SELECT amount FROM fee WHERE id = ?", row_id)
        return "" if found is None else str(found["amount"])

    def set_delay(self, row_id: str, seconds: float) -> None:
        """How late the reports of an order are."""
        self.run("INSERT OR REPLACE INTO delay VALUES (?, ?)", row_id, seconds)

    def delay(self, row_id: str) -> float:
        """How late the reports of an order are."""
        found = self.one("SELECT seconds FROM delay WHERE id = ?", row_id)
        return 0.0 if found is None else float(found["seconds"])

    # --- scenarios --------------------------------------------------------------------------
    def add_scenario(self, scenario: Scenario) -> None:
        """Script the next orders."""
        self.run(
            "INSERT INTO script (behaviour, times, kind, destination, metadata, seconds)"
            " VALUES (?,?,?,?,?,?)",
            scenario.behaviour,
            scenario.times,
            scenario.kind,
            scenario.destination,
            json.dumps(dict(scenario.metadata)),
            scenario.seconds,
        )

    def clear_scenarios(self) -> None:
        """Everything is as usual again."""
        self.run("DELETE FROM script")

    def scenarios(self) -> Sequence[Row]:
        """What is scripted and was not used up, oldest first."""
        return self.all("SELECT * FROM script ORDER BY id")

    def take_scenario(
        self, kind: str, destination: str, metadata: Mapping[str, Any]
    ) -> Scenario | None:
        """The oldest scenario that fits, used up by one."""
        with self.transaction():
            for row in self.scenarios():
                wanted = json.loads(row["metadata"])
                if row["kind"] not in {"", kind} or row["destination"] not in {"", destination}:
                    continue
                # A chargeback is no way to pay: only a session that is asked for by kind has one.
                if row["behaviour"] == Behaviour.CHARGEBACK and kind != "funding":
                    continue
                if row["kind"] == "" and kind in {"funding", "chargeback"}:
                    continue
                if all(str(metadata.get(name)) == value for name, value in wanted.items()):
                    return self._use(row, wanted)
        return None

    def _use(self, row: Row, metadata: Mapping[str, str]) -> Scenario:
        self.run("UPDATE script SET times = times - 1 WHERE id = ?", row["id"])
        self.run("DELETE FROM script WHERE times <= 0")
        return Scenario(
            Behaviour(row["behaviour"]),
            1,
            row["kind"],
            row["destination"],
            row["seconds"],
            metadata,
        )

    # --- deliveries -------------------------------------------------------------------------
    def add_delivery(self, event: Mapping[str, Any], *, after_s: float = 0.0) -> None:
        """A report that is to be delivered, now or later."""
        self.run(
            "INSERT INTO delivery (body, next_at) VALUES (?, ?)",
            json.dumps(event, separators=(",", ":")),
            time.time() + after_s,
        )

    def due_deliveries(self, now: float) -> list[Delivery]:
        """Reports whose time has come, oldest first."""
        rows = self.all(
            "SELECT id, body, tries FROM delivery WHERE delivered_at IS NULL AND next_at <= ?"
            " ORDER BY id LIMIT 50",
            now,
        )
        return [Delivery(row["id"], row["body"], row["tries"]) for row in rows]

    def end_delivery(self, delivery_id: int) -> None:
        """It was taken."""
        self.run(
            "UPDATE delivery SET delivered_at = ?, tries = tries + 1 WHERE id = ?",
            _now(),
            delivery_id,
        )

    def retry_delivery(self, delivery_id: int, next_at: float) -> None:
        """It was not taken."""
        self.run(
            "UPDATE delivery SET next_at = ?, tries = tries + 1 WHERE id = ?", next_at, delivery_id
        )

    def open_deliveries(self) -> int:
        """How many reports have not been taken yet."""
        row = self.one("SELECT count(*) AS open FROM delivery WHERE delivered_at IS NULL")
        assert row is not None
        return int(row["open"])
