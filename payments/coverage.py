"""What is owed to people against the money that is there for it, per currency. Reads only."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Sum

from payments import funds
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.ledger.chart import AccountKind
from payments.models import Hold, Payment, PaymentStatus

# One statement, because a payment that settles takes its money out of both sums at once: two
# statements could see it in neither.
_HELD = """
SELECT (SELECT coalesce(sum(balance.balance_minor), 0)
          FROM ledger_balance balance JOIN ledger_account account ON account.id = balance.account_id
         WHERE account.code = %s AND account.currency = %s)::bigint
     - (SELECT coalesce(sum(amount_minor), 0)
          FROM payments_payment
"""
_FREE = f"{_HELD} WHERE status = 'SENT' AND psp = %s AND currency = %s)::bigint"
_FREE_AT_COLLECTOR = (
    f"{_HELD} WHERE status = 'SENT' AND collector_id = %s AND currency = %s)::bigint"
)


@dataclass(slots=True)
class Coverage:
    """One currency. What is owed is owed by us; where the money lies is another matter.

    owed_minor: held by escrows, frozen, payable, senders' own, and in transit. at_psps,
    at_collectors: what lies where, by name. leaving: what each PSP is to pay, now or on its way.
    moved: what came to each PSP from elsewhere, less what left it for another or a collector, as
    two people booked it; at_psps holds it. put_in_minor: what of that was our own.
    """

    currency: str
    owed_minor: int = 0
    at_psps: dict[str, int] = field(default_factory=dict)
    at_collectors: dict[str, int] = field(default_factory=dict)
    leaving: dict[str, int] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)
    put_in_minor: int = 0

    @property
    def at_psps_minor(self) -> int:
        """What all PSPs hold."""
        return sum(self.at_psps.values())

    @property
    def at_collectors_minor(self) -> int:
        """What collectors hold. It pays nothing until they hand it over, or give it back."""
        return sum(self.at_collectors.values())

    @property
    def shortfall_minor(self) -> int:
        """What is owed and lies nowhere: lost to chargebacks and fees, ours to put in."""
        return max(0, self.owed_minor - self.at_psps_minor - self.at_collectors_minor)

    @property
    def short_at(self) -> Mapping[str, int]:
        """What PSPs are to pay beyond what they hold, by name."""
        names = self.at_psps.keys() | self.leaving.keys()
        short = {name: self.leaving.get(name, 0) - self.at_psps.get(name, 0) for name in names}
        return {name: missing for name, missing in sorted(short.items()) if missing > 0}

    @property
    def advanced_by(self) -> Mapping[str, int]:
        """What collectors paid beyond what they held, by name: they handed it over before a refund
        was asked of them, and we have to give it back to them."""
        return {name: -minor for name, minor in sorted(self.at_collectors.items()) if minor < 0}

    @property
    def is_covered(self) -> bool:
        """Whether everything owed lies somewhere, everything leaving lies where it leaves, and no
        collector has paid for us."""
        return not self.shortfall_minor and not self.short_at and not self.advanced_by


# What people may claim. What others owe us (an open chargeback, a receivable) covers nothing yet.
_OWED = frozenset(kind for kind in chart.GUARDED if chart.NORMAL_SIDE[kind] is chart.Side.CREDIT)


def coverage() -> list[Coverage]:
    """Every currency in the books, by name."""
    found: dict[str, Coverage] = {}
    for currency, kind, code, minor in ledger.balances_by_kind():
        row = found.setdefault(currency, Coverage(currency))
        name = code.partition(":")[2]
        if kind == AccountKind.PSP:
            row.at_psps[name] = minor
        elif kind == AccountKind.COLLECTOR:
            row.at_collectors[name] = minor
        elif kind == AccountKind.OPERATOR:
            row.put_in_minor += minor
        elif kind in _OWED:
            row.owed_minor += minor
    for (psp, currency), minor in _leaving().items():
        found.setdefault(currency, Coverage(currency)).leaving[psp] = minor
    for (psp, currency), minor in funds.moved_minor().items():
        found.setdefault(currency, Coverage(currency)).moved[psp] = minor
    return [found[currency] for currency in sorted(found)]


def free_minor(psp: str, currency: str) -> int:
    """What a PSP holds by the ledger and is not on its way out; below 0 if more left than came."""
    return _one(_FREE, [chart.psp(psp).code, currency, psp, currency])


def free_at_collector_minor(user_id: int, currency: str) -> int:
    """What a collector holds and has not been asked to pay back; below 0 if it paid more."""
    return _one(_FREE_AT_COLLECTOR, [chart.collector(user_id).code, currency, user_id, currency])


def _one(statement: str, values: list[str | int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        (found,) = cursor.fetchone()
    return int(found)


def _leaving() -> Mapping[tuple[str, str], int]:
    open_ones = Payment.objects.filter(
        status__in=[PaymentStatus.PENDING, PaymentStatus.SENT]
    ).exclude(hold_reason=Hold.CHARGED_BACK)
    # A collector pays from what it holds itself.
    sums = open_ones.filter(collector=None).values_list("psp", "currency")
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for psp, currency, minor in sums.annotate(total=Sum("amount_minor")):
        totals[psp, currency] = minor
    return totals
