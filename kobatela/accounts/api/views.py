"""Users and API keys."""

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.accounts import selectors
from kobatela.accounts.api.serializers import (
    ApiKeyFilter,
    ApiKeyIn,
    ApiKeyOut,
    IssuedKeyOut,
    UserChangesIn,
    UserFilter,
    UserIn,
    UserOut,
)
from kobatela.accounts.services import keys, users
from kobatela.accounts.services.keys import IssuedKey
from kobatela.kernel.caller import Scope
from kobatela.rest.viewsets import KobatelaViewSet

_ADMIN = frozenset({Scope.ADMIN})
_STAFF = frozenset({Scope.SUPPORT, Scope.ADMIN})
_EVERYONE = frozenset(Scope)


class UserViewSet(KobatelaViewSet):
    """/users. A party's key sees its own user and those whom that user manages."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": _STAFF,
        "list": _EVERYONE,
        "retrieve": _EVERYONE,
        "partial_update": _ADMIN,
    }

    @extend_schema(request=UserIn, responses={201: UserOut})
    def create(self, request: Request) -> Response:
        """Create a user."""
        user = users.create_user(caller=self.caller, **self.valid(UserIn))
        return Response(UserOut(user).data, status=201)

    @extend_schema(parameters=[UserFilter], responses=UserOut(many=True))
    def list(self, request: Request) -> Response:
        """The users that the caller may see, newest first."""
        found = selectors.visible_users(self.caller).filter(**self.filters(UserFilter))
        return self.page(found, UserOut)

    @extend_schema(responses=UserOut)
    def retrieve(self, request: Request, user_id: int) -> Response:
        """One user; the reading is audited."""
        return Response(UserOut(users.read_user(caller=self.caller, user_id=user_id)).data)

    @extend_schema(request=UserChangesIn(partial=True), responses=UserOut)
    def partial_update(self, request: Request, user_id: int) -> Response:
        """Change, deactivate or reactivate a user."""
        changes = self.valid(UserChangesIn, partial=True)
        user = users.update_user(caller=self.caller, user_id=user_id, changes=changes)
        return Response(UserOut(user).data)


class ApiKeyViewSet(KobatelaViewSet):
    """/apikeys, for admins."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": _ADMIN,
        "list": _ADMIN,
        "retrieve": _ADMIN,
        "destroy": _ADMIN,
        "rotate": _ADMIN,
    }
    shown_once: ClassVar[Mapping[str, frozenset[str]]] = {
        "create": frozenset({"key"}),
        "rotate": frozenset({"key"}),
    }

    @extend_schema(request=ApiKeyIn, responses={201: IssuedKeyOut})
    def create(self, request: Request) -> Response:
        """Issue a key. Its secret is in this answer and nowhere else."""
        return _issued(keys.issue_key(caller=self.caller, **self.valid(ApiKeyIn)))

    @extend_schema(parameters=[ApiKeyFilter], responses=ApiKeyOut(many=True))
    def list(self, request: Request) -> Response:
        """Keys without their secrets, newest first."""
        found = selectors.api_keys().filter(**self.filters(ApiKeyFilter))
        return self.page(found, ApiKeyOut)

    @extend_schema(responses=ApiKeyOut)
    def retrieve(self, request: Request, key_id: int) -> Response:
        """One key without its secret."""
        return Response(ApiKeyOut(selectors.get_api_key(key_id)).data)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, key_id: int) -> Response:
        """Revoke a key at once; doing so again changes nothing."""
        keys.revoke_key(caller=self.caller, key_id=key_id)
        return Response(status=204)

    @extend_schema(request=None, responses={201: IssuedKeyOut})
    def rotate(self, request: Request, key_id: int) -> Response:
        """Issue the successor of a key; both work until one is revoked."""
        return _issued(keys.rotate_key(caller=self.caller, key_id=key_id))


def _issued(issued: IssuedKey) -> Response:
    shown = IssuedKeyOut(issued.api_key, context={"secret": issued.secret})
    return Response(shown.data, status=201)
