"""Whether a body is Stripe's own; Stripe's library says what a good signature is."""

import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from payments.webhooks.stripe_signature import verify_stripe
from payments.webhooks.verify import Secret, Verdict, Verified

NOW_S = 1_700_000_000
BODY = b'{"id": "evt_1", "type": "transfer.created", "note": "\xc3\xa9"}'
NEW, OLD = Secret("new", b"whsec_new"), Secret("old", b"whsec_old")


@dataclass(frozen=True)
class Delivery:
    """One delivery as it arrives."""

    body: bytes = BODY
    header: str | None = None
    secrets: tuple[Secret, ...] = (NEW, OLD)
    now_s: int = NOW_S

    def signed(self, secret: Secret = NEW, at_s: int = NOW_S) -> "Delivery":
        """As Stripe signs it."""
        header = stripe.WebhookSignature.generate_signature_header(
            self.body.decode(), secret.value.decode(), at_s
        )
        return replace(self, header=header)

    def judged(self) -> Verified:
        """What the verifier says."""
        return verify_stripe(
            body=self.body,
            header=self.header,
            secrets=self.secrets,
            now_s=self.now_s,
            max_drift_s=300,
        )


def items(delivery: Delivery) -> tuple[str, str]:
    """The two items of a signed header: t=… and v1=…."""
    assert delivery.header is not None
    stamp, claim = delivery.header.split(",")
    return stamp, claim


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_what_stripe_signs_is_genuine_and_its_secret_is_named(secret: Secret) -> None:
    assert Delivery().signed(secret).judged() == Verified(Verdict.GENUINE, secret_id=secret.id)


@pytest.mark.parametrize(
    ("stamp", "claim"),
    [
        (12_345, "07b1ede164afb7b5de91267ffa656f568c65d6e0783ce0ac55ee094643578eda"),
        (1_700_000_000, "3bfab77baf5f7b6991a46c9b53b6547d7afc56148b10468fcad9f35c1992ffbd"),
    ],
)
def test_the_vectors_over_the_librarys_test_constants(stamp: int, claim: str) -> None:
    payload = (
        b'{\n  "id": "evt_test_webhook",\n  "object": "event",\n'
        b'  "data": { "object": { "id": "rdr_123", "object": "terminal.reader" } }\n}'
    )
    delivery = Delivery(
        body=payload,
        header=f"t={stamp},v1={claim}",
        secrets=(Secret("s", b"whsec_test_secret"),),
        now_s=stamp,
    )
    assert delivery.judged().verdict is Verdict.GENUINE
    assert replace(delivery, body=payload + b"\n").judged().verdict is Verdict.SIGNATURE_INVALID


def test_the_vector_of_the_reference() -> None:
    claim = "fbd6bf5496b9d6310e422a2c072578f95f5eb492111ab57a5510e9cd79c1b304"
    delivery = Delivery(
        body=b'{"id":"evt_test","object":"event"}',
        header=f"t=1614265330,v1={claim}",
        secrets=(Secret("s", b"whsec_test_secret"),),
        now_s=1_614_265_330,
    )
    assert delivery.judged().verdict is Verdict.GENUINE


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_a_timestamp_within_the_tolerance_is_taken(seconds: int) -> None:
    assert Delivery().signed(at_s=NOW_S + seconds).judged().verdict is Verdict.GENUINE


@pytest.mark.parametrize("seconds", [-301, 301, 993_600, 362_000_000])
def test_the_tolerance_holds_in_both_directions_unlike_the_librarys(seconds: int) -> None:
    delivery = Delivery().signed(at_s=NOW_S + seconds)
    assert delivery.judged() == Verified(Verdict.DRIFT, age_s=-seconds)


def test_any_of_several_signatures_may_be_the_right_one() -> None:
    stamp, claim = items(Delivery().signed())
    other, junk = items(Delivery().signed(OLD))[1], "v1=" + "0" * 64
    for header in (
        f"{stamp},{junk},{claim}",
        f"{stamp},{claim},{junk}",
        f"{claim},{stamp}",
        f"{stamp},v0=abc,{claim},v2=def,x",
        f"{stamp},v1=,v1=junk,{claim}",
    ):
        assert Delivery(header=header).judged() == Verified(Verdict.GENUINE, secret_id="new")
    both = Delivery(header=f"{stamp},{other},{claim}")
    assert both.judged().verdict is Verdict.GENUINE
    assert replace(both, secrets=(OLD,)).judged() == Verified(Verdict.GENUINE, secret_id="old")


