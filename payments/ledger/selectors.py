"""Reading the books, and checking them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Sum

from payments.ledger.chart import AccountRef
from payments.ledger.models import Account, Balance, Entry, Transfer
from payments.ledger.rules import registered_rules


@dataclass(frozen=True, slots=True)
class LedgerProblem:
    """Something in the books that cannot be. `subject` is an account or a transfer."""

    currency: str
    what: str
    subject: str
    expected_minor: int | None = None
    actual_minor: int | None = None

    def __str__(self) -> str:
        figures = ""
        if self.expected_minor is not None:
            figures = f" (expected {self.expected_minor}, found {self.actual_minor})"
        return f"{self.what}: {self.subject}{figures}"


@dataclass(frozen=True, slots=True)
class CurrencySummary:
    """How much there is in the books of one currency."""

    currency: str
    accounts: int
    transfers: int
    entries: int


def balance_minor(ref: AccountRef, currency: str) -> int:
    """What is on the account in minor units, in the direction in which it grows; 0 if unused."""
    found = Balance.objects.filter(account__code=ref.code, account__currency=currency)
    total: int | None = found.aggregate(total=Sum("balance_minor"))["total"]
    return total or 0


def balances_minor(prefix: str) -> Mapping[tuple[str, str], int]:
    """The balances of all accounts whose code starts with `prefix`, by code and currency."""
    rows = (
        Balance.objects.filter(account__code__startswith=prefix)
        .values_list("account__code", "account__currency")
        .annotate(total=Sum("balance_minor"))
    )
    return {(code, currency): total for code, currency, total in rows}


def balances_by_kind() -> list[tuple[str, str, str, int]]:
    """All money by currency, kind and, for PSPs and collectors, account: (currency, kind, code,
    minor units). One statement, so it is one moment of the books."""
    return _rows(
        """
        SELECT account.currency, account.kind,
               CASE WHEN account.kind IN ('psp', 'collector') THEN account.code ELSE '' END AS code,
               sum(balance.balance_minor)::bigint
          FROM ledger_balance balance JOIN ledger_account account ON account.id = balance.account_id
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """
    )


def transfers(business_keys: list[str]) -> QuerySet[Transfer]:
    """The transfers booked under these keys, oldest first, with their entries and accounts."""
    return (
        Transfer.objects.filter(business_key__in=business_keys)
        .prefetch_related("entries__account")
        .order_by("pk")
    )


def entries_of(account: Account) -> QuerySet[Entry]:
    """The entries of an account, newest first."""
    return Entry.objects.filter(account=account).select_related("transfer").order_by("-transfer_id")


def summaries() -> list[CurrencySummary]:
    """What the books hold, one line per currency."""
    rows = _rows(
        """
        SELECT currency, sum(accounts)::bigint, sum(transfers)::bigint, sum(entries)::bigint
          FROM (SELECT currency, count(*) AS accounts, 0 AS transfers, 0 AS entries
                  FROM ledger_account GROUP BY currency
                UNION ALL
                SELECT currency, 0, count(*), 0 FROM ledger_transfer GROUP BY currency
                UNION ALL
                SELECT account.currency, 0, 0, count(*)
                  FROM ledger_entry entry
                  JOIN ledger_account account ON account.id = entry.account_id
                 GROUP BY account.currency) AS counted
         GROUP BY currency ORDER BY currency
        """
    )
    return [CurrencySummary(*row) for row in rows]


def check() -> list[LedgerProblem]:
    """Recompute the books from their entries and list everything that does not agree: with
    itself, and with what the floors above keep beside it (`rules`).

    Each rule is one statement, so each sees one moment of the books; payments may go on.
    """
    problems: list[LedgerProblem] = []
    for what, statement in {**_RULES, **registered_rules()}.items():
        problems += [LedgerProblem(row[0], what, *row[1:]) for row in _rows(statement)]
    return problems


_RULES = {
    "the entries of a transfer do not sum to zero": """
        SELECT transfer.currency, transfer.business_key, 0, coalesce(sum(entry.amount_minor), 0)
          FROM ledger_transfer transfer
          LEFT JOIN ledger_entry entry ON entry.transfer_id = transfer.id
         GROUP BY transfer.id
        HAVING coalesce(sum(entry.amount_minor), 0) <> 0 OR count(entry.account_id) < 2
    """,
    "an entry is on an account of another currency": """
        SELECT transfer.currency, transfer.business_key
          FROM ledger_entry entry
          JOIN ledger_transfer transfer ON transfer.id = entry.transfer_id
          JOIN ledger_account account ON account.id = entry.account_id
         WHERE account.currency <> transfer.currency
    """,
    "a balance is not the sum of its entries": """
        SELECT account.currency, account.code,
               coalesce(moved.total, 0) * CASE account.normal_side WHEN 'debit' THEN 1 ELSE -1 END,
               coalesce(kept.total, 0)
          FROM ledger_account account
          LEFT JOIN (SELECT account_id, sum(amount_minor) AS total
                       FROM ledger_entry GROUP BY account_id) AS moved
            ON moved.account_id = account.id
          LEFT JOIN (SELECT account_id, sum(balance_minor) AS total
                       FROM ledger_balance GROUP BY account_id) AS kept
            ON kept.account_id = account.id
         WHERE coalesce(kept.total, 0) <> coalesce(moved.total, 0)
               * CASE account.normal_side WHEN 'debit' THEN 1 ELSE -1 END
    """,
    "a guarded balance is negative": """
        SELECT account.currency, account.code, 0, balance.balance_minor
          FROM ledger_balance balance JOIN ledger_account account ON account.id = balance.account_id
         WHERE account.is_guarded AND balance.balance_minor < 0
    """,
    "an account and its balance disagree on the guard": """
        SELECT account.currency, account.code
          FROM ledger_balance balance JOIN ledger_account account ON account.id = balance.account_id
         WHERE account.is_guarded <> balance.is_guarded
    """,
}


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
