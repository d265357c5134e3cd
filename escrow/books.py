"""What the totals of an escrow have to do with the ledger."""

HELD_DISAGREES = "the totals of an escrow are not what the ledger holds for it"
# Both ways round: an escrow without its money, and money held for an escrow that there is not.
HELD_STATEMENT = """
SELECT currency, code, coalesce(escrow.held_minor, 0), coalesce(kept.held_minor, 0)
  FROM (SELECT 'escrow:' || id || ':held' AS code, currency,
               funded_minor - released_minor - refunded_minor - frozen_minor AS held_minor
          FROM escrow_escrow) AS escrow
  FULL JOIN (SELECT account.code, account.currency, sum(balance.balance_minor) AS held_minor
               FROM ledger_account account
               JOIN ledger_balance balance ON balance.account_id = account.id
              WHERE account.kind = 'escrow_held'
              GROUP BY account.code, account.currency) AS kept USING (code, currency)
 WHERE coalesce(escrow.held_minor, 0) <> coalesce(kept.held_minor, 0)
"""
