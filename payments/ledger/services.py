"""The only way to move money in the books."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, connection

from kobatela.kernel import clock, trace
from kobatela.kernel.money import format_minor
from payments.ledger.chart import TEMPLATES, AccountRef, PostingCode
from payments.ledger.errors import AlreadyPosted, InsufficientFunds

_POST = "SELECT ledger_post(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
_GUARD = "ledger_guarded_not_negative"


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a transfer; debit positive, credit negative."""

    account: AccountRef
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Posted:
    """A transfer that was booked."""

    id: int
    business_key: str


def debit(account: AccountRef, amount_minor: int) -> Leg:
    """Debit `account` by a positive amount."""
    return Leg(account, _positive(amount_minor))


def credit(account: AccountRef, amount_minor: int) -> Leg:
    """Credit `account` by a positive amount."""
    return Leg(account, -_positive(amount_minor))


def post(*, business_key: str, code: str, currency: str, legs: Sequence[Leg]) -> Posted:
    """Book one transfer in the current transaction; accounts are made on first use.

    The accounts' balances stay locked until the transaction ends; they are locked in ascending
    order, so take every other lock first.

    Raises AlreadyPosted when `business_key` was used before (nothing happened, go on if you
    like), InsufficientFunds when a guarded account would fall below zero (the transaction is lost
    then), ValueError for legs that do not sum to zero, name an account twice or do not fit the
    template of `code`, and RuntimeError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("Money moves in the transaction of what it is moved for.")
    _check_legs(PostingCode(code), legs)
    transfer_id = _write(business_key, code, currency, legs)
    if transfer_id is None:
        raise AlreadyPosted(business_key=business_key)
    trace.report_posting(
        {
            "code": str(code),
            "currency": currency,
            "entries": [
                {
                    "account": leg.account.code,
                    "side": "debit" if leg.amount_minor > 0 else "credit",
                    "amount": format_minor(abs(leg.amount_minor), currency),
                }
                for leg in legs
            ],
        }
    )
    return Posted(transfer_id, business_key)


def _write(business_key: str, code: str, currency: str, legs: Sequence[Leg]) -> int | None:
    accounts = [leg.account for leg in legs]
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                _POST,
                [
                    business_key,
                    str(code),
                    currency,
                    clock.now(),
                    [account.code for account in accounts],
                    [str(account.kind) for account in accounts],
                    [str(account.normal_side) for account in accounts],
                    [account.guarded for account in accounts],
                    [leg.amount_minor for leg in legs],
                ],
            )
            row = cursor.fetchone()
    except IntegrityError as error:
        if _constraint_of(error) == _GUARD:
            raise InsufficientFunds from error
        raise
    return None if row is None else row[0]


def _constraint_of(error: IntegrityError) -> str | None:
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None)


def _check_legs(code: PostingCode, legs: Sequence[Leg]) -> None:
    if sum(leg.amount_minor for leg in legs) != 0 or len(legs) < 2:
        raise ValueError("The legs of a transfer sum to zero.")
    if len({leg.account.code for leg in legs}) != len(legs):
        raise ValueError("An account stands once in a transfer.")
    template = TEMPLATES[code]
    for leg in legs:
        allowed = template.debit if leg.amount_minor > 0 else template.credit
        if leg.account.kind not in allowed:
            raise ValueError(f"{code} may not touch {leg.account.code} on this side.")


def _positive(amount_minor: int) -> int:
    if amount_minor <= 0:
        raise ValueError("A leg has a positive amount.")
    return amount_minor
