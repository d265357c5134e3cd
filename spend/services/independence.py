"""Nobody decides for others where they have a stake."""

from kobatela.accounts.selectors import is_independent
from kobatela.kernel.caller import Caller
from spend.errors import OwnSpendForbidden


def require_no_stake(caller: Caller, *sides: int | None) -> None:
    """Raise OwnSpendForbidden when staff, or who stands in for a party, is close to a side.

    Parties that decide over their own money are never in question.
    """
    if not is_independent(caller, *(side for side in sides if side is not None)):
        raise OwnSpendForbidden
