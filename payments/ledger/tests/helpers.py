"""Short ways to put money somewhere."""

from itertools import count

from django.db import transaction

from payments.ledger import chart
from payments.ledger.chart import AccountRef
from payments.ledger.services import Posted, credit, debit, post

_numbers = count(1)


def give(
    escrow_id: int, amount_minor: int, *, currency: str = "EUR", source: str = "psp:fake"
) -> Posted:
    """Put money into an escrow's account."""
    return move(
        "deposit", chart.source(source), chart.escrow_held(escrow_id), amount_minor, currency
    )


def move(
    code: str,
    debited: AccountRef,
    credited: AccountRef,
    amount_minor: int,
    currency: str = "EUR",
    *,
    business_key: str = "",
) -> Posted:
    """One transfer between two accounts, in a transaction of its own."""
    with transaction.atomic():
        return post(
            business_key=business_key or f"test:{next(_numbers)}",
            code=code,
            currency=currency,
            legs=[debit(debited, amount_minor), credit(credited, amount_minor)],
        )
