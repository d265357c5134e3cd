"""Who is calling: from the key in the header to the Caller, in one query; of staff a second."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from audit.actions import Action
from audit.services.entries import record_apart
from kobatela.accounts.errors import LegacyKeyForbidden, NoApiKey, Unauthorized
from kobatela.accounts.key_format import (
    installation_prefix,
    key_digest,
    parse_key,
    same_digest,
)
from kobatela.accounts.models import ApiKey, User
from kobatela.accounts.selectors import (
    has_role_for,
    key_by_public_id,
    managed_by,
    nobody_else,
    require_active_user,
)
from kobatela.accounts.services.key_use import note_refusal, note_use
from kobatela.kernel import clock
from kobatela.kernel.caller import STAFF_SCOPES, Caller, Scope
from kobatela.kernel.errors import ValidationFailed
from kobatela.rest.address import client_address
from kobatela.rest.errors import InsufficientScope

_ON_BEHALF_OF = "X-On-Behalf-Of"
_NO_DIGEST = "0" * 64
_MAX_ID = 2**63 - 1


class ApiKeyAuthentication(BaseAuthentication):
    """DRF authentication by API key; `request.auth` is the Caller, `request.user` its user."""

    def authenticate(self, request: Request) -> tuple[User | None, Caller]:
        """The key's user (None for an unbound key) and the caller.

        Raises NoApiKey, Unauthorized, LegacyKeyForbidden; and for `X-On-Behalf-Of`
        InsufficientScope from any but an admin key, ValidationFailed for a user who is unknown.
        """
        presented = _presented_key(request)
        if settings.DEV_API_KEY and same_digest(presented, settings.DEV_API_KEY):
            return None, _on_behalf(_legacy_caller(), request)
        key, manages = _genuine_key(presented, client_address(request))
        note_use(key=key, address=client_address(request))
        return key.user, _on_behalf(_caller_of(key, manages=manages), request)

    def authenticate_header(self, request: HttpRequest | Request) -> str:
        """What the answer 401 names as the way in."""
        return "Bearer"


def _presented_key(request: Request) -> str:
    """The key of the request. Two headers must agree; neither is looked for in the URL."""
    keys = []
    if "" in (request.META.get("HTTP_AUTHORIZATION"), request.META.get("HTTP_X_API_KEY")):
        # The gateway hands on a header that is not ASCII as an empty one: a key that is none.
        raise Unauthorized
    authorization = request.META.get("HTTP_AUTHORIZATION", "")
    scheme, _, credentials = authorization.strip().partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        keys.append(credentials.strip())
    if own_header := request.META.get("HTTP_X_API_KEY", "").strip():
        keys.append(own_header)
    if not keys:
        raise NoApiKey
    if not same_digest(keys[0], keys[-1]):
        raise Unauthorized
    return str(keys[0])


def _genuine_key(presented: str, address: str) -> tuple[ApiKey, bool]:
    """The stored key with its user, and whether that user manages anyone.

    Raises Unauthorized, always with the same words.
    """
    parts = parse_key(presented)
    if parts is None or parts.prefix != installation_prefix(settings.KOBATELA_ENV):
        raise Unauthorized
    found = key_by_public_id(parts.public_id)
    # An unknown public id takes the same time as a wrong secret.
    stored = found[0].digest if found is not None else _NO_DIGEST
    is_same = same_digest(key_digest(presented, settings.API_KEY_PEPPER), stored)
    if found is None or not is_same:
        raise Unauthorized
    key, manages = found
    reason = _refusal(key, address)
    if reason:
        # Whoever holds the genuine key learns nothing more; staff find the reason in the trail.
        note_refusal(key=key, address=address, reason=reason)
        raise Unauthorized
    return key, manages


def _refusal(key: ApiKey, address: str) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if not key.is_live(clock.now()):
        return "expired"
    if key.user is not None and not key.user.is_active:
        return "user_inactive"
    if key.scope in STAFF_SCOPES and key.user is not None:
        if not key.user.is_staff:
            return "not_staff"
        # Asked by itself: in the one query for every key it would cost parties too.
        if not has_role_for(key.user.pk, key.scope):
            return "beyond_role"
    return "" if _is_allowed(address, key.allowed_ips) else "address"


def _is_allowed(address: str, allowed_ips: list[str]) -> bool:
    if not allowed_ips:
        return True
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in ipaddress.ip_network(network) for network in allowed_ips)


def _caller_of(key: ApiKey, *, manages: bool) -> Caller:
    user = key.user
    if user is None:
        return Caller(
            scope=Scope(key.scope),
            actor=f"apikey:{key.public_id}",
            key_id=key.pk,
            may_confirm_deposits=key.may_confirm_deposits,
        )
    return Caller(
        scope=Scope(key.scope),
        actor=f"apikey:{key.public_id}",
        user_id=user.pk,
        key_id=key.pk,
        public_tag=user.public_tag,
        may_confirm_deposits=key.may_confirm_deposits,
        large_sums_from=key.large_sums_from,
        acts_for=managed_by(user.pk) if manages else nobody_else,
    )


def _legacy_caller() -> Caller:
    if settings.KOBATELA_ENV != "dev":
        raise LegacyKeyForbidden
    record_apart(actor="apikey:legacy", action=Action.APIKEY_LEGACY_USED, subject="apikey:legacy")
    return Caller(scope=Scope.ADMIN, actor="apikey:legacy")


def _on_behalf(caller: Caller, request: Request) -> Caller:
    """The same caller in the place of the party that the header names."""
    raw = request.META.get("HTTP_X_ON_BEHALF_OF")
    if raw is None:
        return caller
    if caller.scope is not Scope.ADMIN:
        raise InsufficientScope("Only an admin key may act on behalf of a party.")
    text = str(raw).strip()
    if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) <= _MAX_ID):
        raise ValidationFailed.of(_ON_BEHALF_OF, "invalid", "This must be the id of a user.")
    party = require_active_user(int(text), field=_ON_BEHALF_OF)
    return Caller(
        scope=caller.scope,
        actor=caller.actor,
        user_id=caller.user_id,
        key_id=caller.key_id,
        public_tag=party.public_tag,
        on_behalf_of=party.pk,
        may_confirm_deposits=caller.may_confirm_deposits,
        acts_for=managed_by(party.pk),
    )
