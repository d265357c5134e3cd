"""What holds for every endpoint, whatever it does: one shape of errors, and no input breaks it."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kobatela.accounts.tests.factories import make_key
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import published_codes
from kobatela.rest.checks import api_routes
from kobatela.rest.tests.client import Answer, Api
from kobatela.rest.tests.hostile import (
    HOSTILE_BODIES,
    HOSTILE_IDS,
    HOSTILE_QUERIES,
    HOSTILE_VALUES,
    TOO_LARGE_BODY,
)
from tests.matrix import NEW, NO_SUCH_ID, ROWS, Asked, Endpoint, World, api_of, endpoints
from tests.matrix_public import TOTALS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ground")]

USES = {**ROWS, **NEW}
COMMANDS = [endpoint for endpoint in endpoints() if endpoint.is_command and str(endpoint) in USES]
# Signed instead: a PSP's reports.
KEYLESS = [found for found in endpoints() if found.is_command and found.action in found.view.public]
LISTS = [found for found in endpoints() if found.method == "GET" and found.action == "list"]
each_command = pytest.mark.parametrize("endpoint", COMMANDS, ids=str)


@pytest.fixture
def world() -> World:
    return World.make()


def owner_of(endpoint: Endpoint, world: World) -> Api:
    row = USES[str(endpoint)]
    return api_of(row.scope, world.owner(row.scope), **row.key_options)


def assert_survived(answer: Answer) -> None:
    """The answer is a success, or an error of the client's in the one shape."""
    assert answer.status < 500, answer.body
    if answer.status >= 400:
        assert answer.headers["Content-Type"] == "application/json"
        error = answer.json["error"]
        assert set(error) == {"code", "message", "details", "request_id"}
        assert error["code"] in published_codes()
        assert error["request_id"] == answer.headers["X-Request-ID"]
        for word in (b"Traceback", b"psycopg", b"SELECT", b'File "'):
            assert word not in answer.body


def hostile_versions(body: Any, value: bytes) -> Iterator[bytes]:
    """`body` as JSON with one value after the other, nested ones too, replaced."""
    marker = "\N{BLACK HEART SUIT}"
    quoted = json.dumps(marker).encode()
    for changed in _marked(body, marker):
        yield json.dumps(changed).encode().replace(quoted, value)


def _marked(body: Any, marker: str) -> Iterator[Any]:
    if isinstance(body, Mapping):
        for name, inner in body.items():
            yield {**body, name: marker}
            yield from ({**body, name: changed} for changed in _marked(inner, marker))
    elif isinstance(body, list):
        for index, inner in enumerate(body):
            for changed in _marked(inner, marker):
                yield [*body[:index], changed, *body[index + 1 :]]


def test_every_command_is_tried_here() -> None:
    tried = {str(endpoint) for endpoint in (*COMMANDS, *KEYLESS)}
    assert tried == {str(endpoint) for endpoint in endpoints() if endpoint.is_command}


@pytest.mark.parametrize("endpoint", KEYLESS, ids=str)
def test_d33_a_hostile_body_breaks_no_command_that_needs_no_key(endpoint: Endpoint) -> None:
    signed = {
        "X-PSP-Timestamp": "9" * 12,
        "X-PSP-Signature": "\N{SNOWMAN}",
        "Stripe-Signature": "t=,v1=",
    }
    for body in (*HOSTILE_BODIES, TOO_LARGE_BODY):
        for headers in (
            {},
            {name: value.encode().decode("latin-1") for name, value in signed.items()},
        ):
            answer = Api().send(endpoint.method, endpoint.path({}), data=body, headers=headers)
            # 503: this installation has no secret to check a signature with.
            if answer.status != 503:
                assert_survived(answer)
                assert answer.status in {400, 401, 413, 415}


@each_command
def test_d33_a_hostile_body_breaks_no_command(endpoint: Endpoint, world: World) -> None:
    api = owner_of(endpoint, world)
    asked = USES[str(endpoint)].arrange(world)
    path = endpoint.path(asked.ids)
    for number, body in enumerate(HOSTILE_BODIES):
        answer = api.send(endpoint.method, path, data=body, idempotency_key=f"body-{number}")
        assert_survived(answer)


@each_command
def test_d33_a_hostile_value_in_any_field_breaks_no_command(
    endpoint: Endpoint, world: World
) -> None:
    api = owner_of(endpoint, world)
    asked = USES[str(endpoint)].arrange(world)
    path = endpoint.path(asked.ids)
    for number, value in enumerate(HOSTILE_VALUES):
        for index, body in enumerate(hostile_versions(asked.json or {}, value)):
            key = f"value-{number}-{index}"
            answer = api.send(endpoint.method, path, data=body, idempotency_key=key)
            assert_survived(answer)


@each_command
def test_a_body_of_20_megabytes_is_too_large_for_every_command(
    endpoint: Endpoint, world: World
) -> None:
    api = owner_of(endpoint, world)
    asked = USES[str(endpoint)].arrange(world)
    answer = api.send(
        endpoint.method, endpoint.path(asked.ids), data=TOO_LARGE_BODY, idempotency_key="large"
    )
    assert_survived(answer)
    assert answer.status in {413, 415}


