"""The chart of accounts and which kinds of account each posting may touch.

An account is named by its purpose and owner; there is one per currency. Seen from the operator's
books: money at a PSP or a collector is an asset, what is owed to parties is a liability.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class AccountKind(StrEnum):
    """What the money on an account is."""

    PSP = "psp"
    COLLECTOR = "collector"
    ESCROW_HELD = "escrow_held"
    USER_PAYABLE = "user_payable"
    USER_FUNDS = "user_funds"
    PARTY_PAYABLE = "party_payable"
    IN_TRANSIT = "in_transit"
    PLATFORM_FEE = "platform_fee"
    PSP_FEE = "psp_fee"
    DISPUTE_FEE = "dispute_fee"
    CHARGEBACK_PENDING = "chargeback_pending"
    CHARGEBACK_FROZEN = "chargeback_frozen"
    CHARGEBACK_LOSS = "chargeback_loss"
    RECEIVABLE = "receivable"
    OPERATOR = "operator"


class Side(StrEnum):
    """The side on which an account grows."""

    DEBIT = "debit"
    CREDIT = "credit"


NORMAL_SIDE: Mapping[AccountKind, Side] = {
    AccountKind.PSP: Side.DEBIT,
    AccountKind.COLLECTOR: Side.DEBIT,
    AccountKind.PSP_FEE: Side.DEBIT,
    AccountKind.DISPUTE_FEE: Side.DEBIT,
    AccountKind.CHARGEBACK_PENDING: Side.DEBIT,
    AccountKind.CHARGEBACK_LOSS: Side.DEBIT,
    AccountKind.RECEIVABLE: Side.DEBIT,
    AccountKind.CHARGEBACK_FROZEN: Side.CREDIT,
    AccountKind.ESCROW_HELD: Side.CREDIT,
    AccountKind.USER_PAYABLE: Side.CREDIT,
    AccountKind.USER_FUNDS: Side.CREDIT,
    AccountKind.PARTY_PAYABLE: Side.CREDIT,
    AccountKind.IN_TRANSIT: Side.CREDIT,
    AccountKind.PLATFORM_FEE: Side.CREDIT,
    AccountKind.OPERATOR: Side.CREDIT,
}

# What is owed to somebody, or by somebody, can never be less than nothing. PSP and collector
# accounts may: a payout can leave from a PSP while its deposit lies with a collector (coverage is
# watched apart).
GUARDED = frozenset(
    {
        AccountKind.ESCROW_HELD,
        AccountKind.USER_PAYABLE,
        AccountKind.USER_FUNDS,
        AccountKind.PARTY_PAYABLE,
        AccountKind.IN_TRANSIT,
        AccountKind.CHARGEBACK_PENDING,
        AccountKind.CHARGEBACK_FROZEN,
        AccountKind.RECEIVABLE,
    }
)


@dataclass(frozen=True, slots=True)
class AccountRef:
    """One account of the chart, in every currency. `guarded`: its balance never falls below 0."""

    code: str
    kind: AccountKind
    guarded: bool

    @property
    def normal_side(self) -> Side:
        """The side on which its balance grows."""
        return NORMAL_SIDE[self.kind]


def _account(code: str, kind: AccountKind) -> AccountRef:
    return AccountRef(code, kind, kind in GUARDED)


def psp(name: str) -> AccountRef:
    """Our money at the PSP `name`; what support confirms by hand is at `manual`."""
    return _account(f"psp:{name}", AccountKind.PSP)


def collector(user_id: int) -> AccountRef:
    """Money that this client system collected itself and reported as received."""
    return _account(f"collector:{user_id}", AccountKind.COLLECTOR)


def escrow_held(escrow_id: int) -> AccountRef:
    """What an escrow holds until it is decided."""
    return _account(f"escrow:{escrow_id}:held", AccountKind.ESCROW_HELD)


def user_payable(user_id: int) -> AccountRef:
    """What was released to a provider and has not been sent yet."""
    return _account(f"user:{user_id}:payable", AccountKind.USER_PAYABLE)


def user_funds(user_id: int) -> AccountRef:
    """A sender's own money: refunds on their way, and what no escrow could take."""
    return _account(f"user:{user_id}:funds", AccountKind.USER_FUNDS)


def party_payable(party: str) -> AccountRef:
    """What was released to somebody who is no user (`payee:3`, `merchant:7`), and not sent yet."""
    return _account(f"{party}:payable", AccountKind.PARTY_PAYABLE)


