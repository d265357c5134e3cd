"""JSON from strangers."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kobatela.kernel.errors import DomainError, ValidationFailed
from kobatela.rest.errors import MalformedJSON
from kobatela.rest.parsers import MAX_DEPTH, parse_object
from kobatela.rest.tests.hostile import HOSTILE_BODIES


def test_fractions_are_exact() -> None:
    assert parse_object(b'{"a": 0.1, "b": 100, "c": 1e2}') == {
        "a": Decimal("0.1"),
        "b": 100,
        "c": Decimal("1e2"),
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"b": {"a": 1, "a": 1}}',
        b'{"a": ' + b"9" * 41 + b"}",
        b'{"a": 1e400}',
        b'{"a": 1e-400}',
        b'{"a": "\x00"}',
        b'\xff\xfe{"a": 1}',
        b'{"a": "\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
        b"{'a': 1}",
        b'{"a": 01}',
        b'{"a": 1} {"b": 2}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_json_as_we_take_it_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedJSON):
        parse_object(body)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        (b'{"a": "x\\u0000"}', "a", "null_characters_not_allowed"),
        (b'{"a": [{"b": "\\u0000"}]}', "a.0.b", "null_characters_not_allowed"),
        (b'{"a\\u0000": 1}', "body", "null_characters_not_allowed"),
        (b'{"a": "\\ud800"}', "a", "surrogate_characters_not_allowed"),
        (b"[]", "body", "not_an_object"),
        (b"1", "body", "not_an_object"),
        (b"null", "body", "not_an_object"),
    ],
)
def test_what_no_field_can_hold_is_refused_by_its_name(body: bytes, field: str, code: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        parse_object(body)
    assert refused.value.details["fields"][0]["field"] == field
    assert refused.value.details["fields"][0]["code"] == code


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_the_deepest_allowed_body_is_read() -> None:
    body: Any = parse_object(b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH)
    for _ in range(MAX_DEPTH):
        body = body["a"]
    assert body == 1


def _code(body: bytes) -> str:
    try:
        parse_object(body)
    except DomainError as error:
        return error.code
    return "TAKEN"


@pytest.mark.parametrize("body", HOSTILE_BODIES, ids=lambda body: repr(body[:24]))
def test_hostile_bodies_are_refused_or_read_but_never_break(body: bytes) -> None:
    assert _code(body) in {"MALFORMED_JSON", "VALIDATION_ERROR", "TAKEN"}


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(body: bytes) -> None:
    assert _code(body) in {"MALFORMED_JSON", "VALIDATION_ERROR", "TAKEN"}
