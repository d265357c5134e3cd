"""Keyset pages."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kobatela.kernel.errors import ValidationFailed
from kobatela.rest.pagination import keyset_page
from kobatela.rest.tests.client import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def groups() -> list[Group]:
    Group.objects.all().delete()
    return Group.objects.bulk_create(Group(name=f"group {number:02d}") for number in range(25))


def walk(queryset: Any, order_by: Any, limit: str) -> Iterator[Any]:
    cursor = None
    while True:
        page = keyset_page(queryset, order_by=order_by, limit=limit, cursor=cursor)
        yield from page.items
        if page.next is None:
            return
        assert len(page.items) == int(limit)
        cursor = page.next


@pytest.mark.parametrize("limit", ["1", "5", "7", "25", "100"])
@pytest.mark.parametrize("order_by", ["-id", "id", "name", ("-name",), ("name", "id")])
def test_all_rows_come_once_in_order(groups: list[Group], order_by: Any, limit: str) -> None:
    terms = [order_by] if isinstance(order_by, str) else list(order_by)
    found = [group.pk for group in walk(Group.objects.all(), order_by, limit)]
    assert found == list(Group.objects.order_by(*terms).values_list("pk", flat=True))


def test_rows_with_equal_values_are_not_lost() -> None:
    # Permissions share their content types, many to one.
    found = [row.pk for row in walk(Permission.objects.all(), "-content_type", "3")]
    expected = Permission.objects.order_by("-content_type_id", "-id").values_list("pk", flat=True)
    assert found == list(expected)
    assert len(found) == len(set(found)) > 30


def test_rows_that_arrive_meanwhile_do_not_move_the_next_page(groups: list[Group]) -> None:
    first = keyset_page(Group.objects.all(), order_by="-id", limit="10", cursor=None)
    Group.objects.create(name="newer")
    second = keyset_page(Group.objects.all(), order_by="-id", limit="10", cursor=first.next)
    assert [row.name for row in second.items] == [f"group {n:02d}" for n in range(14, 4, -1)]


def test_the_next_page_is_one_comparison_of_rows_without_offset(groups: list[Group]) -> None:
    first = keyset_page(Group.objects.all(), order_by="-name", limit="10", cursor=None)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        keyset_page(Group.objects.all(), order_by="-name", limit="10", cursor=first.next)
    (query,) = [found["sql"] for found in queries]
    assert '("auth_group"."name", "auth_group"."id") < ' in query
    assert "OFFSET" not in query


@pytest.mark.parametrize("limit", ["0", "101", "-1", "", "1.0", "1e1", "\u0661", "9" * 5000])
def test_a_limit_outside_1_to_100_is_refused(limit: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        keyset_page(Group.objects.all(), order_by="-id", limit=limit, cursor=None)
    assert refused.value.details["fields"][0]["field"] == "limit"


def cursor_of(content: Any) -> str:
    text = json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%%%",
        "é",
        "\x00",
        "====",
        "W10",
        cursor_of(None),
        cursor_of([]),
        cursor_of([["-id"], []]),
        cursor_of([["-id"], [None]]),
        cursor_of([["-id"], [True]]),
        cursor_of([["-id"], [1.5]]),
        cursor_of([["-id"], ["a"]]),
        cursor_of([["-id"], [2**63]]),
        cursor_of([["-id"], [[1]]]),
        cursor_of([["-id"], [1, 2]]),
        cursor_of([["id"], [1]]),
        cursor_of([["-name", "-id"], ["a", 1]]),
        cursor_of({"-id": 1}),
        base64.urlsafe_b64encode(b"[" * 10_000).decode(),
    ],
)
def test_a_cursor_that_this_list_did_not_make_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        keyset_page(Group.objects.all(), order_by="-id", limit=None, cursor=cursor)
    assert refused.value.details["fields"] == [
        {"field": "cursor", "code": "invalid", "message": "This cursor is not valid here."}
    ]


@pytest.mark.urls("kobatela.rest.tests.endpoints")
def test_a_list_answers_items_and_next(groups: list[Group]) -> None:
    api = Api("anna")
    first = api.get("/groups").json
    assert [item["name"] for item in first["items"]] == [f"group {n:02d}" for n in range(24, 4, -1)]
    last = api.get(f"/groups?limit=20&cursor={first['next']}").json
    assert [item["name"] for item in last["items"]] == [f"group {n:02d}" for n in range(4, -1, -1)]
    assert last["next"] is None


@pytest.mark.urls("kobatela.rest.tests.endpoints")
def test_unknown_and_repeated_filters_are_refused() -> None:
    answer = Api("anna").get("/groups?name=a&name=b&colour=red")
    assert answer.status == 422
    fields = answer.json["error"]["details"]["fields"]
    assert [(found["field"], found["code"]) for found in fields] == [
        ("name", "repeated"),
        ("colour", "unknown_filter"),
    ]