def in_transit(payment_id: int) -> AccountRef:
    """Money of one payment that was handed to a PSP and whose outcome is not known."""
    return _account(f"payment:{payment_id}:in_transit", AccountKind.IN_TRANSIT)


def platform_fee() -> AccountRef:
    """What the platform earned."""
    return _account("income:platform_fee", AccountKind.PLATFORM_FEE)


def psp_fee() -> AccountRef:
    """What PSPs cost."""
    return _account("expense:psp_fee", AccountKind.PSP_FEE)


def dispute_fee() -> AccountRef:
    """What PSPs take for handling a chargeback."""
    return _account("expense:dispute_fee", AccountKind.DISPUTE_FEE)


def chargeback_pending(chargeback_id: int) -> AccountRef:
    """What a bank took back from us for one chargeback, until that is decided."""
    return _account(f"chargeback:{chargeback_id}:pending", AccountKind.CHARGEBACK_PENDING)


def chargeback_frozen(chargeback_id: int) -> AccountRef:
    """What an escrow held of a charge that a bank took back; nobody may touch it meanwhile."""
    return _account(f"chargeback:{chargeback_id}:frozen", AccountKind.CHARGEBACK_FROZEN)


def chargeback_loss() -> AccountRef:
    """Lost chargebacks for which nobody will ever pay."""
    return _account("expense:chargeback_loss", AccountKind.CHARGEBACK_LOSS)


def receivable(user_id: int) -> AccountRef:
    """What a payer owes us: a bank gave them back what had already been paid on."""
    return _account(f"user:{user_id}:receivable", AccountKind.RECEIVABLE)


def operator() -> AccountRef:
    """What we put in ourselves, so that what is owed is there. It is owed to nobody."""
    return _account("operator:capital", AccountKind.OPERATOR)


class PostingCode(StrEnum):
    """What a transfer is about."""

    DEPOSIT = "deposit"
    SURPLUS = "surplus"
    RELEASE = "release"
    REFUND = "refund"
    SPEND = "spend"
    SPEND_TAKEN_BACK = "spend.taken_back"
    SPEND_GIVEN_BACK = "spend.given_back"
    SPEND_SAME_MONEY = "spend.same_money"
    SPEND_AFTER_ALL = "spend.after_all"
    PAYMENT_SENT = "payment.sent"
    PAYMENT_SETTLED = "payment.settled"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_RETURNED = "payment.returned"
    PAYMENT_OVERPAID = "payment.overpaid"
    PSP_FEE = "psp_fee"
    CHARGEBACK_OPENED = "chargeback.opened"
    CHARGEBACK_FROZEN = "chargeback.frozen"
    CHARGEBACK_UNFROZEN = "chargeback.unfrozen"
    CHARGEBACK_WON = "chargeback.won"
    CHARGEBACK_LOST = "chargeback.lost"
    CHARGEBACK_WRITTEN_OFF = "chargeback.written_off"
    DISPUTE_FEE = "dispute_fee"
    DISPUTE_FEE_RETURNED = "dispute_fee.returned"
    DEBT_SET_OFF = "debt.set_off"
    DEBT_OWED_AGAIN = "debt.owed_again"
    FUNDS_MOVED = "funds.moved"


@dataclass(frozen=True, slots=True)
class Template:
    """The kinds of account that one posting may debit and credit."""

    debit: frozenset[AccountKind]
    credit: frozenset[AccountKind]


def _template(debit: set[AccountKind], credit: set[AccountKind]) -> Template:
    return Template(frozenset(debit), frozenset(credit))


_SOURCES = {AccountKind.PSP, AccountKind.COLLECTOR}
_OWED = {AccountKind.USER_PAYABLE, AccountKind.USER_FUNDS, AccountKind.PARTY_PAYABLE}
_SPENT = {AccountKind.USER_PAYABLE, AccountKind.PARTY_PAYABLE}
# What payers owe for lost chargebacks, and what we lost of it.
_DEBTS = {AccountKind.RECEIVABLE, AccountKind.CHARGEBACK_LOSS}
# Only what is above that comes back to who left it.
_BACK = {AccountKind.ESCROW_HELD, *_DEBTS}

