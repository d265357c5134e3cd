"""Users, keys, callers and staff for tests, made through the services."""

from datetime import timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import Group

from kobatela.accounts.models import ApiKey, User
from kobatela.accounts.selectors import managed_by
from kobatela.accounts.services.callers import may_carry, staff_caller
from kobatela.accounts.services.keys import issue_key
from kobatela.accounts.services.users import create_user
from kobatela.kernel import clock
from kobatela.kernel.caller import PARTY_SCOPES, Caller, Scope

ROOT = Caller(scope=Scope.ADMIN, actor="system:tests")
_numbers = count(1)


def make_user(**overrides: Any) -> User:
    """An active party; `managed_by` may be a User or an id, `is_active=False` deactivates."""
    number = next(_numbers)
    is_active = overrides.pop("is_active", True)
    manager = overrides.pop("managed_by", None)
    values: dict[str, Any] = {
        "username": f"user-{number}",
        "email": f"user-{number}@example.org",
        "managed_by": manager.pk if isinstance(manager, User) else manager,
    }
    user = create_user(caller=ROOT, **(values | overrides))
    if not is_active:
        User.objects.filter(pk=user.pk).update(is_active=False)
        user.is_active = False
    return user


def make_key(scope: Scope | str, user: User | None = None, **overrides: Any) -> tuple[ApiKey, str]:
    """A live key and its secret; a party's key without a user gets a fresh one, and who gets a
    key of staff is staff."""
    scope = Scope(scope)
    if user is None and scope in PARTY_SCOPES:
        user = make_user()
    if user is not None:
        _make_staff_of(user, scope)
    values: dict[str, Any] = {
        "name": f"{scope} key",
        "scope": scope,
        "user_id": user.pk if user is not None else None,
    }
    if overrides.get("may_confirm_deposits"):
        values["reason"] = "It collects the money itself."
    issued = issue_key(caller=ROOT, **(values | overrides))
    return issued.api_key, issued.secret


def make_caller(scope: Scope | str, user: User | None = None, **overrides: Any) -> Caller:
    """The caller that a key of `user` would be, without a key. Fields may be overridden.

    Like with `make_key`, whose key is one of staff is staff.
    """
    if user is not None:
        _make_staff_of(user, Scope(scope))
    values: dict[str, Any] = {"scope": Scope(scope), "actor": f"apikey:test{next(_numbers):04d}"}
    if user is not None:
        values |= {
            "user_id": user.pk,
            "public_tag": user.public_tag,
            "acts_for": managed_by(user.pk),
        }
    return Caller(**(values | overrides))


def _make_staff_of(user: User, scope: Scope) -> None:
    """Give a user the role that a key of this scope needs."""
    if may_carry(user, scope):
        return
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    user.groups.add(Group.objects.get_or_create(name=scope.value)[0])


def make_fresh_caller(scope: Scope | str, user: User) -> Caller:
    """The caller that a key of `user` is which somebody else has seen a moment ago."""
    key, _ = make_key(scope, user)
    key.large_sums_from = clock.now() + timedelta(days=1)
    key.save(update_fields=["large_sums_from"])
    return make_caller(scope, user, key_id=key.pk, large_sums_from=key.large_sums_from)


def make_staff(role: str = "support") -> User:
    """A member of staff in the group `support` or `admin`, password `password`."""
    number = next(_numbers)
    user = User.objects.create_user(
        username=f"{role}-{number}",
        email=f"{role}-{number}@example.org",
        password="password",
        is_staff=True,
    )
    group, _ = Group.objects.get_or_create(name=role)
    user.groups.add(group)
    return user


def make_staff_caller(role: str = "support") -> Caller:
    """The caller that a fresh member of staff is at the console."""
    return staff_caller(make_staff(role))
