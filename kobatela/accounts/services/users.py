"""Creating users, and what may be changed about them."""

from collections.abc import Collection, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from audit.actions import Action
from audit.alert_types import AlertType, Severity
from audit.services.alerts import raise_alert
from audit.services.entries import record
from kobatela.accounts import hooks
from kobatela.accounts.errors import ManagerNotAllowed, UserCreateFailed, UserNotFound
from kobatela.accounts.models import Language, PublicTag, User
from kobatela.accounts.selectors import get_user, live_keys_of
from kobatela.kernel import clock
from kobatela.kernel.caller import STAFF_SCOPES, Caller, Scope
from kobatela.kernel.errors import ValidationFailed
from kobatela.rest.errors import InsufficientScope

# What a user is beyond a name and an address decides what they may do: admins only.
_ADMIN_FIELDS = frozenset({"public_tag", "managed_by", "is_active"})


@transaction.atomic
def create_user(
    *,
    caller: Caller,
    username: str,
    email: str,
    phone: str = "",
    language: str = Language.FRENCH,
    public_tag: str = PublicTag.PRIVATE,
    managed_by: int | None = None,
) -> User:
    """Make an active party without a password.

    Raises InsufficientScope (support may create private users without a manager, admin all),
    ValidationFailed, UserCreateFailed for a name or address in use, ManagerNotAllowed.
    """
    if caller.scope not in STAFF_SCOPES:
        raise InsufficientScope
    if caller.scope is not Scope.ADMIN and (public_tag != PublicTag.PRIVATE or managed_by):
        raise InsufficientScope("Only an admin gives a public tag or a manager.")
    user = User(
        username=username.strip(),
        email=email.strip().lower(),
        phone=phone.strip(),
        language=language,
        public_tag=public_tag,
    )
    user.set_unusable_password()
    user.created_at = user.updated_at = clock.now()
    if managed_by is not None:
        user.managed_by = _manager(managed_by)
    _check_and_save(user)
    _tell(caller, Action.USER_CREATED, user, {"public_tag": public_tag, "managed_by": managed_by})
    if managed_by is not None:
        _alert_manager(caller, user)
    return user


@transaction.atomic
def update_user(*, caller: Caller, user_id: int, changes: Mapping[str, Any]) -> User:
    """Change any of username, email, phone, language, public_tag, is_active, managed_by.

    A deactivated user's keys stop at once. `managed_by` (an id or None) changes only while the
    user has no live key and no open escrow, and raises an alert. Raises InsufficientScope for
    any caller but an admin, UserNotFound, ValidationFailed, UserCreateFailed, ManagerNotAllowed.
    """
    if caller.scope is not Scope.ADMIN:
        raise InsufficientScope
    user = _locked(user_id, changes.get("managed_by"))
    before = {name: _value(user, name) for name in changes}
    changed = [name for name, value in changes.items() if before[name] != _cleaned(name, value)]
    if not changed:
        return user
    for name in changed:
        if name == "managed_by":
            _set_manager(user, changes[name])
        else:
            setattr(user, name, _cleaned(name, changes[name]))
    user.updated_at = clock.now()
    _check_and_save(user)
    _tell_changes(caller, user, before, changed)
    return user


@transaction.atomic
def set_stripe_account(*, caller: Caller, user_id: int, account_id: str) -> User:
    """Note the account at Stripe that was opened for a user. The first one stays.

    Raises UserNotFound.
    """
    user = _locked(user_id, None)
    if not user.stripe_account_id:
        user.stripe_account_id = account_id
        user.updated_at = clock.now()
        user.save(update_fields=["stripe_account_id", "updated_at"])
        _tell(caller, Action.USER_STRIPE_ACCOUNT_SET, user, {"account": account_id})
    return user


@transaction.atomic
def read_user(*, caller: Caller, user_id: int) -> User:
    """One user, and an audit entry that they were read. Raises UserNotFound."""
    user = get_user(caller, user_id)
    _tell(caller, Action.USER_READ, user, {})
    return user


def _locked(user_id: int, manager_id: int | None) -> User:
    # Keys and escrows refer to users: FOR UPDATE makes new ones wait, so that the answers to
    # "has this user a key, an escrow, a managed user" stay true until commit. The manager is
    # locked with the user, in the order of ids, so that two such changes cannot block each other.
    ids = [user_id] if manager_id is None else [user_id, manager_id]
    users = User.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    found = {user.pk: user for user in users}
    if user_id not in found:
        raise UserNotFound
    return found[user_id]


def _manager(manager_id: int) -> User:
    """The manager, locked. Raises ValidationFailed, and ManagerNotAllowed for a managed user."""
    manager = User.objects.select_for_update().filter(pk=manager_id, is_active=True).first()
    if manager is None:
        raise ValidationFailed.of("managed_by", "unknown", "There is no such active user.")
    if manager.managed_by_id is not None:
        raise ManagerNotAllowed("A managed user cannot manage others.")
    return manager


def _set_manager(user: User, manager_id: int | None) -> None:
    if live_keys_of(user.pk).exists():
        raise ManagerNotAllowed("The user has a live key.")
    if hooks.has_open_escrow(user.pk):
        raise ManagerNotAllowed("The user has an open escrow.")
    if manager_id is None:
        user.managed_by = None
        return
    if manager_id == user.pk:
        raise ManagerNotAllowed("Nobody manages themselves.")
    if user.managed.exists():
        raise ManagerNotAllowed("A manager cannot be managed.")
    user.managed_by = _manager(manager_id)


def _value(user: User, name: str) -> Any:
    return user.managed_by_id if name == "managed_by" else getattr(user, name)


def _cleaned(name: str, value: Any) -> Any:
    if name == "email":
        return value.strip().lower()
    return value.strip() if name in {"username", "phone"} else value


def _check_and_save(user: User) -> None:
    try:
        user.clean_fields(exclude=["password", "managed_by"])
    except ValidationError as error:
        raise ValidationFailed(
            [
                {"field": field, "code": problem.code or "invalid", "message": problem.messages[0]}
                for field, problems in error.error_dict.items()
                for problem in problems
            ]
        ) from error
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:
        raise UserCreateFailed from error


def _tell(caller: Caller, action: Action, user: User, body: Mapping[str, Any]) -> None:
    record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=action,
        subject=f"user:{user.pk}",
        body=body,
    )


def _tell_changes(
    caller: Caller, user: User, before: Mapping[str, Any], changed: Collection[str]
) -> None:
    # Names, addresses and numbers are personal: the trail says that they changed, not from what.
    told = {name: [before[name], _value(user, name)] for name in changed if name in _ADMIN_FIELDS}
    _tell(caller, Action.USER_UPDATED, user, {"fields": sorted(changed), "changes": told})
    if "is_active" in changed:
        action = Action.USER_REACTIVATED if user.is_active else Action.USER_DEACTIVATED
        _tell(caller, action, user, {})
    if "managed_by" in changed:
        _tell(caller, Action.USER_MANAGER_SET, user, {"managed_by": user.managed_by_id})
        _alert_manager(caller, user)


def _alert_manager(caller: Caller, user: User) -> None:
    raise_alert(
        type=AlertType.MANAGER_SET,
        severity=Severity.WARNING,
        subject=f"user:{user.pk}",
        message=f"User {user.pk} is now managed by user {user.managed_by_id}."
        if user.managed_by_id is not None
        else f"User {user.pk} is no longer managed by anyone.",
        payload={"managed_by": user.managed_by_id},
        actor_user_id=caller.user_id,
    )
