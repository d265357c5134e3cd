"""What a refusal leaves behind: a count of refused keys, an audit entry of refused access."""

import logging

from django.db import InterfaceError, OperationalError
from rest_framework.request import Request

from audit.actions import Action
from audit.services import entries
from kobatela.accounts.errors import PartyUnknown
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import DomainError, Kind
from kobatela.rest import throttling
from kobatela.rest.address import client_address
from kobatela.rest.errors import Throttled

_logger = logging.getLogger(__name__)


def noted(refusal: DomainError, request: Request | None) -> DomainError:
    """Record `refusal` where it must be known; the refusal that the client gets.

    That is another one (429) when the address has had too many keys refused.
    """
    if request is None:
        return refusal
    if refusal.kind is Kind.UNAUTHENTICATED:
        return _throttled(refusal, request)
    is_refused_access = refusal.kind in {Kind.FORBIDDEN, Kind.NOT_FOUND}
    if is_refused_access or isinstance(refusal, PartyUnknown):
        _record_refused_access(refusal, request)
    return refusal


def _throttled(refusal: DomainError, request: Request) -> DomainError:
    # A request without any key guesses nothing.
    if refusal.code == "NO_API_KEY":
        return refusal
    try:
        throttling.count_failure(client_address(request))
    except Throttled as throttled:
        return throttled
    return refusal


def _record_refused_access(refusal: DomainError, request: Request) -> None:
    """With what the body names, beside the ids of the path."""
    # From Django's request: reading `request.auth` would authenticate once more.
    caller = getattr(request._request, "auth", None)  # noqa: SLF001 - the wrapper has no other way
    match = request.resolver_match
    if not isinstance(caller, Caller) or match is None:
        return
    body = {
        "code": refusal.code,
        "method": request.method,
        "path": match.route,
        "ids": {name: str(value)[:32] for name, value in {**match.kwargs, **refusal.named}.items()},
    }
    try:
        entries.record_apart(
            actor=caller.actor,
            action=Action.ACCESS_REFUSED,
            subject=caller.actor,
            body=body,
            on_behalf_of=caller.on_behalf_of,
        )
    except (OperationalError, InterfaceError):
        # The refusal stands all the same; that it could not be kept is told in the log.
        _logger.exception("A refused access could not be recorded")
