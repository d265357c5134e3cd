"""One shape for every error, whoever raised it."""

import io
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, UnreadablePostError
from django.test import Client, override_settings
from rest_framework import exceptions as drf

from kobatela.api.errors import STATUS, page_for_status
from kobatela.kernel.errors import Kind, published_codes
from kobatela.rest.tests import endpoints
from kobatela.rest.tests.client import Answer, Api
from kobatela.rest.tests.hostile import HOSTILE_BODIES, HOSTILE_QUERIES, TOO_LARGE_BODY

pytestmark = [pytest.mark.django_db, pytest.mark.urls("kobatela.rest.tests.endpoints")]


def assert_shape(answer: Answer) -> None:
    """The answer is an error in the one shape, with a published code."""
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) == {"code", "message", "details", "request_id"}
    assert error["code"] in published_codes()
    assert isinstance(error["details"], dict)
    assert error["message"]
    assert error["request_id"] == answer.headers["X-Request-ID"]


def test_every_kind_has_a_status() -> None:
    assert set(STATUS) == set(Kind)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404("secret"), 404, "NOT_FOUND"),
        (drf.NotFound("secret"), 404, "NOT_FOUND"),
        (drf.ParseError("secret"), 400, "BAD_REQUEST"),
        (drf.MethodNotAllowed("secret"), 405, "METHOD_NOT_ALLOWED"),
        (drf.UnsupportedMediaType("secret"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (drf.PermissionDenied("secret"), 403, "FORBIDDEN"),
        (drf.ValidationError({"a": ["b"]}), 422, "VALIDATION_ERROR"),
        (PermissionDenied("secret"), 403, "FORBIDDEN"),
        (SuspiciousOperation("secret"), 400, "BAD_REQUEST"),
        (RequestDataTooBig("secret"), 413, "PAYLOAD_TOO_LARGE"),
        (UnreadablePostError("secret"), 400, "BAD_REQUEST"),
        (RuntimeError("secret"), 500, "INTERNAL_ERROR"),
        (AssertionError("secret"), 500, "INTERNAL_ERROR"),
        (RecursionError("secret"), 500, "INTERNAL_ERROR"),
        (MemoryError("secret"), 500, "INTERNAL_ERROR"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_d45_every_exception_has_the_one_shape_and_leaks_nothing(
    error: Exception, status: int, code: str
) -> None:
    with patch.object(endpoints, "_make", side_effect=error):
        answer = Api("anna").post("/groups", json={"name": "a"})
    assert_shape(answer)
    assert (answer.status, answer.code) == (status, code)
    assert b"secret" not in answer.body


def test_an_unhandled_exception_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with patch.object(endpoints, "_make", side_effect=ZeroDivisionError("a defect")):
        Api("anna").post("/groups", json={"name": "a"})
    (record,) = [found for found in caplog.records if found.name == "kobatela.api.foreign"]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize(
    ("path", "status"), [("/nowhere", 404), ("/groups/", 404), ("/groups/x", 404), ("/%00", 404)]
)
@pytest.mark.parametrize("debug", [True, False])
def test_d45_a_path_that_does_not_exist_has_the_one_shape(
    path: str,
    status: int,
    debug: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    with override_settings(DEBUG=debug):
        answer = Api().get(path)
    assert_shape(answer)
    assert answer.status == status


def test_an_exception_outside_any_view_has_the_one_shape() -> None:
    with patch("django.middleware.common.CommonMiddleware.process_request", side_effect=ValueError):
        answer = Api("anna").get("/groups")
    assert_shape(answer)
    assert (answer.status, answer.code) == (500, "INTERNAL_ERROR")


@override_settings(ALLOWED_HOSTS=["example.org"])
def test_a_host_that_is_not_ours_has_the_one_shape() -> None:
    answer = Api("anna").get("/groups")
    assert_shape(answer)
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 413, 500, 502, 503])
def test_a_page_of_the_framework_is_replaced(status: int) -> None:
    assert page_for_status(status).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "/",
        "application/json; charset=utf-16",
        "application/jsonp",
        "é",
        "application/json\x00",
        "",
    ],
)
def test_d33_another_content_type_is_refused_and_never_breaks(content_type: str) -> None:
    answer = Api("anna").send("POST", "/groups", data=b"a=1", content_type=content_type)
    assert_shape(answer)
    assert answer.status in {400, 415}


@pytest.mark.parametrize("body", HOSTILE_BODIES, ids=lambda body: repr(body[:24]))
def test_d33_a_hostile_body_is_refused_in_the_one_shape(body: bytes) -> None:
    for path in ("/groups", "/groups/required"):
        answer = Api("anna").post(path, data=body, idempotency_key="key")
        assert_shape(answer)
        assert answer.status in {400, 422}


@pytest.mark.parametrize(
    "field", ["name", "amount", "currency", "at", "owner_id", "count", "notes"]
)
def test_d33_a_hostile_value_in_any_field_is_refused_or_taken(field: str) -> None:
    from kobatela.rest.tests.hostile import HOSTILE_VALUES

    for number, value in enumerate(HOSTILE_VALUES):
        other = b'"name": "group %d", ' % number if field != "name" else b""
        body = b'{%s"%s": %s, "parts": [{"amount": %s}]}' % (other, field.encode(), value, value)
        answer = Api("anna").post("/groups", data=body)
        assert answer.status in {201, 400, 409, 422}, (value, answer.body)
        if answer.status != 201:
            assert_shape(answer)