def test_a_header_of_many_signatures_is_not_looked_at() -> None:
    stamp, claim = items(Delivery().signed())
    junk = ",".join(["v1=" + "0" * 64] * 10)
    assert Delivery(header=f"{stamp},{claim},{junk}").judged().verdict is Verdict.SIGNATURE_INVALID
    endless = f"{stamp},{'x' * 5_000},{claim}"
    assert Delivery(header=endless).judged().verdict is Verdict.MISSING


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        (None, Verdict.MISSING),
        ("", Verdict.MISSING),
        ("t=1700000000", Verdict.MISSING),
        ("t=1700000000,v0={claim}", Verdict.MISSING),
        ("t=1700000000,V1={claim}", Verdict.MISSING),
        ("t=1700000000,v1 ={claim}", Verdict.MISSING),
        ("t=1700000000,v2={claim}", Verdict.MISSING),
        ("v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t= 1700000000,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=1700000000 ,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=-1700000000,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=+1700000000,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=1_700_000_000,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=1.7e9,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=\u0661\u0667,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=0001700000000,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=1700000000=1,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=1700000000,t=1700000000,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=1600000000,t=1700000000,v1={claim}", Verdict.TIMESTAMP_INVALID),
        ("t=1700000000,v1=é", Verdict.SIGNATURE_INVALID),
        ("t=1700000000,v1=\ud800", Verdict.SIGNATURE_INVALID),
        ("t=1700000000,v1=x{claim}", Verdict.SIGNATURE_INVALID),
        ("t=1700000000,v1={claim}0", Verdict.SIGNATURE_INVALID),
        ("t=1700000000,v1= {claim}", Verdict.SIGNATURE_INVALID),
    ],
)
def test_a_header_that_is_not_stripes_is_refused_with_its_reason(
    header: str | None, verdict: Verdict
) -> None:
    claim = items(Delivery().signed())[1].removeprefix("v1=")
    told = header and header.replace("{claim}", claim)
    assert Delivery(header=told).judged().verdict is verdict


def test_the_signature_covers_timestamp_and_body_and_needs_the_secret() -> None:
    stamp, claim = items(Delivery().signed())
    for changed in (
        Delivery(header=f"t={NOW_S + 1},{claim}"),
        Delivery(header=f"{stamp},{claim}", body=BODY + b" "),
        Delivery(header=f"{stamp},{claim}", body=b""),
        Delivery(header=f"{stamp},{claim}", secrets=(Secret("x", b"other"),)),
    ):
        assert changed.judged().verdict is Verdict.SIGNATURE_INVALID
    nobody = Delivery(header=f"{stamp},{claim}", secrets=())
    assert nobody.judged().verdict is Verdict.UNVERIFIABLE


def test_a_body_that_is_no_text_is_judged_like_any_other() -> None:
    # The library raises on it.
    body = b"\xff\xfe\x00"
    signed = hmac.new(NEW.value, f"{NOW_S}.".encode() + body, hashlib.sha256).hexdigest()
    delivery = Delivery(body=body, header=f"t={NOW_S},v1={signed}")
    assert delivery.judged().verdict is Verdict.GENUINE


@given(bit=st.integers(0, len(BODY) * 8 - 1))
def test_a_flipped_bit_is_noticed(bit: int) -> None:
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8
    delivery = Delivery().signed()
    assert replace(delivery, body=bytes(changed)).judged().verdict is Verdict.SIGNATURE_INVALID


_ITEM = st.sampled_from(["t", "v1", "v0", "", "T"]) | st.text(max_size=4)
_VALUE = st.text(max_size=70) | st.from_regex("[0-9a-f]{64}") | st.just(str(NOW_S))


@given(
    body=st.binary(max_size=100),
    header=st.none() | st.text() | st.lists(st.tuples(_ITEM, _VALUE), max_size=14),
)
def test_no_stranger_is_believed_and_nothing_raises(body: bytes, header: Any) -> None:
    if isinstance(header, list):
        header = ",".join(f"{name}={value}" for name, value in header)
    assert Delivery(body=body, header=header).judged().verdict is not Verdict.GENUINE
