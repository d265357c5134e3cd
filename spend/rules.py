"""May this be spent? One function answers, for purchases and for payees, real and simulated.

Pure: facts in, a decision out. The rules stand in one order and the first refusal wins, so that
the same facts always give the same reason. A refusal names its rule and what is left of each limit.
Limits are inclusive. Facts about money are sums over rows, taken under the locks of what they
limit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from escrow.errors import InsufficientEscrowBalance
from kobatela.kernel.errors import DomainError, InvalidState
from kobatela.kernel.money import format_minor
from spend import errors

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateFacts:
    """A mandate and what was spent under it.

    spent_minor: its purchases that were not given back. purchases_in_hour: all within the last 60
    minutes, also those that were given back.
    """

    total_minor: int
    spent_minor: int
    expires_at: datetime
    merchant_id: int | None = None
    category_id: int | None = None
    max_per_hour: int | None = None
    purchases_in_hour: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantFacts:
    """Who sells what. is_permitted: the buyer may buy there, by merchant or by category.

    is_payable: the user who would be paid was not deactivated, or there is none. is_apart: that
    user is neither the sender nor the beneficiary of the purchase, nor close to one of them.
    """

    merchant_id: int
    category_id: int | None
    is_active: bool
    is_certified: bool
    is_permitted: bool
    is_payable: bool = True
    is_apart: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PayeeFacts:
    """A payee's limits, None for no limit, and what they were paid this UTC day and in all.

    is_payable: as for a merchant.
    """

    daily_limit_minor: int | None
    paid_today_minor: int
    total_limit_minor: int | None
    paid_minor: int
    is_payable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PurseFacts:
    """Where the money comes from. free_minor: what no open milestone of the escrow needs."""

    free_minor: int
    is_closed: bool
    is_disputed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Somebody wants to spend `amount_minor` at a moment.

    For a purchase: the merchant, and the mandate if there is one; for a payment to a payee: the
    purse, and the payee if there is one. A purchase has a purse where its mandate names an escrow.
    """

    amount_minor: int
    currency: str
    at: datetime
    merchant: MerchantFacts | None = None
    mandate: MandateFacts | None = None
    payee: PayeeFacts | None = None
    purse: PurseFacts | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """So much may be used in all, and so much is. is_count: purchases and not money."""

    name: str
    allowed: int
    used: int
    is_count: bool = False

    @property
    def left(self) -> int:
        """What may still be used."""
        return max(0, self.allowed - self.used)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it may be spent. `rule` and `error` say why not; limits are as they were before."""

    limits: Sequence[Limit]
    rule: str | None = None
    error: type[DomainError] | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether no rule refuses."""
        return self.error is None


Check = Callable[[Ask], type[DomainError] | None]


