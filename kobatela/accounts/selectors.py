"""Who is who, and whom a caller may act for."""

from collections.abc import Callable, Collection
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q, QuerySet

from kobatela.accounts.errors import ApiKeyNotFound, PartyUnknown, UserNotFound
from kobatela.accounts.models import ApiKey, Approval, ApprovalStatus, Language, User
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import ValidationFailed
from kobatela.kernel.rows import RowStatement

_KEY_WITH_USER = RowStatement(
    ApiKey,
    """
      FROM accounts_apikey LEFT JOIN accounts_user AS party ON party.id = accounts_apikey.user_id
     WHERE accounts_apikey.public_id = %s
    """,
    more=(
        "party.is_staff",
        "party.is_active",
        "party.public_tag",
        "EXISTS (SELECT FROM accounts_user AS managed WHERE managed.managed_by_id = party.id)",
    ),
)
_LOCK_KEY = RowStatement(ApiKey, "FROM accounts_apikey WHERE id = %s FOR NO KEY UPDATE")


def parties_of(caller: Caller) -> QuerySet[User]:
    """The users whom this caller acts for: itself or its `on_behalf_of`, and whom that manages."""
    party = caller.party_id
    if party is None:
        return User.objects.none()
    return User.objects.filter(Q(pk=party) | Q(managed_by=party))


def visible_users(caller: Caller) -> QuerySet[User]:
    """The users that this caller may read: all for staff, else its own parties."""
    return User.objects.all() if caller.is_staff else parties_of(caller)


def get_user(caller: Caller, user_id: int) -> User:
    """One user. Raises UserNotFound, also for one that the caller may not see."""
    user = visible_users(caller).filter(pk=user_id).first()
    if user is None:
        raise UserNotFound
    return user


def users_by_id(user_ids: Collection[int]) -> list[User]:
    """The users with these ids, in no order; none and no query for none."""
    return list(User.objects.filter(pk__in=user_ids)) if user_ids else []


def require_active_user(user_id: int, *, field: str) -> User:
    """An active user whom a body may name as the other side.

    Raises ValidationFailed at `field` for one that is unknown or not active.
    """
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise ValidationFailed.of(field, "unknown", "There is no such active user.")
    return user


def is_active_user(user_id: int) -> bool:
    """Whether there is such a user who was not deactivated."""
    return User.objects.filter(pk=user_id, is_active=True).exists()


def party_or_refuse(caller: Caller, user_id: int, field: str) -> User:
    """The active user for whom the caller acts.

    Raises PartyUnknown at `field`, the same for a foreign user as for one that does not exist.
    """
    user = parties_of(caller).filter(pk=user_id, is_active=True).first()
    if user is None:
        raise PartyUnknown(field, user_id)
    return user


def are_related(a_id: int, b_id: int) -> bool:
    """Whether one user manages the other, or both have one manager."""
    managers = dict(User.objects.filter(pk__in=[a_id, b_id]).values_list("pk", "managed_by_id"))
    a_manager, b_manager = managers.get(a_id), managers.get(b_id)
    have_one_manager = a_manager is not None and a_manager == b_manager
    return have_one_manager or a_id == b_manager or b_id == a_manager


def is_close_to(user_id: int, *others: int) -> bool:
    """Whether a user is one of the others or related to one of them."""
    return user_id in others or any(are_related(user_id, other) for other in others)


def language_of(user_id: int | None) -> str:
    """The language in which a person is written to; English for a key of nobody."""
    if user_id is None:
        return Language.ENGLISH.value
    found = User.objects.filter(pk=user_id).values_list("language", flat=True).first()
    return found or Language.ENGLISH.value


def is_independent(caller: Caller, *sides: int) -> bool:
    """Whether the person behind a key has no stake in what the key decides for others.

    Staff are close to none of the sides. Who stands in for one of them is none, and not close to
    another. A party acting for itself and for those whom it manages decides nothing for
    others, and a key that belongs to nobody has nobody behind it who could have a stake.
    """
    decides_for_others = caller.is_staff or caller.on_behalf_of is not None
    if caller.user_id is None or not decides_for_others:
        return True
    if caller.is_staff:
        return not is_close_to(caller.user_id, *sides)
    across = [side for side in sides if not caller.may_act_for(side)]
    return caller.user_id not in sides and not is_close_to(caller.user_id, *(across or sides))


