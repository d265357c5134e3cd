"""Log lines: JSON, with the request id, without secrets."""

import json
import logging
from typing import Any

import pytest

from kobatela.kernel.context import working_for
from kobatela.settings.logs import JsonFormatter, TextFormatter, without_secrets


def _record(message: str, **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("payments", logging.INFO, __file__, 1, message, (), None)
    record.__dict__.update(extra)
    return record


def test_a_line_is_one_json_object_with_request_actor_and_subject() -> None:
    with working_for("req_7"):
        text = JsonFormatter().format(_record("sent", actor="psp:fake", subject="payment:3"))
    line = json.loads(text)
    assert "\n" not in text
    at = line.pop("at")
    assert at.endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "payments",
        "message": "sent",
        "request_id": "req_7",
        "actor": "psp:fake",
        "subject": "payment:3",
    }


def test_outside_a_request_there_is_no_request_id() -> None:
    assert json.loads(JsonFormatter().format(_record("tick")))["request_id"] is None


def test_a_line_for_a_person_tells_the_same() -> None:
    with working_for("req_7"):
        text = TextFormatter().format(_record("request", method="GET", status=200, actor=None))
    assert text.endswith("info    payments: request status=200 method=GET [req_7]")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key koba_test_AbCd1234_" + "x" * 38, "AbCd1234"),
        ("Authorization: Bearer s3cr3t-token", "s3cr3t-token"),
        ("postgresql://app:hush@127.0.0.1:5432/kobatela is down", "hush"),
        ("redis://:hush@127.0.0.1:6379/0", "hush"),
    ],
)
def test_secrets_are_blotted_out(text: str, secret: str) -> None:
    for formatter in (JsonFormatter(), TextFormatter()):
        assert secret not in formatter.format(_record(text))
    assert "[secret]" in without_secrets(text)


def test_an_error_keeps_its_traceback_and_loses_its_secrets() -> None:
    error = RuntimeError("no answer from redis://:hush@127.0.0.1/0")
    record = _record("failed")
    record.exc_info = (type(error), error, None)
    line = json.loads(JsonFormatter().format(record))
    assert "RuntimeError" in line["error"]
    assert "hush" not in line["error"]
