"""What the base view does with every request."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, InterfaceError, OperationalError
from django.test import override_settings
from psycopg import errors as postgres

from kobatela.kernel import trace
from kobatela.kernel.caller import Caller, Scope
from kobatela.rest import throttling
from kobatela.rest.checks import every_action_has_a_scope_row
from kobatela.rest.errors import InsufficientScope, OnBehalfOfRequired
from kobatela.rest.models import IdempotencyRecord
from kobatela.rest.redis import client as redis_client
from kobatela.rest.scopes import check_scope
from kobatela.rest.tests import endpoints
from kobatela.rest.tests.client import Api

pytestmark = [pytest.mark.django_db, pytest.mark.urls("kobatela.rest.tests.endpoints")]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    endpoints.prepared.clear()


def names() -> set[str]:
    found = Group.objects.exclude(name__in=("admin", "support")).values_list("name", flat=True)
    return {name.split(" ")[0] for name in found}


# --- Scopes -------------------------------------------------------------------------------------


def caller(scope: Scope, on_behalf_of: int | None = None) -> Caller:
    return Caller(scope, "apikey:test", on_behalf_of=on_behalf_of)


SENDER_ROW = frozenset({Scope.SENDER, Scope.ADMIN})
SUPPORT_ROW = frozenset({Scope.SENDER, Scope.SUPPORT})


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("allowed", [frozenset({scope}) for scope in Scope], ids=str)
@pytest.mark.parametrize("is_command", [True, False])
def test_a_row_lets_its_scopes_in_and_the_admin_but_to_a_partys_commands(
    scope: Scope,
    allowed: frozenset[Scope],
    is_command: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    party_command = is_command and allowed <= {Scope.SENDER, Scope.PROVIDER}
    if scope is Scope.ADMIN and party_command:
        with pytest.raises(OnBehalfOfRequired):
            check_scope(caller(scope), allowed, is_command=is_command)
    elif scope in allowed or scope is Scope.ADMIN:
        check_scope(caller(scope), allowed, is_command=is_command)
    else:
        with pytest.raises(InsufficientScope):
            check_scope(caller(scope), allowed, is_command=is_command)


def test_a_row_that_names_the_admin_beside_a_party_still_needs_the_party() -> None:
    with pytest.raises(OnBehalfOfRequired):
        check_scope(caller(Scope.ADMIN), SENDER_ROW, is_command=True)
    check_scope(caller(Scope.ADMIN, on_behalf_of=5), SENDER_ROW, is_command=True)


def test_a_row_that_names_support_is_open_to_the_admin() -> None:
    check_scope(caller(Scope.ADMIN), SUPPORT_ROW, is_command=True)


def test_an_action_without_a_row_fails_the_start() -> None:
    assert every_action_has_a_scope_row(None) == []
    with patch.object(endpoints.GroupViewSet, "scopes", {"list": frozenset(Scope)}):
        found = every_action_has_a_scope_row(None)
    assert {error.id for error in found} == {"rest.E001"}
    assert any("GroupViewSet.create (POST /groups)" in error.msg for error in found)
    with patch.object(endpoints.GroupViewSet, "scopes", {}):
        assert Api("anna").get("/groups").code == "FORBIDDEN"


def test_the_gates_come_before_the_body_is_looked_at() -> None:
    assert Api().post("/groups", data=b"{").code == "UNAUTHORIZED"
    assert Api("provider").post("/groups", data=b"{").code == "INSUFFICIENT_SCOPE"
    assert Api("admin").post("/groups", data=b"{").code == "ON_BEHALF_OF_REQUIRED"
    assert Api("anna").post("/groups", data=b"{").code == "MALFORMED_JSON"


# --- Ids and methods ----------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["0", "9223372036854775807", "9223372036854775808", "9" * 5000])
def test_an_id_that_no_row_can_have_is_not_found(number: str) -> None:
    for answer in (
        Api("anna").get(f"/groups/{number}"),
        Api("anna").patch(f"/groups/{number}x", json={}),
    ):
        assert (answer.status, answer.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_another_method_is_not_allowed_and_the_answer_names_those_that_are(method: str) -> None:
    answer = Api("anna").send(method, "/groups")
    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "POST"}


def test_head_answers_like_get_without_a_body() -> None:
    answer = Api("anna").send("HEAD", "/groups")
    assert (answer.status, answer.body) == (200, b"")


# --- Transactions -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "key"])
def test_a_failed_command_leaves_nothing_behind(key: str | None) -> None:
    answer = Api("anna").post("/groups/broken", json={}, idempotency_key=key)
    assert (answer.status, answer.code) == (500, "INTERNAL_ERROR")
    assert b"division" not in answer.body
    assert names() == set()
    assert IdempotencyRecord.objects.count() == 0


def broken_by(cause: type[Exception], wrapper: type[DatabaseError | InterfaceError]) -> Exception:
    error = wrapper("secret detail of the driver")
    error.__cause__ = cause("secret detail of the driver")
    return error


@pytest.mark.parametrize(
    "cause",
    [
        postgres.LockNotAvailable,
        postgres.DeadlockDetected,
        postgres.SerializationFailure,
        postgres.QueryCanceled,
    ],
)
def test_a_lock_that_does_not_come_is_a_passing_conflict(cause: type[Exception]) -> None:
    with patch.object(endpoints, "_make", side_effect=broken_by(cause, OperationalError)):
        answer = Api("anna").post("/groups", json={"name": "a"}, idempotency_key="key")
    assert (answer.status, answer.code) == (409, "BUSY")
    assert answer.headers["Retry-After"] == "1"
    assert b"secret" not in answer.body
    assert Api("anna").post("/groups", json={"name": "a"}, idempotency_key="key").status == 201


def test_d30_a_race_for_a_unique_name_is_a_passing_conflict() -> None:
    with patch.object(endpoints, "_make", side_effect=lambda name: Group.objects.create(name=name)):
        statuses = [
            Api("anna").post("/groups", json={"name": "a"}, idempotency_key=f"key-{number}").status
            for number in range(2)
        ]
        answer = Api("anna").post("/groups", json={"name": "a"})
    assert statuses == [201, 409]
    assert answer.code == "BUSY"
    assert b"auth_group" not in answer.body
    assert IdempotencyRecord.objects.count() == 1


def test_d33_a_value_that_no_column_holds_is_the_requests_fault() -> None:
    long_name = "x" * 200
    with patch.object(endpoints, "_make", lambda _: Group.objects.create(name=long_name)):
        answer = Api("anna").post("/groups", json={"name": "a"})
    assert (answer.status, answer.code) == (422, "VALIDATION_ERROR")


def test_a_rule_of_the_database_that_is_broken_is_our_defect() -> None:
    nameless: Any = None
    with patch.object(endpoints, "_make", lambda _: Group.objects.create(name=nameless)):
        answer = Api("anna").post("/groups", json={"name": "a"})
    assert (answer.status, answer.code) == (500, "INTERNAL_ERROR")


@pytest.mark.parametrize(
    ("cause", "wrapper"),
    [
        (postgres.AdminShutdown, OperationalError),
        (ConnectionRefusedError, OperationalError),
        (ConnectionError, InterfaceError),
    ],
)
def test_a_database_that_is_away_is_unavailable(
    cause: type[Exception], wrapper: type[DatabaseError | InterfaceError]
) -> None:
    with patch.object(endpoints, "_make", side_effect=broken_by(cause, wrapper)):
        answer = Api("anna").post("/groups", json={"name": "a"})
    assert (answer.status, answer.code) == (503, "DATABASE_UNAVAILABLE")
    assert b"secret" not in answer.body


# --- Simulations --------------------------------------------------------------------------------

SIMULATED = "/groups/required?simulate=true"


def test_a_simulation_tells_what_would_happen_and_does_nothing() -> None:
    answer = Api("anna").post(SIMULATED, json={"name": "a"})
    assert answer.status == 200
    (state,) = answer.json.pop("states")
    assert (state["from"], state["to"]) == ("NONE", "MADE")
    assert answer.json == {
        "simulated": True,
        "allowed": True,
        "refusal": None,
        "postings": [],
        "states": [state],
    }
    assert names() == set()
    assert not trace.is_simulating()


def test_a_simulation_neither_needs_nor_keeps_a_key() -> None:
    for key in ("key", "not a key", ""):
        answer = Api("anna").post(SIMULATED, json={"name": "a"}, idempotency_key=key)
        assert answer.json["allowed"] is True
    assert IdempotencyRecord.objects.count() == 0


def test_a_simulated_refusal_is_an_answer() -> None:
    Group.objects.create(name="a")
    answer = Api("anna").post(SIMULATED, json={"name": "a"})
    assert answer.status == 200
    assert answer.json == {
        "simulated": True,
        "allowed": False,
        "refusal": {
            "code": "TEST_NAME_TAKEN",
            "message": "There is such a group already.",
            "details": {"name": "a"},
        },
        "postings": [],
        "states": [],
    }


def test_gates_and_field_validation_stay_refusals_in_a_simulation() -> None:
    assert Api().post(SIMULATED, json={}).status == 401
    assert Api("provider").post(SIMULATED, json={}).status == 403
    assert Api("anna").post(SIMULATED, json={}).code == "VALIDATION_ERROR"
    assert Api("anna").post(SIMULATED, data=b"{").code == "MALFORMED_JSON"


def test_a_simulation_shows_what_comes_due_first_and_keeps_nothing_of_it() -> None:
    Group.objects.create(name="taken")
    answer = Api("anna").post("/groups/prepared?simulate=true", json={"name": "taken"})
    assert answer.json["allowed"] is False
    assert answer.json["states"] == [{"subject": "group:0", "from": "WAITING", "to": "PREPARED"}]
    assert names() == {"taken"}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/groups?simulate=true", "not_supported"),
        ("/groups/required?simulate=maybe", "invalid"),
        ("/groups/required?simulate=", "invalid"),
    ],
)
def test_what_is_meant_to_be_a_simulation_is_never_done_for_real(path: str, code: str) -> None:
    answer = Api("anna").post(path, json={"name": "a"}, idempotency_key="key")
    assert (answer.status, answer.code) == (422, "VALIDATION_ERROR")
    assert answer.json["error"]["details"]["fields"][0]["code"] == code
    assert names() == set()


def test_simulate_false_is_the_command_itself() -> None:
    answer = Api("anna").post(
        "/groups/required?simulate=false", json={"name": "a"}, idempotency_key="k"
    )
    assert answer.status == 201
    assert names() == {"a"}


# --- Rates --------------------------------------------------------------------------------------


@pytest.fixture
def permits() -> Iterator[None]:
    client = redis_client()
    client.delete(*(client.keys("kobatela:rate:*") or ["none"]))
    throttling.forget()
    yield
    throttling.forget()


@override_settings(KOBATELA_THROTTLE_PER_MINUTE=3)
def test_a_key_beyond_its_rate_waits(permits: None) -> None:
    statuses = [Api("anna").get("/groups").status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    answer = Api("anna").get("/groups")
    assert answer.code == "THROTTLED"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


@override_settings(KOBATELA_THROTTLE_PER_MINUTE=1_000)
def test_processes_count_together(permits: None) -> None:
    other_process = throttling._Permits()
    assert all(other_process.take("key:x", 30) is None for _ in range(20))
    assert [throttling._permits.take("key:x", 30) is None for _ in range(11)] == [True] * 10 + [
        False
    ]


@override_settings(KOBATELA_THROTTLE_FAILURES_PER_MINUTE=3)
def test_refused_keys_are_throttled_and_a_genuine_key_still_works(permits: None) -> None:
    statuses = [Api(f"guess-{number}").get("/groups").status for number in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    assert Api("anna").get("/groups").status == 200


@override_settings(KOBATELA_THROTTLE_PER_MINUTE=1)
def test_without_redis_the_gate_is_open(permits: None) -> None:
    with patch.object(throttling, "redis_client", side_effect=ConnectionRefusedError):
        assert [Api("anna").get("/groups").status for _ in range(5)] == [200] * 5


def test_a_replay_counts_like_any_request(permits: None) -> None:
    with override_settings(KOBATELA_THROTTLE_PER_MINUTE=2):
        sent: dict[str, Any] = {"json": {"name": "a"}, "idempotency_key": "key"}
        statuses = [Api("anna").post("/groups", **sent).status for _ in range(3)]
    assert statuses == [201, 201, 429]
