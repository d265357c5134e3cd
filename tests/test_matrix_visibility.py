"""Nobody gets at anything through an id: every endpoint that takes one, with every wrong key.

The endpoints come from the URL configuration. One without a row fails here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from kobatela.kernel import clock
from kobatela.kernel.caller import PARTY_SCOPES, Scope
from kobatela.rest.tests.client import Answer
from tests.matrix import (
    INSIDE,
    LISTS,
    NO_SUCH_ID,
    ROWS,
    Asked,
    Endpoint,
    Inside,
    Shows,
    World,
    api_of,
    dead_keys,
    endpoints,
    states,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ground")]

WITH_ID = [endpoint for endpoint in endpoints() if endpoint.takes_id]
COVERED = [endpoint for endpoint in WITH_ID if str(endpoint) in ROWS]
each_endpoint = pytest.mark.parametrize("endpoint", COVERED, ids=str)


@pytest.fixture
def world() -> World:
    return World.make()


def error_of(answer: Answer) -> dict[str, Any]:
    """The error without what differs between any two requests."""
    error: dict[str, Any] = dict(answer.json["error"])
    del error["request_id"]
    return error


def arranged(endpoint: Endpoint, world: World) -> Asked:
    return ROWS[str(endpoint)].arrange(world)


@contextmanager
def every_deadline_passed() -> Iterator[None]:
    """Later than anything that the world agreed on, while its keys still live: what is due waits
    for somebody whom it concerns."""
    with clock.frozen(clock.now() + timedelta(days=40)):
        yield


def foreign_scopes(endpoint: Endpoint) -> list[Scope]:
    """The party scopes that pass the gate, so that only the object is foreign."""
    return sorted(endpoint.scopes & PARTY_SCOPES)


def test_every_endpoint_with_an_id_has_a_row_and_every_row_an_endpoint() -> None:
    assert {str(endpoint) for endpoint in WITH_ID} == set(ROWS)


@each_endpoint
def test_its_owner_is_answered(endpoint: Endpoint, world: World) -> None:
    row = ROWS[str(endpoint)]
    asked = row.arrange(world)
    api = api_of(row.scope, world.owner(row.scope), **row.key_options)
    answer = endpoint.send(api, asked)
    assert answer.status == asked.success, answer.body


@each_endpoint
def test_d03_a_foreign_key_finds_what_it_would_find_if_there_were_nothing(
    endpoint: Endpoint, world: World
) -> None:
    if ROWS[str(endpoint)].is_everybodys:
        return
    asked = arranged(endpoint, world)
    nothing = dict.fromkeys(asked.ids, NO_SUCH_ID)
    before = states()
    for scope in foreign_scopes(endpoint):
        api = api_of(scope, world.stranger(scope))
        with every_deadline_passed():
            foreign, missing = endpoint.send(api, asked), endpoint.send(api, asked, nothing)
        assert foreign.status == missing.status == 404, foreign.body
        assert error_of(foreign) == error_of(missing)
    assert states() == before


@each_endpoint
def test_an_admin_key_on_behalf_of_a_stranger_finds_nothing(
    endpoint: Endpoint, world: World
) -> None:
    asked = arranged(endpoint, world)
    if not foreign_scopes(endpoint) or ROWS[str(endpoint)].is_everybodys:
        return
    api = api_of(Scope.ADMIN, None)
    before = states()
    headers = {"X-On-Behalf-Of": str(world.foreign_client.pk)}
    options: dict[str, Any] = {"headers": headers}
    if endpoint.is_command:
        options |= {"json": asked.json, "idempotency_key": "matrix"}
    with every_deadline_passed():
        answer = api.send(endpoint.method, endpoint.path(asked.ids), **options)
    assert answer.status == 404, answer.body
    assert states() == before


@each_endpoint
def test_a_key_of_another_scope_is_stopped_at_the_gate(endpoint: Endpoint, world: World) -> None:
    asked = arranged(endpoint, world)
    before = states()
    for scope in set(Scope) - endpoint.scopes - {Scope.ADMIN}:
        answer = endpoint.send(api_of(scope, world.owner(scope)), asked)
        assert (answer.status, answer.code) == (403, "INSUFFICIENT_SCOPE")
    if (
        endpoint.is_command
        and endpoint.scopes & PARTY_SCOPES
        and Scope.SUPPORT not in endpoint.scopes
    ):
        answer = endpoint.send(api_of(Scope.ADMIN, None), asked)
        assert (answer.status, answer.code) == (403, "ON_BEHALF_OF_REQUIRED")
    assert states() == before


@each_endpoint
def test_d07_a_key_that_is_dead_opens_nothing(endpoint: Endpoint, world: World) -> None:
    scope = ROWS[str(endpoint)].scope
    asked = arranged(endpoint, world)
    keys = dead_keys(scope, world.owner(scope))
    before = states()
    for name, api in keys.items():
        answer = endpoint.send(api, asked)
        code = "NO_API_KEY" if name == "none" else "UNAUTHORIZED"
        assert (answer.status, answer.code) == (401, code), name
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert states() == before


@pytest.mark.parametrize("inside", INSIDE, ids=lambda inside: inside.name)
def test_an_id_inside_a_request_finds_no_more_than_one_in_a_path(
    inside: Inside, world: World
) -> None:
    object_id = inside.make(world)
    api = api_of(inside.scope, world.stranger(inside.scope))
    before = states()
    with every_deadline_passed():
        foreign, missing = inside.send(api, object_id), inside.send(api, NO_SUCH_ID)
    assert foreign.status == missing.status
    if foreign.status == 200:
        assert foreign.json == missing.json
        assert (foreign.json["items"], foreign.json["next"]) == ([], None)
    else:
        assert error_of(foreign) == error_of(missing)
    assert states() == before


def test_every_list_that_a_party_may_ask_for_has_a_row() -> None:
    lists = {
        endpoint.path({})
        for endpoint in endpoints()
        if endpoint.method == "GET" and not endpoint.takes_id and endpoint.scopes & PARTY_SCOPES
    }
    assert lists == set(LISTS)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_shows_only_what_the_caller_may_see(path: str, world: World) -> None:
    listed = LISTS[path]
    listed.arrange(world)
    found = api_of(listed.scope, world.owner(listed.scope)).get(f"{path}?limit=100")
    assert found.json["items"], "what nobody finds proves nothing"
    if listed.shows is Shows.ALL:
        return
    for scope in PARTY_SCOPES:
        stranger = world.stranger(scope)
        items = api_of(scope, stranger).get(f"{path}?limit=100").json["items"]
        owned = {"id": stranger.pk, "client_id": world.foreign_client.pk}
        expected = [owned[listed.own]] if listed.shows is Shows.OWN else []
        assert [item.get(listed.own) for item in items] == expected
