"""What the matrix is made of: the world with its strangers, endpoints, rows, and keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from django.apps import apps
from django.db import connection

from escrow.tests.factories import make_escrow
from kobatela.accounts.models import ApiKey, User
from kobatela.accounts.services.keys import revoke_key
from kobatela.accounts.tests.factories import ROOT, make_key, make_user
from kobatela.kernel.caller import Scope
from kobatela.rest.checks import api_routes
from kobatela.rest.tests.client import Answer, Api
from kobatela.rest.viewsets import KobatelaViewSet

# An id that nothing has, whatever the tests before have made.
NO_SUCH_ID = 9_007_199_254_740_993
# What a request may leave behind although it was refused or only simulated: that a key was used,
# that something was tried, and the keys that the tests make on the way. All else is state.
_TRACES = frozenset(
    {
        "accounts.ApiKey",
        "accounts.ApiKeyUse",
        "audit.AuditEntry",
        "audit.AuditStream",
        "kobatela_rest.IdempotencyRecord",
    }
)


@dataclass(frozen=True)
class World:
    """The parties of the world, and strangers who have an agreement of their own."""

    client: User
    provider: User
    foreign_client: User
    foreign_provider: User

    @classmethod
    def make(cls) -> "World":
        """Four NGOs, who may do all that a party may; the strangers have an escrow between them."""
        world = cls(*(make_user(public_tag="ONG") for _ in range(4)))
        make_escrow(client=world.foreign_client, provider=world.foreign_provider)
        return world

    @property
    def parties(self) -> dict[str, Any]:
        """The two parties, as factories take them."""
        return {"client": self.client, "provider": self.provider}

    def stranger(self, scope: Scope) -> User:
        """Who holds a foreign key of `scope`."""
        return self.foreign_provider if scope is Scope.PROVIDER else self.foreign_client

    def owner(self, scope: Scope) -> User | None:
        """Who holds the right key of `scope`; support and admin are nobody's."""
        return {Scope.SENDER: self.client, Scope.PROVIDER: self.provider}.get(scope)


@dataclass(frozen=True)
class Asked:
    """A request about an object of the world."""

    ids: Mapping[str, int]
    json: Mapping[str, Any] | None = None
    files: Callable[[], Mapping[str, Any]] | None = None
    success: int = 200


@dataclass(frozen=True)
class Row:
    """How one endpoint is used. `scope`: the key with which it succeeds. `is_everybodys`: what it
    reads has no owner, so that there are no strangers to it."""

    scope: Scope
    arrange: Callable[[World], Asked]
    key_options: Mapping[str, Any] = field(default_factory=dict)
    is_everybodys: bool = False


@dataclass(frozen=True)
class Endpoint:
    """One method of one route."""

    method: str
    route: str
    view: type[KobatelaViewSet]
    action: str

    def __str__(self) -> str:
        return f"{self.method} /{self.route}"

    @property
    def scopes(self) -> frozenset[Scope]:
        """The row of the gate; none for what is public."""
        return self.view.scopes.get(self.action, frozenset())

    @property
    def is_command(self) -> bool:
        """Whether it may change something."""
        return self.method not in {"GET", "HEAD"}

    @property
    def takes_id(self) -> bool:
        """Whether the path names an object."""
        return "<" in self.route

    def path(self, ids: Mapping[str, int]) -> str:
        """The path about these objects."""
        words = [
            str(ids[word.strip("<>").partition(":")[2]]) if word.startswith("<") else word
            for word in self.route.split("/")
        ]
        return "/" + "/".join(words)

    def send(self, api: Api, asked: Asked, ids: Mapping[str, int] | None = None) -> Answer:
        """The request, perhaps about other ids."""
        options: dict[str, Any] = {"json": asked.json if self.is_command else None}
        if asked.files is not None:
            options = {"files": asked.files(), "fields": asked.json}
        key = f"matrix-{self.action}" if self.is_command else None
        return api.send(self.method, self.path(ids or asked.ids), idempotency_key=key, **options)


def endpoints() -> list[Endpoint]:
    """Every method of every route of the API, from the URL configuration."""
    views: list[tuple[str, Any]] = [(route, pattern.callback) for route, pattern in api_routes()]
    return [
        Endpoint(method.upper(), route, view.cls, action)
        for route, view in views
        for method, action in getattr(view, "actions", {}).items()
        if issubclass(view.cls, KobatelaViewSet)
    ]


def api_of(scope: Scope, user: User | None, **options: Any) -> Api:
    """A fresh key."""
    return Api(make_key(scope, user=user, **options)[1])


def dead_keys(scope: Scope, user: User | None) -> dict[str, Api]:
    """Keys that opened the door once, and no key at all."""
    revoked, revoked_secret = make_key(scope, user=user)
    revoke_key(caller=ROOT, key_id=revoked.pk)
    expired, expired_secret = make_key(scope, user=user)
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=expired.created_at)
    found = {"revoked": Api(revoked_secret), "expired": Api(expired_secret), "none": Api()}
    gone = make_user()
    _, gone_secret = make_key(scope, user=gone)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    return found | {"of an inactive user": Api(gone_secret)}


def states() -> dict[str, str]:
    """The fingerprint of every table of ours that a command could change, by model."""
    with connection.cursor() as cursor:
        cursor.execute(_fingerprints())
        return dict(cursor.fetchall())


@cache
def _fingerprints() -> str:
    # One statement for all tables: a look at each by itself would take most of the matrix's time.
    return " UNION ALL ".join(
        f"SELECT '{model._meta.label}', md5(string_agg(row::text, ',' ORDER BY row::text))"
        f" FROM {connection.ops.quote_name(model._meta.db_table)} AS row"
        for model in apps.get_models()
        if not model.__module__.startswith("django") and model._meta.label not in _TRACES
    )


class Shows(StrEnum):
    """What a stranger finds in a list that holds something of the world's."""

    NOTHING = "nothing"
    OWN = "own"
    ALL = "all"


@dataclass(frozen=True)
class Listed:
    """A list, and how something of the world's parties gets into it. `scope`: the key that finds
    it there. `own`: for a list in which strangers find theirs, the field that names its owner."""

    scope: Scope
    arrange: Callable[[World], object]
    shows: Shows = Shows.NOTHING
    own: str = ""


@dataclass(frozen=True)
class Inside:
    """An endpoint that names an object of somebody in its body or query."""

    name: str
    scope: Scope
    send: Callable[[Api, int], Answer]
    make: Callable[[World], int]