def managed_by(manager_id: int) -> Callable[[int], bool]:
    """The question whether a user is managed by `manager_id`, asked when it is put."""

    def manages(user_id: int) -> bool:
        return User.objects.filter(pk=user_id, managed_by=manager_id).exists()

    return manages


def nobody_else(_user_id: int) -> bool:
    """What a caller acts for beyond itself when it manages nobody."""
    return False


def stripe_account_of(user_id: int) -> str:
    """The connected account that pays this user out; empty when there is none."""
    found = User.objects.filter(pk=user_id).values_list("stripe_account_id", flat=True).first()
    return found or ""


def user_of_stripe_account(account_id: str) -> int | None:
    """Whose connected account this is; None for one that is not ours."""
    found = User.objects.filter(stripe_account_id=account_id).order_by("pk")
    return found.values_list("pk", flat=True).first()


def api_keys() -> QuerySet[ApiKey]:
    """Every key with its user."""
    return ApiKey.objects.select_related("user")


def get_api_key(key_id: int) -> ApiKey:
    """One key. Raises ApiKeyNotFound."""
    key = api_keys().filter(pk=key_id).first()
    if key is None:
        raise ApiKeyNotFound
    return key


def key_by_public_id(public_id: str) -> tuple[ApiKey, bool] | None:
    """A key with its user in one query, and whether that user manages anyone; None if unknown.

    Of the user only what the gates ask is loaded; the rest is fetched when it is first read.
    """
    found = _KEY_WITH_USER.first_with_more(public_id)
    if found is None:
        return None
    key, (is_staff, is_active, public_tag, manages) = found
    if key.user_id is not None:
        # In the order in which the model has its fields.
        names = ["id", "is_staff", "is_active", "public_tag"]
        gate = [key.user_id, is_staff, is_active, public_tag]
        key.user = User.from_db(DEFAULT_DB_ALIAS, names, gate)
    return key, manages


def has_role_for(user_id: int, scope: str) -> bool:
    """Whether a member of staff has the role that a key of this scope needs.

    The roles are called as the scopes that they carry; an admin's carries both.
    """
    is_carried = Q(is_superuser=True) | Q(groups__name__in=[Scope.ADMIN, scope])
    return User.objects.filter(is_carried, pk=user_id, is_staff=True).exists()


def lock_key(key_id: int) -> ApiKey:
    """One key, locked until the transaction ends. Raises ApiKeyNotFound."""
    key = _LOCK_KEY.first(key_id)
    if key is None:
        raise ApiKeyNotFound
    return key


def live_keys_of(user_id: int) -> QuerySet[ApiKey]:
    """The keys of a user that are neither revoked nor expired."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=clock.now())
    return ApiKey.objects.filter(unexpired, user=user_id, revoked_at=None)


def keys_expiring_before(moment: datetime) -> QuerySet[ApiKey]:
    """The live keys that have been used and expire before `moment`, soonest first."""
    return ApiKey.objects.filter(
        revoked_at=None,
        last_used_at__isnull=False,
        expires_at__gt=clock.now(),
        expires_at__lt=moment,
    ).order_by("expires_at", "pk")


def pending_approvals() -> QuerySet[Approval]:
    """What one person has agreed to and a second must."""
    return Approval.objects.filter(status=ApprovalStatus.PENDING)


def people_behind(references: Collection[str]) -> dict[str, str]:
    """Who acted, as staff reads it: the person, and by which key or at the console.

    references: actors (`apikey:…`, `staff:…`) and users (`user:…`). What is no person, like
    `system:deadline`, is given back as it is.
    """
    keys, ids = set(), set()
    for reference in references:
        kind, _, which = reference.partition(":")
        if kind == "apikey":
            keys.add(which)
        elif kind in {"staff", "user"} and which.isdecimal():
            ids.add(int(which))
    found = dict(zip(references, references, strict=True))
    for key in api_keys().filter(public_id__in=keys) if keys else ():
        owner = "nobody's key" if key.user is None else f"{key.user.username} by key"
        found[f"apikey:{key.public_id}"] = f"{owner} “{key.name}” ({key.scope} {key.public_id})"
    names = User.objects.filter(pk__in=ids).values_list("pk", "username") if ids else ()
    for user_id, username in names:
        found |= {f"staff:{user_id}": f"{username} at the console", f"user:{user_id}": username}
    return found
