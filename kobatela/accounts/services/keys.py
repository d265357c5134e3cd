"""Issuing, rotating and revoking keys."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Never

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from audit.actions import Action
from audit.alert_types import AlertType, Severity
from audit.services.alerts import raise_alert
from audit.services.entries import record
from kobatela.accounts.errors import ApiKeyNotLive, RotationOpen
from kobatela.accounts.key_format import installation_prefix, key_digest, make_key, parse_key
from kobatela.accounts.models import ApiKey, User
from kobatela.accounts.selectors import lock_key, require_active_user
from kobatela.accounts.services.access import note_access_given, note_party_access
from kobatela.accounts.services.callers import may_carry, staff_scope
from kobatela.kernel import clock
from kobatela.kernel.caller import PARTY_SCOPES, Caller, Scope
from kobatela.kernel.errors import DomainError, ValidationFailed
from kobatela.kernel.money import parse_minor
from kobatela.rest.errors import InsufficientScope

MAX_DAYS_VALID = 3650
# 62^8 public ids: a second try is as good as never needed.
_PUBLIC_ID_TRIES = 3
Amount = str | int | Decimal


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key and its secret, which is known here and never again."""

    api_key: ApiKey
    secret: str


@transaction.atomic
def issue_key(  # noqa: PLR0913 - each is a property of the key
    *,
    caller: Caller,
    name: str,
    scope: Scope | str,
    user_id: int | None,
    days_valid: int | None = 90,
    may_confirm_deposits: bool = False,
    confirm_limit: Mapping[str, Amount] | None = None,
    reason: str = "",
    allowed_ips: Sequence[str] = (),
) -> IssuedKey:
    """Make a key. `days_valid` None never expires; `confirm_limit` maps currencies to amounts.

    `allowed_ips` are addresses or networks (`203.0.113.0/24`); none means any. A key that may
    confirm deposits needs a user, a `reason`, and raises an alert. A key of staff has no wider
    scope than its user's role. Raises InsufficientScope for any caller but an admin and
    ValidationFailed with the fields that are not valid.
    """
    _require_admin(caller)
    user = _active_user(user_id)
    wanted = Scope(scope)
    if wanted in PARTY_SCOPES and user is None:
        raise ValidationFailed.of("user_id", "required", "A party's key belongs to a user.")
    if user is not None and not may_carry(user, wanted):
        _refuse_beyond_role(user)
    if may_confirm_deposits:
        _check_confirming(user, reason)
    if days_valid is not None and not 1 <= days_valid <= MAX_DAYS_VALID:
        raise ValidationFailed.of("days_valid", "invalid", f"From 1 to {MAX_DAYS_VALID}, or null.")
    now = clock.now()
    key = ApiKey(
        name=_name(name),
        scope=wanted,
        user=user,
        may_confirm_deposits=may_confirm_deposits,
        confirm_limit=_limits_minor(confirm_limit),
        confirm_reason=reason.strip() if may_confirm_deposits else "",
        allowed_ips=_networks(allowed_ips),
        created_by=caller.actor,
        expires_at=None if days_valid is None else now + timedelta(days=days_valid),
    )
    secret = _store_with_secret(key)
    _tell(caller, Action.APIKEY_ISSUED, key, scope=wanted)
    _note_access(caller, key)
    if may_confirm_deposits:
        _alert_confirming(caller, key)
    return IssuedKey(key, secret)


@transaction.atomic
def rotate_key(*, caller: Caller, key_id: int) -> IssuedKey:
    """Make the successor of a key, alike in everything; both are live until one is revoked.

    The successor lasts as long as the key was made for. Raises ApiKeyNotFound, ApiKeyNotLive
    (also for a scope that its user's role no longer carries), and RotationOpen while two keys of
    this rotation are live already.
    """
    _require_admin(caller)
    old = lock_key(key_id)
    now = clock.now()
    if not old.is_live(now):
        raise ApiKeyNotLive
    if old.user is not None and not may_carry(old.user, Scope(old.scope)):
        raise ApiKeyNotLive("Its owner's role does not carry so much.")
    if _live_relatives(old):
        raise RotationOpen
    lasts = None if old.expires_at is None else old.expires_at - old.created_at
    key = ApiKey(
        name=old.name,
        scope=old.scope,
        user_id=old.user_id,
        may_confirm_deposits=old.may_confirm_deposits,
        confirm_limit=old.confirm_limit,
        confirm_reason=old.confirm_reason,
        allowed_ips=old.allowed_ips,
        rotation_of_id=old.family_id,
        created_by=caller.actor,
        expires_at=None if lasts is None else now + lasts,
    )
    secret = _store_with_secret(key)
    _tell(caller, Action.APIKEY_ROTATED, key, scope=key.scope, rotated_from=old.public_id)
    _note_access(caller, key)
    return IssuedKey(key, secret)


