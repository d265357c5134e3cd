"""Who is calling, as the lower floors need to know it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What a key is for. A scope is only a gate; objects are looked up through the caller."""

    SENDER = "sender"
    PROVIDER = "provider"
    SUPPORT = "support"
    ADMIN = "admin"


PARTY_SCOPES = frozenset({Scope.SENDER, Scope.PROVIDER})
STAFF_SCOPES = frozenset({Scope.SUPPORT, Scope.ADMIN})


def _acts_for_nobody(_user_id: int) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller of one request or the staff member at the console.

    actor: `apikey:<public id>` or `staff:<user id>`, as the audit trail names it.
    user_id: the user of the key; None for an unbound key of scope support or admin.
    on_behalf_of: the party whom an admin key acts for in this request.
    acts_for: whether this caller may act for a user: itself, a managed user, the on_behalf_of.
    may_confirm_deposits: the key's own permission to report money as received.
    large_sums_from: from when on a party's key that somebody else has seen moves large sums.
    """

    scope: Scope
    actor: str
    user_id: int | None = None
    key_id: int | None = None
    public_tag: str = "private"
    on_behalf_of: int | None = None
    may_confirm_deposits: bool = False
    large_sums_from: datetime | None = None
    acts_for: Callable[[int], bool] = _acts_for_nobody

    @property
    def is_staff(self) -> bool:
        """Support or admin, and not acting as a party."""
        return self.scope in STAFF_SCOPES and self.on_behalf_of is None

    @property
    def party_id(self) -> int | None:
        """The user whose objects this caller handles as a party."""
        return self.on_behalf_of if self.on_behalf_of is not None else self.user_id

    def may_act_for(self, user_id: int) -> bool:
        """Whether this caller is, manages, or stands in for `user_id`."""
        return user_id == self.party_id or self.acts_for(user_id)
