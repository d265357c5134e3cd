"""The description of the API and its pages."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import override_settings

from kobatela.kernel.errors import published_codes
from kobatela.rest.tests.client import Api


def test_the_schema_is_valid_and_complete(tmp_path: object) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", f"{tmp_path}/schema.yml")


def test_the_schema_is_openapi_3_1_and_publishes_every_code() -> None:
    schema = Api().get("/openapi.json").json
    assert schema["openapi"] == "3.1.0"
    codes = schema["components"]["schemas"]["ErrorCode"]
    assert dict(zip(codes["enum"], codes["x-enum-descriptions"], strict=True)) == published_codes()


def test_every_operation_documents_its_errors_in_the_one_shape() -> None:
    schema = Api().get("/openapi.json").json
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            responses = operation["responses"]
            assert "429" in responses, (method, path)
            error = responses["429"]["content"]["application/json"]["schema"]
            assert error == {"$ref": "#/components/schemas/Error"}


def test_commands_that_need_a_key_say_so() -> None:
    schema = Api().get("/openapi.json").json
    deposit = schema["paths"]["/escrows/{escrow_id}/deposit"]["post"]
    parameters = {found["name"]: found for found in deposit["parameters"]}
    assert parameters["Idempotency-Key"]["required"] is True
    assert "simulate" in parameters


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_pages_load_nothing_from_elsewhere(path: str) -> None:
    answer = Api().get(path)
    page = answer.body.decode()
    assert answer.status == 200
    assert "//" not in re.sub(r"<!DOCTYPE html>", "", page)
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assets = re.findall(r'(?:src|href)="/static/([^"]+)"', page)
    assert len(assets) >= 3
    for asset in assets:
        assert finders.find(asset), asset


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_a_setting_hides_them(path: str) -> None:
    with override_settings(KOBATELA_DOCS_ENABLED=False):
        answer = Api().get(path)
    assert (answer.status, answer.code) == (404, "NOT_FOUND")
