"""Members of staff at the console as callers of the same services as the API."""

from kobatela.accounts.models import User
from kobatela.kernel.admin import ADMIN_GROUP, SUPPORT_GROUP
from kobatela.kernel.caller import PARTY_SCOPES, Caller, Scope
from kobatela.rest.errors import InsufficientScope


def staff_scope(user: User) -> Scope | None:
    """Admin for superusers and the group `admin`, support for the group `support`, else None."""
    if not (user.is_active and user.is_staff):
        return None
    if user.is_superuser:
        return Scope.ADMIN
    groups = set(user.groups.values_list("name", flat=True))
    if ADMIN_GROUP in groups:
        return Scope.ADMIN
    return Scope.SUPPORT if SUPPORT_GROUP in groups else None


def may_carry(user: User, scope: Scope) -> bool:
    """Whether a key of `user` may have `scope`: one of staff carries no more than their role."""
    role = staff_scope(user)
    return scope in PARTY_SCOPES or role is Scope.ADMIN or role is scope


def staff_caller(user: User) -> Caller:
    """The caller that a signed-in member of staff is. Raises InsufficientScope for anyone else."""
    scope = staff_scope(user)
    if scope is None:
        raise InsufficientScope
    return Caller(
        scope=scope, actor=f"staff:{user.pk}", user_id=user.pk, public_tag=user.public_tag
    )
