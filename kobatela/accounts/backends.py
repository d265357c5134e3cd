"""How staff sign in, and what members of the two staff groups may look at."""

from functools import partial
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Model
from django.http import HttpRequest

from kobatela.accounts.models import User
from kobatela.accounts.services.callers import staff_scope
from kobatela.accounts.services.logins import sign_in
from kobatela.kernel.caller import Scope
from kobatela.rest.address import client_address


class StaffBackend(ModelBackend):
    """Django's passwords for staff only, every login audited and guessing stopped.

    Members of `support` and `admin` may view everything that is registered, by belonging to the
    group: a new model needs no migration of permissions. What changes something is a command,
    and each command asks for the role.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The member of staff whose password this is; None for anyone else."""
        if not username or password is None:
            return None
        return sign_in(
            username=username,
            address=client_address(request) if request is not None else "",
            check=partial(self._check, request, username, password),
        )

    def user_can_authenticate(self, user: AbstractBaseUser | AnonymousUser | None) -> bool:
        """Active staff only: parties have keys, not passwords."""
        return isinstance(user, User) and user.is_active and user.is_staff

    def has_perm(
        self,
        user_obj: User | AnonymousUser,
        perm: str,
        obj: Model | None = None,
    ) -> bool:
        """As granted, and by role."""
        return super().has_perm(user_obj, perm, obj) or _has_by_role(user_obj, perm)

    def has_module_perms(self, user_obj: User | AnonymousUser, app_label: str) -> bool:
        """As granted, and everything for members of the two groups."""
        return super().has_module_perms(user_obj, app_label) or _scope(user_obj) is not None

    def _check(self, request: HttpRequest | None, username: str, password: str) -> User | None:
        user = super().authenticate(request, username, password)
        return user if isinstance(user, User) else None


def _scope(user: User | AnonymousUser) -> Scope | None:
    # A page asks for dozens of permissions of one and the same user object; the groups are read
    # once for it, as Django does with the permissions that it stores.
    if not isinstance(user, User):
        return None
    if not hasattr(user, "_staff_scope"):
        user._staff_scope = staff_scope(user)  # type: ignore[attr-defined]  # noqa: SLF001
    scope: Scope | None = user._staff_scope  # type: ignore[attr-defined]  # noqa: SLF001
    return scope


def _has_by_role(user: User | AnonymousUser, perm: str) -> bool:
    return _scope(user) is not None and perm.rpartition(".")[2].startswith("view_")