@each_command
def test_another_content_type_is_refused_by_every_command(endpoint: Endpoint, world: World) -> None:
    api = owner_of(endpoint, world)
    asked = USES[str(endpoint)].arrange(world)
    answer = api.send(
        endpoint.method,
        endpoint.path(asked.ids),
        data=b"<a/>",
        content_type="application/xml",
        idempotency_key="xml",
    )
    assert_survived(answer)
    assert (answer.status, answer.code) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "endpoint",
    [found for found in endpoints() if found.takes_id and str(found) in USES],
    ids=str,
)
def test_d33_a_hostile_id_in_a_path_is_not_found(endpoint: Endpoint, world: World) -> None:
    row = USES[str(endpoint)]
    api = owner_of(endpoint, world)
    body = row.arrange(world).json
    for number in HOSTILE_IDS:
        names = [word for word in endpoint.route.split("/") if word.startswith("<")]
        path = "/" + endpoint.route
        for name in names:
            path = path.replace(name, number)
        options: dict[str, Any] = {}
        if endpoint.is_command:
            options = {"json": body, "idempotency_key": "id"}
        answer = api.send(endpoint.method, path, **options)
        assert_survived(answer)
        assert answer.status == 404, number


@pytest.mark.parametrize("endpoint", LISTS, ids=str)
@pytest.mark.parametrize("query", HOSTILE_QUERIES, ids=lambda query: query[:30])
def test_d33_a_hostile_query_breaks_no_list(endpoint: Endpoint, query: str, world: World) -> None:
    scope = Scope.ADMIN if Scope.SENDER not in endpoint.scopes else Scope.SENDER
    asked = USES[str(endpoint)].arrange(world) if endpoint.takes_id else Asked({})
    answer = api_of(scope, world.owner(scope)).get(f"{endpoint.path(asked.ids)}?{query}")
    assert_survived(answer)
    if query != "simulate=maybe":
        assert answer.status in {400, 422}, answer.body


@pytest.mark.parametrize("endpoint", LISTS, ids=str)
def test_every_list_has_the_same_shape_and_refuses_unknown_filters(
    endpoint: Endpoint, world: World
) -> None:
    scope = Scope.ADMIN if Scope.SENDER not in endpoint.scopes else Scope.SENDER
    asked = USES[str(endpoint)].arrange(world) if endpoint.takes_id else Asked({})
    api = api_of(scope, world.owner(scope))
    answer = api.get(endpoint.path(asked.ids))
    assert answer.status == 200
    assert set(answer.json) == {"items", "next"} | TOTALS.get(str(endpoint), set())
    refused = api.get(f"{endpoint.path(asked.ids)}?colour=red")
    assert (refused.status, refused.code) == (422, "VALIDATION_ERROR")
    assert refused.json["error"]["details"]["fields"][0]["field"] == "colour"


def test_every_other_method_is_refused_on_every_route(world: World) -> None:
    api = api_of(Scope.ADMIN, None)
    offered: dict[str, set[str]] = {}
    for endpoint in endpoints():
        offered.setdefault(endpoint.route, set()).add(endpoint.method)
    for route, methods in offered.items():
        path = "/" + "/".join(
            str(NO_SUCH_ID) if word.startswith("<") else word for word in route.split("/")
        )
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods:
            answer = api.send(method, path)
            assert_survived(answer)
            assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED"), (method, path)


@pytest.fixture(scope="module")
def schema() -> Any:
    """The description of the API, as clients get it."""
    return Api().get("/openapi.json").json


def described(schema: Any, endpoint: Endpoint) -> Any:
    """The operation of one endpoint in the description."""
    path = re.sub(r"<\w+:(\w+)>", r"{\1}", f"/{endpoint.route}")
    return schema["paths"][path][endpoint.method.lower()]


@pytest.mark.parametrize(
    "endpoint", [found for found in endpoints() if str(found) in USES], ids=str
)
def test_every_answer_is_what_the_description_says(
    endpoint: Endpoint, world: World, schema: Any
) -> None:
    asked = USES[str(endpoint)].arrange(world)
    answer = endpoint.send(owner_of(endpoint, world), asked)
    assert answer.status == asked.success, answer.body
    response = described(schema, endpoint)["responses"][str(answer.status)]
    if not answer.headers.get("Content-Type", "").startswith("application/json"):
        return
    if "content" not in response:
        assert answer.body == b""
        return
    shape = response["content"]["application/json"]["schema"]
    Draft202012Validator({**shape, "components": schema["components"]}).validate(answer.json)


@pytest.mark.parametrize(
    "endpoint", [found for found in endpoints() if str(found) in USES], ids=str
)
def test_every_refusal_is_described_and_has_the_described_shape(
    endpoint: Endpoint, world: World, schema: Any
) -> None:
    asked = USES[str(endpoint)].arrange(world)
    shape = {"$ref": "#/components/schemas/Error", "components": schema["components"]}
    for answer in (
        endpoint.send(Api(), asked),
        endpoint.send(owner_of(endpoint, world), asked, dict.fromkeys(asked.ids, NO_SUCH_ID)),
    ):
        if answer.status >= 400:
            assert str(answer.status) in described(schema, endpoint)["responses"]
            Draft202012Validator(shape).validate(answer.json)


def test_d28_a_key_that_expires_in_ninety_days_works_until_then() -> None:
    key, secret = make_key(Scope.SENDER)
    assert key.expires_at is not None
    assert round((key.expires_at - key.created_at) / timedelta(days=1)) == 90
    assert Api(secret).get("/escrows").status == 200
    with clock.frozen(key.expires_at - timedelta(seconds=1)):
        assert Api(secret).get("/escrows").status == 200
    with clock.frozen(key.expires_at):
        assert Api(secret).get("/escrows").code == "UNAUTHORIZED"


def test_no_path_ends_with_a_slash() -> None:
    routes = [route for route, _ in api_routes() if not route.startswith("admin/")]
    assert [route for route in routes if route.endswith("/")] == []
    for route in ("/escrows/", "/health/", "/proofs/1/"):
        assert Api().get(route).status == 404
