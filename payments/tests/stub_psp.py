"""A PSP in memory whose every answer a test decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count

from django.db import connection

from kobatela.kernel.money import Money
from payments.psp.base import (
    FundingFound,
    FundingOpened,
    Movement,
    MovementKind,
    Order,
    OrderKind,
    OrderState,
    Outcome,
    PspDown,
    PspSaysNo,
)

UNKNOWN = Outcome(OrderState.UNKNOWN, message="read timeout")


@dataclass(repr=False)
class StubPsp:
    """Keeps one order per key, as a PSP does.

    next_answers: outcomes given instead of the truth, one per call of send. accepts: whether an
    order is taken although the answer says something else. before_answer: run inside each send.
    movements: what it lists; listing_error: raised instead. while_listing: run inside each listing.
    """

    name: str = "fake"
    knows_all_orders: bool = True
    orders: dict[str, Outcome] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    sent: list[tuple[OrderKind, str, str]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    next_answers: list[Outcome] = field(default_factory=list)
    accepts: bool = True
    can_look_up: bool = True
    before_answer: Callable[[str], None] = lambda _key: None
    fundings: dict[str, FundingOpened] = field(default_factory=dict)
    funding_error: PspDown | PspSaysNo | None = None
    funding_states: dict[str, FundingFound] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    listing_error: PspDown | None = None
    while_listing: Callable[[], None] = lambda: None
    held: Mapping[str, int] | None = None
    in_transaction: list[bool] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def default_destination(self, user_id: int) -> str:
        """See Psp."""
        return f"fake:{user_id}"

    def order_body(self, order: Order) -> str:
        """See Psp; readable, for assertions."""
        target = order.charge_ref or order.destination
        return f"{order.kind} {order.money.amount_minor} {order.money.currency} {target}"

    def send(self, kind: OrderKind, key: str, body: str) -> Outcome:
        """See Psp."""
        self.in_transaction.append(connection.in_atomic_block)
        self.sent.append((kind, key, body))
        answer = self.next_answers.pop(0) if self.next_answers else None
        if self.accepts and key not in self.orders:
            self.orders[key] = Outcome(OrderState.ACCEPTED, psp_ref=f"tr_{next(self.numbers)}")
            self.bodies[key] = body
        assert self.bodies.get(key, body) == body, "a key stands for one request"
        self.before_answer(key)
        return answer or self.orders[key]

    def find(self, kind: OrderKind, key: str, body: str) -> Outcome:
        """See Psp."""
        assert self.bodies.get(key, body) == body, "a key stands for one request"
        self.looked_up.append(key)
        if not self.can_look_up:
            return UNKNOWN
        return self.orders.get(key, Outcome(OrderState.NOT_FOUND))

    def set_state(self, key: str, state: OrderState) -> None:
        """What the PSP's own record says from now on."""
        self.orders[key] = replace(self.orders[key], state=state)

    def funding_body(self, money: Money, metadata: Mapping[str, str]) -> str:
        """See Psp."""
        return f"funding {money.amount_minor} {money.currency}"

    def open_funding(self, key: str, body: str) -> FundingOpened:
        """See Psp."""
        if self.funding_error is not None:
            raise self.funding_error
        number = next(self.numbers)
        return self.fundings.setdefault(key, FundingOpened(f"ch_{number}", f"secret_{number}"))

    def find_funding(self, key: str, psp_ref: str) -> FundingFound:
        """See Psp."""
        return self.funding_states.get(key, FundingFound(OrderState.ACCEPTED))

    def list_movements(self, since: datetime, until: datetime) -> list[Movement]:
        """See Books."""
        found = self._listed(since, until, is_case=False)
        self.while_listing()
        return found

    def list_chargebacks(self, since: datetime, until: datetime) -> list[Movement]:
        """See Books."""
        return self._listed(since, until, is_case=True)

    def _listed(self, since: datetime, until: datetime, *, is_case: bool) -> list[Movement]:
        self.in_transaction.append(connection.in_atomic_block)
        if self.listing_error is not None:
            raise self.listing_error
        rows = [row for row in self.movements if (row.kind == MovementKind.CHARGEBACK) == is_case]
        return [row for row in rows if since <= row.created_at < until]

    def balances(self) -> Mapping[str, int] | None:
        """See Books."""
        if self.listing_error is not None:
            raise self.listing_error
        return self.held