@transaction.atomic
def revoke_key(*, caller: Caller, key_id: int) -> ApiKey:
    """Stop a key at once. Revoking it again changes nothing. Raises ApiKeyNotFound."""
    _require_admin(caller)
    key = lock_key(key_id)
    if key.revoked_at is not None:
        return key
    key.revoked_at = key.updated_at = clock.now()
    key.save(update_fields=["revoked_at", "updated_at"])
    _tell(caller, Action.APIKEY_REVOKED, key)
    return key


def _require_admin(caller: Caller) -> None:
    if caller.scope is not Scope.ADMIN:
        raise InsufficientScope


def _active_user(user_id: int | None) -> User | None:
    return None if user_id is None else require_active_user(user_id, field="user_id")


def _refuse_beyond_role(user: User) -> Never:
    # With a key for anybody, one admin could be two of the people who must agree.
    if staff_scope(user) is None:
        raise ValidationFailed.of("user_id", "not_staff", "Such a key belongs to staff or nobody.")
    raise ValidationFailed.of("scope", "beyond_role", "This user's role does not carry so much.")


def _check_confirming(user: User | None, reason: str) -> None:
    if user is None:
        raise ValidationFailed.of(
            "user_id", "required", "Money is collected by a user: name the key's."
        )
    if not reason.strip():
        raise ValidationFailed.of("reason", "required", "Say why this key may confirm deposits.")


def _name(name: str) -> str:
    cleaned = name.strip()
    if not cleaned or len(cleaned) > 100:
        raise ValidationFailed.of("name", "invalid", "A name has 1 to 100 characters.")
    return cleaned


def _limits_minor(limits: Mapping[str, Amount] | None) -> dict[str, int] | None:
    if limits is None:
        return None
    found: dict[str, int] = {}
    for currency, amount in limits.items():
        field = f"confirm_limit.{currency}"
        if currency not in settings.KOBATELA_CURRENCIES:
            raise ValidationFailed.of(field, "unknown", "This currency is not in use here.")
        try:
            found[currency] = parse_minor(amount, currency)
        except DomainError as error:
            raise ValidationFailed.of(field, error.code.lower(), error.message) from error
        if found[currency] < 0:
            raise ValidationFailed.of(field, "invalid", "A limit is not below zero.")
    return found


def _networks(allowed: Iterable[str]) -> list[str]:
    networks = []
    for index, text in enumerate(allowed):
        try:
            networks.append(str(ipaddress.ip_network(text.strip(), strict=False)))
        except ValueError as error:
            raise ValidationFailed.of(
                f"allowed_ips.{index}", "invalid", "This must be an IP address or a network."
            ) from error
    return networks


def _store_with_secret(key: ApiKey) -> str:
    key.created_at = key.updated_at = clock.now()
    for _ in range(_PUBLIC_ID_TRIES):
        secret = make_key(installation_prefix(settings.KOBATELA_ENV))
        parts = parse_key(secret)
        assert parts is not None, "a fresh key is well-formed"
        if ApiKey.objects.filter(public_id=parts.public_id).exists():
            continue
        key.public_id = parts.public_id
        key.digest = key_digest(secret, settings.API_KEY_PEPPER)
        key.save(force_insert=True)
        return secret
    raise RuntimeError("No free public id was found.")


def _live_relatives(key: ApiKey) -> bool:
    family = ApiKey.objects.filter(Q(pk=key.family_id) | Q(rotation_of=key.family_id))
    family = family.exclude(pk=key.pk)
    now = clock.now()
    return any(relative.is_live(now) for relative in family)


def _tell(caller: Caller, action: Action, key: ApiKey, **body: str) -> None:
    record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=action,
        subject=f"apikey:{key.public_id}",
        body={"key": key.pk, "user": key.user_id} | body,
    )


def _note_access(caller: Caller, key: ApiKey) -> None:
    """Whoever issues a key has seen its secret."""
    if key.scope in PARTY_SCOPES:
        note_party_access(caller=caller, key=key)
        return
    note_access_given(
        caller=caller,
        user=key.user,
        alert=AlertType.STAFF_KEY_ISSUED,
        what=f"A key of {key.user or 'nobody'} with the scope {key.scope} was issued.",
        subject=f"apikey:{key.public_id}",
    )


def _alert_confirming(caller: Caller, key: ApiKey) -> None:
    raise_alert(
        type=AlertType.KEY_MAY_CONFIRM_DEPOSITS,
        severity=Severity.WARNING,
        subject=f"apikey:{key.public_id}",
        message=f"The key {key.public_id} may confirm deposits: {key.confirm_reason}",
        payload={"key": key.pk, "user": key.user_id, "limits_minor": key.confirm_limit},
        actor_user_id=caller.user_id,
    )
