"""Checking the books by the clock."""

from collections import Counter

from audit.services.alerts import AlertType, Severity, raise_alert
from payments.ledger import selectors as ledger
from payments.ledger.selectors import LedgerProblem

IN_TRANSIT_DISAGREES = "what is in transit is not the money of a payment that is on its way"
# Both ways round: a payment on its way without its money, and money on its way for no payment.
IN_TRANSIT_STATEMENT = """
SELECT currency, code, coalesce(sent.amount_minor, 0), coalesce(kept.amount_minor, 0)
  FROM (SELECT 'payment:' || id || ':in_transit' AS code, currency, amount_minor
          FROM payments_payment WHERE status = 'SENT') AS sent
  FULL JOIN (SELECT account.code, account.currency, sum(balance.balance_minor) AS amount_minor
               FROM ledger_account account
               JOIN ledger_balance balance ON balance.account_id = account.id
              WHERE account.kind = 'in_transit'
              GROUP BY account.code, account.currency) AS kept USING (code, currency)
 WHERE coalesce(sent.amount_minor, 0) <> coalesce(kept.amount_minor, 0)
"""

FROZEN_DISAGREES = "what is frozen is not the money of an open chargeback"
FROZEN_STATEMENT = """
SELECT currency, code, coalesce(frozen.amount_minor, 0), coalesce(kept.amount_minor, 0)
  FROM (SELECT 'chargeback:' || id || ':frozen' AS code, currency, frozen_minor AS amount_minor
          FROM payments_chargeback WHERE status = 'OPEN') AS frozen
  FULL JOIN (SELECT account.code, account.currency, sum(balance.balance_minor) AS amount_minor
               FROM ledger_account account
               JOIN ledger_balance balance ON balance.account_id = account.id
              WHERE account.kind = 'chargeback_frozen'
              GROUP BY account.code, account.currency) AS kept USING (code, currency)
 WHERE coalesce(frozen.amount_minor, 0) <> coalesce(kept.amount_minor, 0)
"""


DEBT_DISAGREES = "what payers owe, or we lost of it, is not what left them owing"
DEBT_STATEMENT = """
SELECT currency, code, coalesce(owed.amount_minor, 0), coalesce(kept.amount_minor, 0)
  FROM (SELECT CASE WHEN written_off_at IS NULL THEN 'user:' || payer_id || ':receivable'
                    ELSE 'expense:chargeback_loss' END AS code,
               currency, sum(minor)::bigint AS amount_minor
          FROM (SELECT payer_id, currency, written_off_at, owed_minor - recovered_minor AS minor
                  FROM payments_chargeback WHERE status = 'LOST'
                UNION ALL
                SELECT payer_id, currency, NULL, debt_minor
                  FROM payments_payment WHERE debt_minor > 0) AS debt
         GROUP BY 1, 2) AS owed
  FULL JOIN (SELECT account.code, account.currency, sum(balance.balance_minor) AS amount_minor
               FROM ledger_account account
               JOIN ledger_balance balance ON balance.account_id = account.id
              WHERE account.kind IN ('receivable', 'chargeback_loss')
              GROUP BY account.code, account.currency) AS kept USING (code, currency)
 WHERE coalesce(owed.amount_minor, 0) <> coalesce(kept.amount_minor, 0)
"""

MOVED_DISAGREES = "what was moved to a PSP is not what two people said"
# By account too: the right sum at the wrong PSP is wrong.
MOVED_STATEMENT = """
SELECT currency, key, coalesce(said.amount_minor, 0), coalesce(booked.amount_minor, 0)
  FROM (SELECT 'funds:' || bank_ref || ':moved' AS key,
               CASE WHEN target LIKE 'collector:%' THEN target ELSE 'psp:' || target END AS code,
               currency, amount_minor
          FROM payments_fundsmove WHERE status = 'BOOKED') AS said
  FULL JOIN (SELECT transfer.business_key AS key, account.code, transfer.currency,
                    entry.amount_minor
               FROM ledger_transfer transfer
               JOIN ledger_entry entry ON entry.transfer_id = transfer.id AND entry.amount_minor > 0
               JOIN ledger_account account ON account.id = entry.account_id
              WHERE transfer.code = 'funds.moved') AS booked USING (key, code, currency)
 WHERE coalesce(said.amount_minor, 0) <> coalesce(booked.amount_minor, 0)
"""


def check_ledger() -> dict[str, int]:
    """Recompute the books; alert for each currency that is wrong. How many problems there are."""
    problems = ledger.check()
    for currency, count in Counter(problem.currency for problem in problems).items():
        _alert(currency, count, next(item for item in problems if item.currency == currency))
    return {"problems": len(problems)}


def _alert(currency: str, count: int, first: LedgerProblem) -> None:
    raise_alert(
        type=AlertType.LEDGER_CHECK_FAILED,
        severity=Severity.CRITICAL,
        subject=f"ledger:{currency}",
        message=f"The ledger does not agree with itself: {first.what}.",
        payload={"problems": count, "first": first.subject},
    )
