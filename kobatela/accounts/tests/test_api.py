"""Users, keys, audit entries and alerts over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from audit.actions import Action
from audit.alert_types import AlertType, Severity
from audit.selectors import alerts, entries
from audit.services.alerts import raise_alert
from audit.services.entries import record
from kobatela.accounts.models import ApiKey, User
from kobatela.accounts.services import key_use
from kobatela.accounts.tests.factories import make_key, make_user
from kobatela.kernel import clock
from kobatela.rest.tests.client import Answer, Api

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """This process remembers no use of a key."""
    key_use.forget()


def _api(scope: str, user: User | None = None) -> Api:
    return Api(make_key(scope, user)[1])


def _fields(answer: Answer) -> set[str]:
    return {problem["field"] for problem in answer.json["error"]["details"]["fields"]}


def test_support_creates_a_user_and_reads_it_back() -> None:
    support = _api("support")

    created = support.post("/users", json={"username": "awa", "email": "Awa@example.org"})

    assert created.status == 201
    user = User.objects.get(username="awa")
    assert created.json == {
        "id": user.pk,
        "username": "awa",
        "email": "awa@example.org",
        "phone": "",
        "language": "fr",
        "is_active": True,
        "public_tag": "private",
        "managed_by": None,
        "stripe_account_id": None,
        "created_at": created.json["created_at"],
        "updated_at": created.json["created_at"],
    }
    read = support.get(f"/users/{user.pk}")
    assert (read.status, read.json) == (200, created.json)


def test_d41_reading_a_user_over_the_api_is_kept() -> None:
    user = make_user()

    _api("support").get(f"/users/{user.pk}")

    assert entries(action="user.read").get().subject == f"user:{user.pk}"


def test_fields_that_a_client_may_not_set_are_never_set() -> None:
    admin = _api("admin")
    hidden = {
        "is_staff": True,
        "is_superuser": True,
        "stripe_account_id": "acct_1",
        "password": "x",
        "id": 77,
        "groups": [1],
    }

    created = admin.post("/users", json={"username": "a", "email": "a@example.org"} | hidden)
    changed = admin.patch(f"/users/{created.json['id']}", json=hidden)

    user = User.objects.get(username="a")
    assert (created.status, changed.status) == (201, 422)
    refused = changed.json["error"]["details"]["fields"]
    assert {(item["field"], item["code"]) for item in refused} == {
        (name, "unknown_field") for name in hidden
    }
    assert user.pk != 77
    assert [user.is_staff, user.is_superuser] == [False, False]
    assert user.stripe_account_id is None
    assert not user.has_usable_password()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"username", "email"}),
        ({"username": "", "email": "x"}, {"username", "email"}),
        ({"username": "a", "email": "a@example.org", "language": "de"}, {"language"}),
        ({"username": "a", "email": "a@example.org", "public_tag": "X"}, {"public_tag"}),
        ({"username": "a", "email": "a@example.org", "managed_by": 10**12}, {"managed_by"}),
        ({"username": "a", "email": "a@example.org", "managed_by": -1}, {"managed_by"}),
        ({"username": "a\x00b", "email": "a@example.org"}, {"username"}),
    ],
)
def test_a_user_that_is_not_valid_names_its_fields(body: dict[str, Any], fields: set[str]) -> None:
    answer = _api("admin").post("/users", json=body)

    assert (answer.status, answer.code) == (422, "VALIDATION_ERROR")
    assert _fields(answer) == fields
    assert not User.objects.exists()


def test_a_taken_name_is_a_conflict() -> None:
    make_user(username="awa")

    answer = _api("support").post("/users", json={"username": "awa", "email": "b@example.org"})

    assert (answer.status, answer.code) == (409, "USER_CREATE_FAILED")


def test_support_cannot_give_rights() -> None:
    support = _api("support")
    body = {"username": "a", "email": "a@example.org", "public_tag": "GOV"}

    created = support.post("/users", json=body)
    changed = support.patch(f"/users/{make_user().pk}", json={"public_tag": "GOV"})

    assert [(answer.status, answer.code) for answer in (created, changed)] == [
        (403, "INSUFFICIENT_SCOPE")
    ] * 2
    assert not User.objects.filter(public_tag="GOV").exists()


def test_parties_see_themselves_and_whom_they_manage() -> None:
    manager = make_user()
    managed, stranger = make_user(managed_by=manager), make_user()
    api = _api("sender", manager)

    listed = api.get("/users")

    assert [item["id"] for item in listed.json["items"]] == [managed.pk, manager.pk]
    assert api.get(f"/users/{managed.pk}").json["managed_by"] == manager.pk
    foreign, missing = api.get(f"/users/{stranger.pk}"), api.get(f"/users/{10**9}")
    assert (foreign.status, foreign.code) == (missing.status, missing.code)
    assert (foreign.status, foreign.code) == (404, "USER_NOT_FOUND")
    assert foreign.json["error"]["message"] == missing.json["error"]["message"]
    assert api.post("/users", json={}).status == 403
    assert api.patch(f"/users/{manager.pk}", json={"phone": "1"}).status == 403


def test_users_are_filtered_and_unknown_filters_refused() -> None:
    admin = _api("admin")
    manager = make_user(public_tag="ONG")
    managed = make_user(managed_by=manager)
    gone = make_user(is_active=False)

    def ids(query: str) -> list[int]:
        return [item["id"] for item in admin.get(f"/users?{query}").json["items"]]

    assert ids("public_tag=ONG") == [manager.pk]
    assert ids(f"managed_by={manager.pk}") == [managed.pk]
    assert ids("is_active=false") == [gone.pk]
    answer = admin.get("/users?email=x")
    assert (answer.status, _fields(answer)) == (422, {"email"})


def test_a_manager_over_the_api_needs_an_idle_user() -> None:
    user, manager = make_user(), make_user()
    make_key("sender", user)

    answer = _api("admin").patch(f"/users/{user.pk}", json={"managed_by": manager.pk})

    assert (answer.status, answer.code) == (409, "MANAGER_NOT_ALLOWED")
    assert User.objects.get(pk=user.pk).managed_by_id is None


def test_a_key_is_shown_once() -> None:
    admin = _api("admin")
    user = make_user()
    body = {"name": "shop", "scope": "sender", "user_id": user.pk}

    first = admin.post("/apikeys", json=body, idempotency_key="k1")
    again = admin.post("/apikeys", json=body, idempotency_key="k1")

    assert first.status == again.status == 201
    assert again.headers["Idempotent-Replayed"] == "true"
    secret = first.json["key"]
    assert secret.startswith(f"koba_test_{first.json['public_id']}_")
    assert again.json == first.json | {"key": None}
    assert ApiKey.objects.filter(user=user).count() == 1
    read = admin.get(f"/apikeys/{first.json['id']}")
    assert read.json == {name: value for name, value in first.json.items() if name != "key"}
    assert Api(secret).get("/users").status == 200


def test_the_shape_of_a_key() -> None:
    user = make_user()

    answer = _api("admin").post(
        "/apikeys",
        json={
            "name": "cash desk",
            "scope": "sender",
            "user_id": user.pk,
            "days_valid": None,
            "may_confirm_deposits": True,
            "confirm_limit": {"EUR": "500.00", "XOF": 100000},
            "reason": "It collects cash.",
            "allowed_ips": ["203.0.113.7"],
        },
    )

    assert answer.status == 201
    shown = answer.json
    key = ApiKey.objects.get(pk=shown["id"])
    assert shown == {
        "id": key.pk,
        "name": "cash desk",
        "scope": "sender",
        "user_id": user.pk,
        "public_id": key.public_id,
        "is_active": True,
        "may_confirm_deposits": True,
        "confirm_limit": {"EUR": "500.00", "XOF": "100000"},
        "allowed_ips": ["203.0.113.7/32"],
        "created_at": shown["created_at"],
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
        "key": shown["key"],
    }
    assert alerts(type="KEY_MAY_CONFIRM_DEPOSITS").count() == 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name", "scope"}),
        ({"scope": "owner"}, {"scope"}),
        ({"scope": "sender"}, {"user_id"}),
        ({"user_id": 10**12}, {"user_id"}),
        ({"days_valid": 0}, {"days_valid"}),
        ({"days_valid": -5}, {"days_valid"}),
        ({"days_valid": 10**9}, {"days_valid"}),
        ({"allowed_ips": ["here"]}, {"allowed_ips.0"}),
        ({"allowed_ips": "10.0.0.1"}, {"allowed_ips"}),
        ({"scope": "support", "user_id": "own"}, {"user_id"}),
        ({"scope": "sender", "user_id": "own", "may_confirm_deposits": True}, {"reason"}),
        (
            {
                "scope": "sender",
                "user_id": "own",
                "may_confirm_deposits": True,
                "reason": "x",
                "confirm_limit": {"EUR": "1.001"},
            },
            {"confirm_limit.EUR"},
        ),
        ({"confirm_limit": {"EUR": -1}}, {"confirm_limit.EUR"}),
    ],
)
def test_a_key_that_is_not_valid_names_its_fields(body: dict[str, Any], fields: set[str]) -> None:
    admin = _api("admin")
    if body.get("user_id") == "own":
        body = body | {"user_id": make_user().pk}
    whole = body and {"name": "shop", "scope": "admin"} | body
    before = ApiKey.objects.count()

    answer = admin.post("/apikeys", json=whole)

    assert (answer.status, answer.code) == (422, "VALIDATION_ERROR")
    assert _fields(answer) == fields
    assert ApiKey.objects.count() == before


def test_a_key_is_listed_rotated_and_revoked() -> None:
    admin = _api("admin")
    user = make_user()
    key, secret = make_key("sender", user)

    rotated = admin.post(f"/apikeys/{key.pk}/rotate", json={})
    listed = admin.get(f"/apikeys?user_id={user.pk}&scope=sender")

    assert rotated.status == 201
    assert [item["id"] for item in listed.json["items"]] == [rotated.json["id"], key.pk]
    assert all("key" not in item and "digest" not in item for item in listed.json["items"])
    for works in (secret, rotated.json["key"]):
        assert Api(works).get("/users").status == 200
    assert admin.post(f"/apikeys/{key.pk}/rotate", json={}).code == "APIKEY_ROTATION_OPEN"

    revoked = admin.delete(f"/apikeys/{key.pk}")
    assert (revoked.status, revoked.body) == (204, b"")
    assert admin.delete(f"/apikeys/{key.pk}").status == 204
    assert (Api(secret).get("/users").status, Api(secret).get("/users").code) == (
        401,
        "UNAUTHORIZED",
    )
    assert Api(rotated.json["key"]).get("/users").status == 200
    assert admin.get(f"/apikeys/{key.pk}").json["is_active"] is False


@pytest.mark.parametrize("scope", ["sender", "provider", "support"])
def test_keys_are_for_admins_only(scope: str) -> None:
    key, _ = make_key("sender")
    api = _api(scope)
    body = {"name": "x", "scope": "admin"}

    answers = [
        api.post("/apikeys", json=body),
        api.get("/apikeys"),
        api.get(f"/apikeys/{key.pk}"),
        api.post(f"/apikeys/{key.pk}/rotate", json={}),
        api.delete(f"/apikeys/{key.pk}"),
    ]

    assert {(answer.status, answer.code) for answer in answers} == {(403, "INSUFFICIENT_SCOPE")}
    assert ApiKey.objects.count() == 2
    assert ApiKey.objects.get(pk=key.pk).revoked_at is None


def test_an_unknown_key_is_a_404() -> None:
    admin = _api("admin")

    answers = [
        admin.get(f"/apikeys/{10**9}"),
        admin.post(f"/apikeys/{10**9}/rotate", json={}),
        admin.delete(f"/apikeys/{10**9}"),
    ]

    assert {(answer.status, answer.code) for answer in answers} == {(404, "APIKEY_NOT_FOUND")}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer junk"}])
def test_without_a_genuine_key_nothing_opens(headers: dict[str, str]) -> None:
    codes = {
        Api().get(path, headers=headers).code
        for path in ("/users", "/users/1", "/apikeys", "/audit/events", "/alerts")
    }

    assert codes == ({"UNAUTHORIZED"} if headers else {"NO_API_KEY"})


def test_audit_events_are_shown_newest_first_with_their_body() -> None:
    with clock.frozen(clock.now()):
        record(actor="a:1", action=Action.SWITCH_SET, subject="escrow:12", body={"n": 1})
        clock.advance(timedelta(seconds=1))
        last = record(
            actor="staff:2",
            action=Action.USER_READ,
            subject="payment:3",
            stream="escrow:12",
            body={"ids": [1, 2], "name": "é"},
            on_behalf_of=9,
        )

    answer = _api("support").get("/audit/events?subject=escrow:12")

    newest, oldest = answer.json["items"]
    assert newest == {
        "id": last.pk,
        "at": newest["at"],
        "actor": "staff:2",
        "on_behalf_of": 9,
        "action": "user.read",
        "subject": "payment:3",
        "stream": "escrow:12",
        "stream_seq": 2,
        "request_id": "",
        "body": {"ids": [1, 2], "name": "é"},
        "sealed": False,
    }
    assert oldest["body"] == {"n": 1}
    assert answer.json["next"] is None


def test_audit_events_are_filtered_and_paged() -> None:
    support = _api("support")
    for number in range(5):
        record(actor=f"a:{number % 2}", action=Action.SWITCH_SET, subject=f"x:{number}")

    def subjects(query: str) -> list[str]:
        return [item["subject"] for item in support.get(f"/audit/events?{query}").json["items"]]

    assert subjects("actor=a:1") == ["x:3", "x:1"]
    assert subjects("action=switch.set&limit=2") == ["x:4", "x:3"]
    page = support.get("/audit/events?action=switch.set&limit=2")
    assert subjects(f"action=switch.set&limit=2&cursor={page.json['next']}") == ["x:2", "x:1"]
    assert subjects("action=switch.set&since=2999-01-01T00:00:00Z") == []
    naive = support.get("/audit/events?since=2026-01-01T00:00:00")
    assert (naive.status, _fields(naive)) == (422, {"since"})
    assert support.get("/audit/events?who=me").status == 422


def test_alerts_are_listed_and_filtered() -> None:
    for subject, severity in (("payment:1", Severity.WARNING), ("payment:2", Severity.CRITICAL)):
        raise_alert(
            type=AlertType.PAYOUT_FAILED,
            severity=severity,
            subject=subject,
            message="It failed.",
            payload={"attempt": 2},
        )
    support = _api("support")

    answer = support.get("/alerts?type=PAYOUT_FAILED&status=OPEN&severity=warning")

    (item,) = answer.json["items"]
    alert = alerts(severity="warning").get()
    assert item == {
        "id": alert.pk,
        "type": "PAYOUT_FAILED",
        "severity": "warning",
        "subject": "payment:1",
        "message": "It failed.",
        "actor_user_id": None,
        "payload": {"attempt": 2},
        "status": "OPEN",
        "count": 1,
        "acknowledged_by": None,
        "acknowledged_at": None,
        "created_at": item["created_at"],
        "last_seen_at": item["created_at"],
    }
    assert support.get("/alerts?type=NONE").status == 422
    assert [item["subject"] for item in support.get("/alerts").json["items"]] == [
        "payment:2",
        "payment:1",
    ]


@pytest.mark.parametrize("scope", ["sender", "provider"])
@pytest.mark.parametrize("path", ["/audit/events", "/alerts"])
def test_the_trail_and_alerts_are_for_staff(scope: str, path: str) -> None:
    answer = _api(scope).get(path)

    assert (answer.status, answer.code) == (403, "INSUFFICIENT_SCOPE")
