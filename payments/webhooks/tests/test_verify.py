"""The verifier: what is genuine, what is refused and why; and that nothing makes it raise."""

import hashlib
import hmac
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.webhooks.verify import Secret, Verdict, Verified, sign, verify

BODY = b'{"id": "evt_1", "type": "payment.settled"}'
NOW_S = 1_700_000_000
SECRETS = (Secret("new", b"a-new-secret"), Secret("old", b"an-old-secret"))


@dataclass(frozen=True)
class Delivery:
    """What arrives."""

    body: bytes = BODY
    timestamp: str | None = str(NOW_S)
    signature: str | None = ""
    secrets: tuple[Secret, ...] = SECRETS
    now_s: int = NOW_S

    def signed(self, secret: bytes = b"a-new-secret") -> "Delivery":
        """As the holder of `secret` signs it."""
        stamp = (self.timestamp or "").encode()
        return replace(self, signature=sign(secret, stamp, self.body).decode())

    def judged(self) -> Verified:
        """What the verifier says."""
        return verify(
            body=self.body,
            timestamp=self.timestamp,
            signature=self.signature,
            secrets=self.secrets,
            now_s=self.now_s,
            max_drift_s=300,
        )


def test_the_signature_is_the_hex_hmac_of_timestamp_dot_body() -> None:
    # Two public vectors, computed by others: Stripe's scheme over its test constants, and
    # GitHub's documented example (which has no timestamp).
    payload = (
        b'{\n  "id": "evt_test_webhook",\n  "object": "event",\n'
        b'  "data": { "object": { "id": "rdr_123", "object": "terminal.reader" } }\n}'
    )
    assert sign(b"whsec_test_secret", b"12345", payload) == (
        b"07b1ede164afb7b5de91267ffa656f568c65d6e0783ce0ac55ee094643578eda"
    )
    assert sign(b"whsec_test_secret", b"1700000000", payload) == (
        b"3bfab77baf5f7b6991a46c9b53b6547d7afc56148b10468fcad9f35c1992ffbd"
    )
    assert sign(b"whsec_test_secret", b"1614265330", b'{"id":"evt_test","object":"event"}') == (
        b"fbd6bf5496b9d6310e422a2c072578f95f5eb492111ab57a5510e9cd79c1b304"
    )
    github = hmac.new(b"It's a Secret to Everybody", b"Hello, World!", hashlib.sha256)
    assert github.hexdigest() == (
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


@pytest.mark.parametrize(("secret", "name"), [(b"a-new-secret", "new"), (b"an-old-secret", "old")])
def test_any_active_secret_signs_and_is_named(secret: bytes, name: str) -> None:
    assert Delivery().signed(secret).judged() == Verified(Verdict.GENUINE, secret_id=name)


def test_hex_may_be_in_capitals() -> None:
    delivery = Delivery().signed()
    assert delivery.signature is not None
    upper = replace(delivery, signature=delivery.signature.upper())
    assert upper.judged().verdict is Verdict.GENUINE


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_a_timestamp_within_the_drift_is_taken(seconds: int) -> None:
    delivery = Delivery(timestamp=str(NOW_S + seconds)).signed()
    assert delivery.judged().verdict is Verdict.GENUINE


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 362_000_000])
def test_drift_is_refused_in_both_directions_with_its_age(seconds: int) -> None:
    # The Stripe library takes a timestamp eleven years ahead; this one does not.
    delivery = Delivery(timestamp=str(NOW_S + seconds)).signed()
    assert delivery.judged() == Verified(Verdict.DRIFT, age_s=-seconds)


@pytest.mark.parametrize(
    "timestamp",
    ["-1", "+1700000000", "1.7e9", "1700000000.5", " 1700000000", "1700000000 ", "0x10", "1_0",
     "1" * 13, "1" * 5_000,
     "\u0661\u0667\u0660", "1700000000\n", "2023-11-14T22:13:20Z", "now", "\x00"],
)  # fmt: skip
def test_a_timestamp_that_is_not_one_to_twelve_digits_is_refused(timestamp: str) -> None:
    delivery = Delivery(timestamp=timestamp).signed()
    assert delivery.judged().verdict is Verdict.TIMESTAMP_INVALID


@pytest.mark.parametrize(
    ("timestamp", "signature"), [(None, "a"), ("", "a"), ("1", None), ("1", "")]
)
def test_a_header_that_is_not_there_is_missing(
    timestamp: str | None, signature: str | None
) -> None:
    delivery = Delivery(timestamp=timestamp, signature=signature)
    assert delivery.judged().verdict is Verdict.MISSING


@pytest.mark.parametrize(
    "signature",
    ["x", "é" * 64, "0" * 63, "0" * 65, "0" * 64, "v1,abc", "sha256=" + "0" * 64, "\ud800" * 64,
     "g" * 64, " " + "0" * 64],
)  # fmt: skip
def test_a_signature_that_is_none_is_invalid(signature: str) -> None:
    assert Delivery(signature=signature).judged().verdict is Verdict.SIGNATURE_INVALID


def test_without_a_secret_nothing_is_genuine() -> None:
    delivery = replace(Delivery().signed(b""), secrets=())
    assert delivery.judged().verdict is Verdict.UNVERIFIABLE


def test_the_signature_covers_timestamp_and_body() -> None:
    delivery = Delivery().signed()
    for changed in (
        replace(delivery, timestamp=str(NOW_S + 1)),
        replace(delivery, body=BODY + b" "),
        replace(delivery, body=b""),
        replace(delivery, secrets=(Secret("other", b"other"),)),
    ):
        assert changed.judged().verdict is Verdict.SIGNATURE_INVALID


@given(bit=st.integers(0, len(BODY) * 8 - 1))
def test_a_flipped_bit_is_noticed(bit: int) -> None:
    delivery = Delivery().signed()
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8
    assert replace(delivery, body=bytes(changed)).judged().verdict is Verdict.SIGNATURE_INVALID


@given(
    body=st.binary(max_size=200),
    timestamp=st.none() | st.text(max_size=40) | st.just(str(NOW_S)),
    signature=st.none() | st.text(max_size=80) | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)
def test_no_stranger_is_believed_and_nothing_raises(
    body: bytes, timestamp: str | None, signature: str | None
) -> None:
    delivery = Delivery(body=body, timestamp=timestamp, signature=signature)
    assert delivery.judged().verdict is not Verdict.GENUINE
