"""What a signed body says, and what is not believed to be an event."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kobatela.kernel.errors import DomainError
from kobatela.kernel.money import Money
from payments.errors import MissingEventId, WebhookBodyInvalid
from payments.webhooks.body import read_report


def body(**fields: Any) -> bytes:
    """An event in JSON."""
    return json.dumps({"id": "evt_1", "type": "payment.settled", **fields}).encode()


def test_an_event_is_read_whole() -> None:
    report = read_report(
        body(psp_ref="tr_1", payment_reference="koba_1", amount="10.50", currency="eur")
    )
    assert (report.provider, report.event_id, report.type) == (
        "default",
        "evt_1",
        "payment.settled",
    )
    assert (report.psp_ref, report.references) == ("tr_1", frozenset({"tr_1", "koba_1"}))
    assert report.money("XOF") == Money(1_050, "EUR")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b'{"event_id": "a", "id": "b"}', "a"),
        (b'{"id": "b"}', "b"),
        (b'{"event_id": "", "id": "b"}', "b"),
        (b'{"id": 17}', "17"),
    ],
)
def test_the_event_id_is_event_id_or_id(fields: bytes, expected: str) -> None:
    report = read_report(fields)
    assert (report.event_id, report.type) == (expected, "unknown")


@pytest.mark.parametrize("fields", [b"{}", b'{"id": ""}', b'{"id": null, "event_id": null}'])
def test_a_body_without_an_id_is_refused(fields: bytes) -> None:
    with pytest.raises(MissingEventId):
        read_report(fields)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"7", b"null", b'"x"', b"{", b'{"id": NaN}', b'{"id": "a", "id": "b"}',
     b"\xff\xfe", b'{"id": "a\x00b"}', b'{"id": "\\u0000"}', b'{"id": "\\ud800"}', b"[" * 100_000,
     b'{"id": {"a": 1}}', b'{"id": true}', b'{"id": "a b"}', b'{"id": 1.5}',
     b'{"id": "' + b"a" * 129 + b'"}', b'{"id": "a", "type": 4}', b'{"id": "a", "type": "A b"}',
     b'{"id": "a", "psp_ref": 7}', b'{"id": "a", "psp_ref": "x y"}',
     b'{"id": "a", "psp_ref": ["x"]}', b'{"id": "a", "provider": "x/y"}',
     b'{"id": "a", "currency": "EURO"}', b'{"id": "a", "amount": true}',
     b'{"id": "a", "amount": "1,00", "currency": "EUR"}',
     b'{"id": "a", "amount": "1.001", "currency": "EUR"}',
     b'{"id": "a", "amount": "-1.00", "currency": "EUR"}',
     b'{"id": "a", "amount": 0, "currency": "EUR"}',
     b'{"id": "a", "amount": 1e999999, "currency": "EUR"}',
     b'{"id": ' + b"1" * 5_000 + b"}"],
)  # fmt: skip
def test_d33_a_malformed_body_is_refused_and_never_breaks(content: bytes) -> None:
    with pytest.raises(WebhookBodyInvalid):
        read_report(content)


def test_an_amount_without_currency_is_in_the_objects_own() -> None:
    report = read_report(body(amount=5_000))
    assert report.amount == Decimal(5_000)
    assert report.money("XOF") == Money(5_000, "XOF")
    assert report.money("EUR") == Money(500_000, "EUR")
    assert read_report(body()).money("EUR") is None
    with pytest.raises(WebhookBodyInvalid):
        read_report(body(amount="10.5")).money("XOF")


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        read_report(content)
    except DomainError as refusal:
        assert isinstance(refusal, WebhookBodyInvalid | MissingEventId)  # noqa: PT017 - one of two