TEMPLATES: Mapping[PostingCode, Template] = {
    PostingCode.DEPOSIT: _template(_SOURCES, {AccountKind.ESCROW_HELD}),
    PostingCode.SURPLUS: _template(_SOURCES, {AccountKind.USER_FUNDS}),
    PostingCode.RELEASE: _template(
        {AccountKind.ESCROW_HELD}, {AccountKind.USER_PAYABLE, AccountKind.PLATFORM_FEE}
    ),
    PostingCode.REFUND: _template({AccountKind.ESCROW_HELD}, {AccountKind.USER_FUNDS}),
    PostingCode.SPEND: _template({AccountKind.ESCROW_HELD}, _SPENT),
    PostingCode.SPEND_TAKEN_BACK: _template(_SPENT, _BACK),
    PostingCode.SPEND_GIVEN_BACK: _template({AccountKind.PSP}, _BACK),
    PostingCode.SPEND_SAME_MONEY: _template(_SPENT, {AccountKind.PSP}),
    # Paid although it had been taken back: what the escrow has not is owed by its payer.
    PostingCode.SPEND_AFTER_ALL: _template(
        {AccountKind.ESCROW_HELD, AccountKind.RECEIVABLE}, _SPENT
    ),
    PostingCode.PAYMENT_SENT: _template(_OWED, {AccountKind.IN_TRANSIT}),
    PostingCode.PAYMENT_SETTLED: _template({AccountKind.IN_TRANSIT}, _SOURCES),
    PostingCode.PAYMENT_FAILED: _template({AccountKind.IN_TRANSIT}, _OWED),
    PostingCode.PAYMENT_RETURNED: _template(_SOURCES, _OWED),
    # What a PSP paid above its order is ours to get back: it was nobody else's.
    PostingCode.PAYMENT_OVERPAID: _template({AccountKind.OPERATOR}, {AccountKind.PSP}),
    PostingCode.PSP_FEE: _template({AccountKind.PSP_FEE}, {AccountKind.PSP}),
    PostingCode.CHARGEBACK_OPENED: _template({AccountKind.CHARGEBACK_PENDING}, {AccountKind.PSP}),
    PostingCode.CHARGEBACK_FROZEN: _template(
        {AccountKind.ESCROW_HELD}, {AccountKind.CHARGEBACK_FROZEN}
    ),
    PostingCode.CHARGEBACK_UNFROZEN: _template(
        {AccountKind.CHARGEBACK_FROZEN}, {AccountKind.ESCROW_HELD}
    ),
    PostingCode.CHARGEBACK_WON: _template({AccountKind.PSP}, {AccountKind.CHARGEBACK_PENDING}),
    # In this order: what was frozen, refunds that were not sent, and for the rest the payer's debt.
    PostingCode.CHARGEBACK_LOST: _template(
        {AccountKind.CHARGEBACK_FROZEN, AccountKind.USER_FUNDS, AccountKind.RECEIVABLE},
        {AccountKind.CHARGEBACK_PENDING},
    ),
    PostingCode.CHARGEBACK_WRITTEN_OFF: _template(
        {AccountKind.CHARGEBACK_LOSS}, {AccountKind.RECEIVABLE}
    ),
    PostingCode.DISPUTE_FEE: _template({AccountKind.DISPUTE_FEE}, {AccountKind.PSP}),
    PostingCode.DISPUTE_FEE_RETURNED: _template({AccountKind.PSP}, {AccountKind.DISPUTE_FEE}),
    PostingCode.DEBT_SET_OFF: _template({AccountKind.USER_FUNDS}, _DEBTS),
    # What a refund had paid of a debt, which had been paid to the payer all the same; a loss where
    # two people have said that nobody will pay the rest either.
    PostingCode.DEBT_OWED_AGAIN: _template(_DEBTS, {AccountKind.USER_FUNDS}),
    PostingCode.FUNDS_MOVED: _template(
        _SOURCES,
        {AccountKind.COLLECTOR, AccountKind.PSP, AccountKind.RECEIVABLE, AccountKind.OPERATOR},
    ),
}


def source(name: str) -> AccountRef:
    """The account of a deposit's source: `psp:fake`, `psp:manual` or `collector:7`.

    Raises ValueError for anything else.
    """
    family, _, owner = name.partition(":")
    if family == "psp" and owner:
        return psp(owner)
    if family == "collector" and owner.isdigit():
        return collector(int(owner))
    raise ValueError(f"{name!r} is not a source of money.")
