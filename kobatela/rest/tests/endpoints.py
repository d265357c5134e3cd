"""A small API that exists only in tests: enough to try every rule of the edge without any app.

What it does is make groups (a table of Django's own), numbered; the plain name of an existing
group is refused.
"""

from typing import Any, ClassVar
from uuid import uuid4

from django.contrib.auth.models import Group
from django.db import connection
from django.urls import path
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.kernel import trace
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import Busy, DomainError, Kind
from kobatela.rest.errors import NotFound
from kobatela.rest.fields import (
    AwareDateTimeField,
    CurrencyField,
    FilterSerializer,
    IdField,
    JSONObjectField,
    MoneyField,
    StrictSerializer,
)
from kobatela.rest.idempotency import Idempotency
from kobatela.rest.parsers import BoundedMultiPartParser, ExactJSONParser
from kobatela.rest.viewsets import KobatelaViewSet


class NoSuchKey(DomainError):
    """What the real authentication answers for an unknown key."""

    code = "UNAUTHORIZED"
    kind = Kind.UNAUTHENTICATED
    message = "This key is not valid."


class NameTaken(DomainError):
    """A refusal of the domain, as a full escrow would be."""

    code = "TEST_NAME_TAKEN"
    kind = Kind.CONFLICT
    message = "There is such a group already."


KEYS = {
    "anna": Caller(Scope.SENDER, "apikey:anna", user_id=1, key_id=11),
    "anna-rotated": Caller(Scope.SENDER, "apikey:anna2", user_id=1, key_id=12),
    "bert": Caller(Scope.SENDER, "apikey:bert", user_id=2, key_id=21),
    "provider": Caller(Scope.PROVIDER, "apikey:prov", user_id=3, key_id=31),
    "unbound": Caller(Scope.SUPPORT, "apikey:sup", key_id=41),
    "admin": Caller(Scope.ADMIN, "apikey:adm", key_id=51),
}
revoked: set[str] = set()
prepared: list[str] = []


class TableOfKeys(BaseAuthentication):
    """Keys are the names above; `X-On-Behalf-Of` works as for an admin key."""

    def authenticate(self, request: Request) -> tuple[Any, Caller]:
        """The caller behind the key."""
        name = request.META.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        if name not in KEYS or name in revoked:
            raise NoSuchKey
        caller = KEYS[name]
        party = request.META.get("HTTP_X_ON_BEHALF_OF")
        if party is not None and caller.scope is Scope.ADMIN:
            caller = Caller(
                caller.scope, caller.actor, key_id=caller.key_id, on_behalf_of=int(party)
            )
        return None, caller


class PartIn(StrictSerializer):
    amount = MoneyField()


class GroupIn(StrictSerializer):
    name = serializers.CharField(max_length=40)
    amount = MoneyField(required=False, currency_from="currency")
    currency = CurrencyField(required=False)
    at = AwareDateTimeField(required=False)
    owner_id = IdField(required=False)
    count = serializers.IntegerField(required=False)
    notes = JSONObjectField(required=False)
    parts = PartIn(many=True, required=False)


class FileIn(StrictSerializer):
    file = serializers.FileField()


class GroupOut(serializers.Serializer[Group]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class GroupFilters(FilterSerializer):
    name = serializers.CharField(required=False)


def _make(name: str) -> Group:
    # The number keeps Django's unique name out of the way: here only the idempotency key stands
    # between two requests and two groups.
    if Group.objects.filter(name=name).exists():
        raise NameTaken(name=name)
    return Group.objects.create(name=f"{name} {uuid4()}")


class GroupViewSet(KobatelaViewSet):
    """Groups, with every kind of answer."""

    authentication_classes = (TableOfKeys,)
    scopes: ClassVar[dict[str, frozenset[Scope]]] = dict.fromkeys(
        ("list", "create", "create_required", "prepared", "retrieve", "busy", "broken", "rename"),
        frozenset({Scope.SENDER}),
    ) | {"support_only": frozenset({Scope.SUPPORT})}
    idempotency: ClassVar[dict[str, Idempotency]] = {
        "create_required": Idempotency.REQUIRED,
        "support_only": Idempotency.NONE,
    }
    simulatable = frozenset({"create_required"})
    shown_once: ClassVar[dict[str, frozenset[str]]] = {"create": frozenset({"secret"})}

    def list(self, request: Request) -> Response:
        groups = Group.objects.all()
        if name := self.filters(GroupFilters).get("name"):
            groups = groups.filter(name=name)
        return self.page(groups, GroupOut, order_by="-id")

    def create(self, request: Request) -> Response:
        values = self.valid(GroupIn)
        group = _make(values["name"])
        trace.report_state(f"group:{group.pk}", "NONE", "MADE")
        return Response({"id": group.pk, "name": group.name, "secret": f"s-{group.pk}"}, status=201)

    create_required = create

    def retrieve(self, request: Request, group_id: int) -> Response:
        group = Group.objects.filter(pk=group_id).first()
        if group is None:
            raise NotFound
        return Response(GroupOut(group).data)

    def rename(self, request: Request, group_id: int) -> Response:
        Group.objects.filter(pk=group_id).update(name=self.valid(GroupIn)["name"])
        return Response({"id": group_id})

    def busy(self, request: Request) -> Response:
        _make("busy")
        raise Busy

    def broken(self, request: Request) -> Response:
        _make("broken")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        raise AssertionError("never reached")

    def support_only(self, request: Request) -> Response:
        return Response({"ok": True})


class PreparedViewSet(GroupViewSet):
    """A command whose preparation stays even when the command is refused."""

    simulatable = frozenset({"create"})

    def prepare(self, request: Request, **kwargs: Any) -> None:
        prepared.append(request.path)
        if self.valid(GroupIn)["name"] == "unreadable":
            raise NameTaken(name="unreadable")
        Group.objects.get_or_create(name="prepared")
        trace.report_state("group:0", "WAITING", "PREPARED")


class FileViewSet(KobatelaViewSet):
    """Takes a form with a file."""

    authentication_classes = (TableOfKeys,)
    parser_classes = (ExactJSONParser, BoundedMultiPartParser)
    scopes: ClassVar[dict[str, frozenset[Scope]]] = {"create": frozenset({Scope.SENDER})}

    def create(self, request: Request) -> Response:
        content = self.valid(FileIn)["file"].read()
        _make(f"file of {len(content)}")
        return Response({"bytes": len(content)}, status=201)


handler400 = "kobatela.api.errors.bad_request"
handler403 = "kobatela.api.errors.permission_denied"
handler404 = "kobatela.api.errors.page_not_found"
handler500 = "kobatela.api.errors.server_error"
urlpatterns = [
    path("groups", GroupViewSet.as_view({"get": "list", "post": "create"})),
    path("groups/required", GroupViewSet.as_view({"post": "create_required"})),
    path("groups/prepared", PreparedViewSet.as_view({"post": "create"})),
    path("groups/busy", GroupViewSet.as_view({"post": "busy"})),
    path("groups/broken", GroupViewSet.as_view({"post": "broken"})),
    path("groups/support", GroupViewSet.as_view({"post": "support_only"})),
    path("groups/file", FileViewSet.as_view({"post": "create"})),
    path("groups/<int:group_id>", GroupViewSet.as_view({"get": "retrieve", "patch": "rename"})),
]