def day_of(at: datetime) -> datetime:
    """The beginning of the UTC day of a moment: daily limits begin anew there."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def hour_before(at: datetime) -> datetime:
    """Purchases after this moment count for the hour that ends now."""
    return at - HOUR


def decide(ask: Ask) -> Decision:
    """The first rule that refuses, or a yes."""
    limits = limits_of(ask)
    for rule, check in RULES.items():
        error = check(ask)
        if error is not None:
            return Decision(limits, rule, error)
    return Decision(limits)


def limits_of(ask: Ask) -> list[Limit]:
    """Every limit that stands over this, in the order of the rules."""
    found: list[Limit] = []
    mandate, payee, purse = ask.mandate, ask.payee, ask.purse
    if mandate is not None and mandate.max_per_hour is not None:
        used = mandate.purchases_in_hour
        found.append(Limit("per_hour", mandate.max_per_hour, used, is_count=True))
    if mandate is not None:
        found.append(Limit("mandate", mandate.total_minor, mandate.spent_minor))
    if payee is not None and payee.daily_limit_minor is not None:
        found.append(Limit("daily", payee.daily_limit_minor, payee.paid_today_minor))
    if payee is not None and payee.total_limit_minor is not None:
        found.append(Limit("total", payee.total_limit_minor, payee.paid_minor))
    if purse is not None:
        found.append(Limit("escrow", purse.free_minor, 0))
    return found


def shown(limits: Sequence[Limit], currency: str) -> Mapping[str, Any]:
    """What is left of each limit, as clients read it: amounts are texts, counts are numbers."""
    return {
        limit.name: {
            "limit": limit.allowed if limit.is_count else format_minor(limit.allowed, currency),
            "used": limit.used if limit.is_count else format_minor(limit.used, currency),
            "left": limit.left if limit.is_count else format_minor(limit.left, currency),
        }
        for limit in limits
    }


def _mandate(ask: Ask) -> type[DomainError] | None:
    if ask.merchant is None or (ask.mandate is not None and ask.at < ask.mandate.expires_at):
        return None
    return errors.MandateRequired


def _escrow_state(ask: Ask) -> type[DomainError] | None:
    if ask.purse is None:
        return None
    if ask.purse.is_closed:
        return errors.EscrowNotActive
    return InvalidState if ask.purse.is_disputed else None


def _payee(ask: Ask) -> type[DomainError] | None:
    is_known = ask.merchant is not None or ask.payee is not None
    return None if is_known else errors.PayeeNotAllowed


def _merchant_active(ask: Ask) -> type[DomainError] | None:
    is_active = ask.merchant is None or ask.merchant.is_active
    return None if is_active else errors.MerchantInactive


def _payee_active(ask: Ask) -> type[DomainError] | None:
    paid = ask.merchant or ask.payee
    return errors.PayeeInactive if paid is not None and not paid.is_payable else None


def _merchant_apart(ask: Ask) -> type[DomainError] | None:
    # Who sells to themselves buys nothing: a budget for goods would be paid out as cash.
    is_apart = ask.merchant is None or ask.merchant.is_apart
    return None if is_apart else errors.MerchantIsParty


def _mandate_merchant(ask: Ask) -> type[DomainError] | None:
    if ask.merchant is None or ask.mandate is None or ask.mandate.merchant_id is None:
        return None
    is_theirs = ask.mandate.merchant_id == ask.merchant.merchant_id
    return None if is_theirs else errors.MandateMerchantForbidden


def _mandate_category(ask: Ask) -> type[DomainError] | None:
    if ask.merchant is None or ask.mandate is None or ask.mandate.category_id is None:
        return None
    is_of_it = ask.mandate.category_id == ask.merchant.category_id
    return None if is_of_it else errors.MandateCategoryForbidden


def _usage(ask: Ask) -> type[DomainError] | None:
    merchant = ask.merchant
    may = merchant is None or merchant.is_certified or merchant.is_permitted
    return None if may else errors.UnauthorizedUsage


def _within(name: str, error: type[DomainError]) -> Check:
    """The rule that one of the limits has room left."""

    def check(ask: Ask) -> type[DomainError] | None:
        for limit in limits_of(ask):
            wanted = 1 if limit.is_count else ask.amount_minor
            if limit.name == name and wanted > limit.left:
                return error
        return None

    return check


RULES: Mapping[str, Check] = {
    "mandate": _mandate,
    "escrow_state": _escrow_state,
    "payee": _payee,
    "merchant_active": _merchant_active,
    "payee_active": _payee_active,
    "merchant_apart": _merchant_apart,
    "mandate_merchant": _mandate_merchant,
    "mandate_category": _mandate_category,
    "usage": _usage,
    "per_hour": _within("per_hour", errors.HourlyLimitReached),
    "mandate_total": _within("mandate", errors.MandateConflict),
    "daily": _within("daily", errors.DailyLimitReached),
    "total": _within("total", errors.TotalLimitReached),
    "escrow_balance": _within("escrow", InsufficientEscrowBalance),
}
