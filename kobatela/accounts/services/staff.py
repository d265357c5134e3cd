"""Who of the users is staff, and how they get in."""

from collections.abc import Sequence

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from audit.actions import Action
from audit.services.alerts import AlertType
from audit.services.entries import record
from kobatela.accounts.errors import UserNotFound
from kobatela.accounts.models import User
from kobatela.accounts.selectors import live_keys_of
from kobatela.accounts.services.access import note_access_given
from kobatela.accounts.services.keys import revoke_key
from kobatela.kernel import clock
from kobatela.kernel.admin import ADMIN_GROUP, SUPPORT_GROUP
from kobatela.kernel.caller import STAFF_SCOPES, Caller, Scope
from kobatela.kernel.errors import ValidationFailed
from kobatela.rest.errors import InsufficientScope

STAFF_GROUPS = (SUPPORT_GROUP, ADMIN_GROUP)


@transaction.atomic
def set_staff_role(*, caller: Caller, user_id: int, role: str | None) -> User:
    """Make a user a member of `support` or `admin`, or (None) of the staff no longer.

    Their keys that are for more than the new role are revoked with it. Nobody changes their own
    role, nor a superuser's. Raises InsufficientScope for any caller but an admin, UserNotFound,
    ValidationFailed.
    """
    user = _other_user(caller, user_id)
    if role is not None and role not in STAFF_GROUPS:
        raise ValidationFailed.of("role", "unknown", "There is no such role.")
    before = _roles(user)
    after = [role] if role else []
    if before == after and user.is_staff == bool(role):
        return user
    user.groups.remove(*Group.objects.filter(name__in=STAFF_GROUPS))
    user.groups.add(*Group.objects.filter(name__in=after))
    user.is_staff = bool(role)
    user.updated_at = clock.now()
    user.save(update_fields=["is_staff", "updated_at"])
    _tell(caller, Action.STAFF_ROLE_SET, user, before=before, after=after)
    _revoke_beyond(role, caller, user)
    if role:
        note_access_given(
            caller=caller,
            user=user,
            alert=AlertType.STAFF_ROLE_GIVEN,
            what=f"{user.username} was given the role {role} of the staff.",
            subject=f"user:{user.pk}",
        )
    return user


@transaction.atomic
def set_password(*, caller: Caller, user_id: int, password: str) -> User:
    """Give a member of staff a password; it ends their sessions.

    Set by somebody else it raises an alert, and for a day the user is no second person.
    A superuser's password is set by that superuser only: who has it has everything. Raises
    InsufficientScope for any caller but an admin, UserNotFound, ValidationFailed for a user who
    is not staff and for a password that is too weak.
    """
    _require_admin(caller)
    user = _lock(user_id)
    if user.is_superuser and user.pk != caller.user_id:
        raise ValidationFailed.of("password", "superuser", "Superusers set their own password.")
    if not user.is_staff:
        raise ValidationFailed.of("password", "not_staff", "Only staff sign in with a password.")
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationFailed.of("password", "weak", " ".join(error.messages)) from error
    user.set_password(password)
    user.updated_at = clock.now()
    user.save(update_fields=["password", "updated_at"])
    _tell(caller, Action.STAFF_PASSWORD_SET, user)
    note_access_given(
        caller=caller,
        user=user,
        alert=AlertType.STAFF_PASSWORD_SET,
        what=f"Somebody else set the password of {user.username}.",
        subject=f"user:{user.pk}",
    )
    return user


def _require_admin(caller: Caller) -> None:
    if caller.scope is not Scope.ADMIN:
        raise InsufficientScope


def _other_user(caller: Caller, user_id: int) -> User:
    _require_admin(caller)
    user = _lock(user_id)
    if user.pk == caller.user_id:
        raise ValidationFailed.of("role", "own", "Nobody changes their own role.")
    if user.is_superuser:
        raise ValidationFailed.of("role", "superuser", "A superuser needs no role.")
    return user


def _revoke_beyond(role: str | None, caller: Caller, user: User) -> None:
    kept = {None: set(), SUPPORT_GROUP: {Scope.SUPPORT}, ADMIN_GROUP: STAFF_SCOPES}[role]
    beyond = live_keys_of(user.pk).filter(scope__in=STAFF_SCOPES - kept)
    for key_id in list(beyond.order_by("pk").values_list("pk", flat=True)):
        revoke_key(caller=caller, key_id=key_id)


def _lock(user_id: int) -> User:
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    if user is None:
        raise UserNotFound
    return user


def _roles(user: User) -> list[str]:
    names = (
        user.groups.filter(name__in=STAFF_GROUPS).order_by("name").values_list("name", flat=True)
    )
    return list(names)


def _tell(caller: Caller, action: Action, user: User, **body: Sequence[str]) -> None:
    record(actor=caller.actor, action=action, subject=f"user:{user.pk}", body=body)
