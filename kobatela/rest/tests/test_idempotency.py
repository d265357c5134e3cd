"""The idempotency rules, tried on the test endpoints."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile

from kobatela.kernel import clock
from kobatela.rest import idempotency
from kobatela.rest.models import IdempotencyRecord
from kobatela.rest.tests import endpoints
from kobatela.rest.tests.client import Api
from kobatela.rest.tests.idempotency_kit import Case, Request, Scenario, cases_for

pytestmark = pytest.mark.urls("kobatela.rest.tests.endpoints")


@pytest.fixture(autouse=True)
def _fresh_endpoints() -> Iterator[None]:
    endpoints.revoked.clear()
    endpoints.prepared.clear()
    yield
    endpoints.revoked.clear()


def _groups() -> int:
    return Group.objects.count()


def group_scenario(path: str, secrets: frozenset[str] = frozenset()) -> Scenario:
    """Making a group under `path`."""
    Group.objects.create(name="taken")
    return Scenario(
        api=Api("anna"),
        request=Request(path, {"name": "first", "amount": "1.00", "currency": "EUR"}),
        success=201,
        effects=_groups,
        changed=Request(path, {"name": "second", "amount": "1.00", "currency": "EUR"}),
        invalid=Request(path, {"name": "x" * 41}),
        refused=Request(path, {"name": "taken"}),
        elsewhere=Request("/groups/prepared", {"name": "first"}),
        stranger=(Api("bert"), Request(path, {"name": "of bert"})),
        rotated=Api("anna-rotated"),
        wrong_scope=Api("provider"),
        revoke=lambda: endpoints.revoked.add("anna"),
        secrets=secrets,
    )


FORM_LACKS = "json invalid refused elsewhere stranger"


def file_scenario() -> Scenario:
    """Sending a file in a form."""

    def form(content: bytes) -> Request:
        return Request(
            "/groups/file",
            {"title": "a"},
            files=lambda: {"file": SimpleUploadedFile("a.bin", content)},
        )

    return Scenario(
        api=Api("anna"),
        request=form(b"four"),
        success=201,
        effects=_groups,
        changed=form(b"seventy"),
        other_file=form(b"fuor"),
        rotated=Api("anna-rotated"),
        wrong_scope=Api("provider"),
        revoke=lambda: endpoints.revoked.add("anna"),
    )


def _optional() -> Scenario:
    return group_scenario("/groups", frozenset({"secret"}))


def _required() -> Scenario:
    return group_scenario("/groups/required")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "case", cases_for(required=True, commits=False, lacks="other_file"), ids=str
)
def test_an_endpoint_with_a_required_key_keeps_every_rule(case: Case) -> None:
    case.run(_required())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "case", cases_for(required=False, commits=False, lacks="other_file"), ids=str
)
def test_an_endpoint_with_an_optional_key_keeps_every_rule(case: Case) -> None:
    case.run(_optional())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "case", cases_for(required=False, commits=False, lacks=FORM_LACKS), ids=str
)
def test_an_endpoint_that_takes_a_form_keeps_every_rule(case: Case) -> None:
    case.run(file_scenario())


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("case", cases_for(required=True, commits=True), ids=str)
def test_an_endpoint_keeps_the_rules_of_real_commits(case: Case) -> None:
    case.run(_required())


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("case", cases_for(required=False, commits=True), ids=str)
def test_an_endpoint_that_takes_a_form_keeps_the_rules_of_real_commits(case: Case) -> None:
    case.run(file_scenario())


@pytest.mark.django_db
def test_an_action_that_takes_no_key_ignores_it() -> None:
    api = Api("unbound")
    for key in ("key", "not a key"):
        answer = api.post("/groups/support", json={}, idempotency_key=key)
        assert (answer.status, answer.json) == (200, {"ok": True})
    assert IdempotencyRecord.objects.count() == 0


@pytest.mark.django_db
def test_the_key_of_an_unbound_api_key_is_its_own() -> None:
    Api("anna").post("/groups", json={"name": "a"}, idempotency_key="key")
    api = Api("admin")
    for party in ("1", "2"):
        answer = api.post(
            "/groups",
            json={"name": f"for {party}"},
            idempotency_key=f"key-{party}",
            headers={"X-On-Behalf-Of": party},
        )
        assert answer.status == 201
    scopes = IdempotencyRecord.objects.order_by("pk").values_list("scope", flat=True)
    assert list(scopes) == ["user:1", "key:51", "key:51"]


@pytest.mark.django_db
def test_acting_for_another_party_is_another_request() -> None:
    api = Api("admin")
    sent: dict[str, Any] = {"json": {"name": "a"}, "idempotency_key": "key"}
    assert api.post("/groups", headers={"X-On-Behalf-Of": "1"}, **sent).status == 201
    answer = api.post("/groups", headers={"X-On-Behalf-Of": "2"}, **sent)
    assert (answer.status, answer.code) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.django_db
def test_a_passing_refusal_is_not_stored() -> None:
    api = Api("anna")
    for _ in range(2):
        answer = api.post("/groups/busy", json={}, idempotency_key="key")
        assert (answer.status, answer.code) == (409, "BUSY")
        assert answer.headers["Retry-After"] == "1"
        assert "Idempotent-Replayed" not in answer.headers
    assert not Group.objects.filter(name="busy").exists()
    assert IdempotencyRecord.objects.count() == 0


@pytest.mark.django_db
def test_a_replay_prepares_nothing() -> None:
    api = Api("anna")
    for _ in range(3):
        api.post("/groups/prepared", json={"name": "a"}, idempotency_key="key")
    assert endpoints.prepared == ["/groups/prepared"]


@pytest.mark.django_db
def test_a_view_with_nothing_to_prepare_spends_no_look_on_it() -> None:
    api = Api("anna")
    with (
        patch.object(endpoints.PreparedViewSet, "has_to_prepare", return_value=False),
        patch.object(idempotency, "find") as find,
    ):
        first = api.post("/groups/prepared", json={"name": "a"}, idempotency_key="key")
        replay = api.post("/groups/prepared", json={"name": "a"}, idempotency_key="key")
    find.assert_not_called()
    assert endpoints.prepared == []
    assert (first.status, replay.headers["Idempotent-Replayed"]) == (201, "true")


@pytest.mark.django_db
def test_a_refusal_while_preparing_is_stored_like_any_other_of_the_domain() -> None:
    api = Api("anna")
    sent: dict[str, Any] = {"json": {"name": "unreadable"}, "idempotency_key": "key"}
    first = api.post("/groups/prepared", **sent)
    replay = api.post("/groups/prepared", **sent)
    assert (first.status, first.code) == (409, "TEST_NAME_TAKEN")
    assert replay.body == first.body
    assert endpoints.prepared == ["/groups/prepared"]


@pytest.mark.django_db(transaction=True)
def test_what_was_prepared_stays_when_the_command_is_refused() -> None:
    Group.objects.create(name="taken")
    answer = Api("anna").post("/groups/prepared", json={"name": "taken"}, idempotency_key="key")
    assert answer.code == "TEST_NAME_TAKEN"
    assert Group.objects.filter(name="taken").count() == 1
    assert Group.objects.filter(name="prepared").count() == 1


@pytest.mark.django_db
def test_d16_a_key_used_on_another_object_is_refused_and_shows_nothing_of_the_first() -> None:
    api = Api("anna")
    first = Group.objects.create(name="first")
    second = Group.objects.create(name="second")
    assert api.patch(f"/groups/{first.pk}", json={"name": "x"}, idempotency_key="k").status == 200
    answer = api.patch(f"/groups/{second.pk}", json={"name": "x"}, idempotency_key="k")
    assert (answer.status, answer.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert str(first.pk) not in answer.body.decode().replace(answer.json["error"]["request_id"], "")
    second.refresh_from_db()
    assert second.name == "second"


@pytest.mark.django_db
def test_expired_answers_are_purged_and_the_others_stay() -> None:
    api = Api("anna")
    now = clock.now()
    with clock.frozen(now - timedelta(days=31)):
        api.post("/groups", json={"name": "old"}, idempotency_key="old")
    api.post("/groups", json={"name": "new"}, idempotency_key="new")
    beats: list[None] = []
    assert idempotency.purge_expired(now, beat=lambda: beats.append(None)) == 1
    assert beats
    assert [record.key for record in IdempotencyRecord.objects.all()] == ["new"]
