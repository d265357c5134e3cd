"""Accounts and destinations for tests; the numbers are canaries that may show up nowhere."""

from itertools import count
from typing import Any

from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_caller
from kobatela.kernel.caller import Scope
from payments.models import Destination
from payments.services.destinations import add_destination

IBANS = (
    "GB82WEST12345698765432",
    "DE89370400440532013000",
    "FR1420041010050500013M02606",
    "CI93CI0080111301134291200589",
    "SN08SN0100152000048500003035",
    "BF42BF0840101300463574000390",
    "CM2110002000300277976315008",
)
_numbers = count(1_000_000)


def next_number() -> str:
    """A mobile number that no other test has."""
    return f"+22507{next(_numbers):08d}"


def make_destination(
    user: User | None, kind: str = "mobile_money", **overrides: Any
) -> Destination:
    """A destination of a user, added with the user's own key."""
    assert user is not None
    fields = {
        "mobile_money": {"operator": "orange", "number": next_number()},
        "bank": {"iban": IBANS[3]},
        "stripe": {"stripe_account_id": "acct_1AbCdEfGhIjK"},
    }[kind]
    given = {name: overrides.pop(name) for name in list(overrides) if name in _FIELDS}
    return add_destination(
        caller=overrides.pop("caller", None) or make_caller(Scope.PROVIDER, user),
        user_id=user.pk,
        kind=kind,
        fields=given or fields,
        **overrides,
    )


_FIELDS = frozenset(
    {"operator", "number", "iban", "account_number", "bank_code", "stripe_account_id"}
)