@pytest.mark.parametrize("query", HOSTILE_QUERIES, ids=lambda query: query[:40])
def test_d33_a_hostile_query_is_refused_in_the_one_shape(query: str) -> None:
    answer = Api("anna").get(f"/groups?{query}")
    assert_shape(answer)
    assert answer.status in {400, 422}


def test_a_body_of_20_megabytes_is_too_large() -> None:
    answer = Api("anna").post("/groups", data=TOO_LARGE_BODY)
    assert_shape(answer)
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")


@override_settings(KOBATELA_UPLOAD_MAX_BYTES=1_000)
def test_a_form_beyond_the_limit_is_too_large() -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    file = SimpleUploadedFile("a.bin", b"x" * 1_001)
    answer = Api("anna").post("/groups/file", files={"file": file})
    assert_shape(answer)
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b\r\n\r\n",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="\x00"\r\n\r\nx\r\n--b--',
        b'--b\r\nContent-Disposition: form-data; name="file\r\n\r\nx\r\n--b--',
        (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n'
            b"Content-Transfer-Encoding: base64\r\n\r\n%%%\r\n--b--"
        ),
        b"\r\n".join(
            b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx' % n for n in range(1_500)
        )
        + b"\r\n--b--",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_d33_a_broken_form_is_refused_in_the_one_shape(body: bytes) -> None:
    for content_type in ("multipart/form-data; boundary=b", "multipart/form-data"):
        answer = Api("anna").send("POST", "/groups/file", data=body, content_type=content_type)
        assert_shape(answer)
        assert answer.status in {400, 422}


def test_a_body_that_ends_early_is_refused_even_if_it_reads_well() -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhalf'
    for path, body, kind in (
        ("/groups", b'{"name": "a"}', "application/json"),
        ("/groups/file", form, "multipart/form-data; boundary=b"),
    ):
        sent: dict[str, Any] = {
            "CONTENT_LENGTH": "100",
            "CONTENT_TYPE": kind,
            "wsgi.input": io.BytesIO(body),
            "HTTP_AUTHORIZATION": "Bearer anna",
        }
        response = Client().generic("POST", path, **sent)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "BAD_REQUEST")
    assert not Group.objects.filter(name__startswith="a ").exists()


def test_a_body_without_a_length_is_refused() -> None:
    answer = Api("anna").post(
        "/groups", json={"name": "a"}, headers={"Transfer-Encoding": "chunked"}
    )
    assert_shape(answer)
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("wanted", ["", " ", "a" * 129, "a b", "é", "a\nb", "a/b"])
def test_a_request_id_of_another_form_is_replaced(wanted: str) -> None:
    answer = Api("anna").get("/groups", headers={"X-Request-ID": wanted})
    assert answer.headers["X-Request-ID"].startswith("req_")


def test_a_callers_request_id_comes_back_on_every_answer() -> None:
    for path in ("/groups", "/nowhere"):
        answer = Api("anna").get(path, headers={"X-Request-ID": "order-7:a.b_c"})
        assert answer.headers["X-Request-ID"] == "order-7:a.b_c"


def test_requests_have_different_ids() -> None:
    ids = {Api("anna").get("/groups").headers["X-Request-ID"] for _ in range(50)}
    assert len(ids) == 50


def test_refused_access_is_kept_in_the_audit_trail() -> None:
    with patch("kobatela.api.refusals.entries.record_apart") as record:
        Api("provider").post("/groups", json={})
        Api("anna").get("/groups/987654")
        Api().get("/groups")
        Api("anna").post("/groups", json={})
    kept = [dict(call.kwargs) for call in record.call_args_list]
    assert [(entry["actor"], entry["body"]["code"]) for entry in kept] == [
        ("apikey:prov", "INSUFFICIENT_SCOPE"),
        ("apikey:anna", "NOT_FOUND"),
    ]
    assert kept[1]["body"] == {
        "code": "NOT_FOUND",
        "method": "GET",
        "path": "groups/<int:group_id>",
        "ids": {"group_id": "987654"},
    }


def test_every_request_leaves_one_line_without_path_query_or_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="kobatela.access")
    Api("anna").get("/groups/5?name=Jean+Dupont", headers={"X-Request-ID": "mine"})
    Api("anna-secret-key").get("/links/verysecret")
    lines = [vars(record) for record in caplog.records if record.name == "kobatela.access"]
    assert [(line["method"], line["path"], line["subject"], line["status"]) for line in lines] == [
        ("GET", "groups/<int:group_id>", "group:5", 404),
        ("GET", None, None, 404),
    ]
    assert lines[0]["actor"] == "apikey:anna"
    text = " ".join(f"{record.__dict__}" for record in caplog.records)
    for secret in ("Dupont", "verysecret", "anna-secret-key"):
        assert secret not in text


def test_cors_is_closed_by_default_and_opens_to_named_origins() -> None:
    asked = {
        "Origin": "https://app.example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "idempotency-key, x-api-key, x-on-behalf-of",
    }
    closed = Api().send("OPTIONS", "/groups", headers=asked)
    assert "Access-Control-Allow-Origin" not in closed.headers
    with override_settings(CORS_ALLOWED_ORIGINS=["https://app.example.org"]):
        opened = Api().send("OPTIONS", "/groups", headers=asked)
        answer = Api("anna").get("/groups", headers={"Origin": "https://app.example.org"})
    assert opened.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
    allowed = opened.headers["Access-Control-Allow-Headers"]
    for header in (
        "authorization",
        "x-api-key",
        "idempotency-key",
        "x-on-behalf-of",
        "x-request-id",
    ):
        assert header in allowed
    assert "Idempotent-Replayed" in answer.headers["Access-Control-Expose-Headers"]
