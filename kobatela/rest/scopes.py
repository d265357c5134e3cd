"""The gate by scope: it lets kinds of callers in; objects are then looked up by what they see."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from kobatela.kernel.caller import PARTY_SCOPES, Caller, Scope
from kobatela.rest.errors import Forbidden, InsufficientScope, OnBehalfOfRequired

if TYPE_CHECKING:
    # DRF's views import this module themselves, through the settings.
    from rest_framework.views import APIView

    from kobatela.rest.viewsets import KobatelaViewSet

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def check_scope(caller: Caller, allowed: frozenset[Scope], *, is_command: bool) -> None:
    """Raise unless `caller` passes a row that names the scopes `allowed`.

    An admin passes reads, catalogue and support commands. A command of a party's own (its row
    names sender or provider and not support) takes an admin only on behalf of that party.
    """
    if caller.scope is Scope.ADMIN:
        party_command = bool(allowed & PARTY_SCOPES) and Scope.SUPPORT not in allowed
        if is_command and party_command and caller.on_behalf_of is None:
            raise OnBehalfOfRequired
    elif caller.scope not in allowed:
        raise InsufficientScope(scope=caller.scope)


class ScopeGate(BasePermission):
    """DRF permission that applies the view's `scopes` row for the action at hand."""

    def has_permission(self, request: Request, view: "APIView | KobatelaViewSet") -> bool:
        """Raise the exact refusal; True otherwise. A view without rows is closed."""
        action = getattr(view, "action", None)
        if not action:
            return True  # no such method here: the view answers 405
        if action in getattr(view, "public", ()):
            return True
        allowed = getattr(view, "scopes", {}).get(action)
        if allowed is None or not isinstance(request.auth, Caller):
            raise Forbidden
        check_scope(request.auth, allowed, is_command=request.method not in SAFE_METHODS)
        return True
