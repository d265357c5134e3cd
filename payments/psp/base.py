"""What Kobatela needs from a PSP. An adapter translates; it decides nothing and stores nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from kobatela.kernel.money import Money


class OrderKind(StrEnum):
    """What a PSP is told to do with our money."""

    TRANSFER = "transfer"
    REFUND = "refund"


class OrderState(StrEnum):
    """What is known of an order after asking the PSP.

    ACCEPTED: the PSP has it, the end is open. FAILED: it will never be paid.
    NOT_FOUND: the PSP has no such order (only from a look-up).
    BUSY: not now; the same key may be sent again. BLOCKED: the PSP does not accept us at all.
    UNKNOWN: it may or may not have been paid.
    """

    ACCEPTED = "accepted"
    SETTLED = "settled"
    FAILED = "failed"
    RETURNED = "returned"
    NOT_FOUND = "not_found"
    BUSY = "busy"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a payment waits, failed or is open, in words that parties may read.

    FUNDS_PENDING: the PSP holds money of ours and cannot pay it out yet; it is tried again.
    """

    NONE = ""
    ON_HOLD = "ON_HOLD"
    UNCOVERED = "UNCOVERED"
    DESTINATION_MISSING = "DESTINATION_MISSING"
    DESTINATION_INVALID = "DESTINATION_INVALID"
    PAYEE_INACTIVE = "PAYEE_INACTIVE"
    PAYEE_TOO_NEW = "PAYEE_TOO_NEW"
    FOUR_EYES = "FOUR_EYES"
    AMOUNT_NOT_PAYABLE = "AMOUNT_NOT_PAYABLE"
    PSP_BALANCE_SHORT = "PSP_BALANCE_SHORT"
    FUNDS_PENDING = "FUNDS_PENDING"
    PSP_REFUSED = "PSP_REFUSED"
    PSP_UNREACHABLE = "PSP_UNREACHABLE"
    PSP_BUSY = "PSP_BUSY"
    PSP_ACCESS_REFUSED = "PSP_ACCESS_REFUSED"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    NEVER_RECEIVED = "NEVER_RECEIVED"
    RETURNED_BY_BANK = "RETURNED_BY_BANK"
    CHARGED_BACK = "CHARGED_BACK"


# Why a payment waits that cannot be sent anywhere now.
WITHOUT_ROUTE = frozenset({Reason.DESTINATION_MISSING, Reason.PAYEE_INACTIVE, Reason.PAYEE_TOO_NEW})


@dataclass(frozen=True, slots=True)
class Order:
    """One payment as the PSP is to make it.

    destination: who is paid, for a transfer. charge_ref: the charge a refund goes back through.
    metadata: our ids, so that the PSP's own records name them.
    """

    kind: OrderKind
    money: Money
    destination: str
    charge_ref: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the PSP said of an order. `message` is its own text and never leaves the staff.

    fee: what the PSP charged for it, beside its amount; None when it does not say.
    """

    state: OrderState
    psp_ref: str | None = None
    reason: Reason = Reason.NONE
    message: str = ""
    money: Money | None = None
    fee: Money | None = None


@dataclass(frozen=True, slots=True)
class FundingOpened:
    """A session that the payer can pay in."""

    psp_ref: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class FundingFound:
    """What became of a session: SETTLED with what was collected, FAILED, ACCEPTED while it is
    open, NOT_FOUND, or UNKNOWN while the PSP cannot be asked. fee: as for an Outcome."""

    state: OrderState
    psp_ref: str = ""
    money: Money | None = None
    fee: Money | None = None


class MovementKind(StrEnum):
    """What a line of a PSP's list is about. chargeback: a charge that a payer's bank took back."""

    TRANSFER = "transfer"
    REFUND = "refund"
    FUNDING = "funding"
    CHARGEBACK = "chargeback"


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of a PSP's own list of what it did, or is to do, with our money.

    key: our key, as far as the PSP kept it; "" for what was never ordered by us. state: ACCEPTED,
    SETTLED, FAILED or RETURNED; of a chargeback: open, lost, only asked about, or won. changed_at:
    when it came to that state; None when the PSP does not tell. charge_ref: the charge of a
    chargeback.
    """

    kind: MovementKind
    psp_ref: str
    key: str
    money: Money
    state: OrderState
    created_at: datetime
    changed_at: datetime | None = None
    charge_ref: str = ""


class PspDown(Exception):
    """The PSP did not answer, or not in a way that settles the matter."""


class PspSaysNo(Exception):
    """The PSP refused, and would refuse again."""


class Books(Protocol):
    """A PSP's own record of what it did with our money, to be held against ours."""

    name: str

    def list_movements(self, since: datetime, until: datetime) -> list[Movement]:
        """Everything but chargebacks that was created at the PSP from `since` up to before
        `until`, whole or not at all, oldest first.

        Raises PspDown, also for a list that cannot be read to its end.
        """

    def list_chargebacks(self, since: datetime, until: datetime) -> list[Movement]:
        """The chargebacks that were opened at the PSP in that time, as `list_movements`. They are
        apart because banks decide them after months, so that this list goes back farther."""

    def balances(self) -> Mapping[str, int] | None:
        """What the PSP says that it holds for us, in minor units by currency, whether or not it
        can be paid out yet; None for a PSP that does not tell. Raises PspDown."""


class Psp(Books, Protocol):
    """One payment service provider. Every call ends by itself; none is made in a transaction.

    knows_all_orders: whether an order that `find` does not find was never received.
    """

    knows_all_orders: bool

    def default_destination(self, user_id: int) -> str:
        """Where a user without a destination is paid; empty when nowhere."""

    def order_body(self, order: Order) -> str:
        """The exact text that `send` will send: stored first, so that a repeat is the same."""

    def send(self, kind: OrderKind, key: str, body: str) -> Outcome:
        """Give the order under our key. The same key and body again have no second effect."""

    def find(self, kind: OrderKind, key: str, body: str) -> Outcome:
        """What became of the order with this key, from the PSP's own record.

        body: the text that was sent under the key; it says where some PSPs have to look.
        """

    def funding_body(self, money: Money, metadata: Mapping[str, str]) -> str:
        """The exact text that `open_funding` will send."""

    def open_funding(self, key: str, body: str) -> FundingOpened:
        """Open a session under our key. Raises PspDown or PspSaysNo."""

    def find_funding(self, key: str, psp_ref: str) -> FundingFound:
        """What became of the session with this key, from the PSP's own record.

        psp_ref: the PSP's reference, "" when its answer never came.
        """
