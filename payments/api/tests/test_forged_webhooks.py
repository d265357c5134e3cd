"""Nothing that is not exactly what the PSP signed gets in, and nothing sent makes the door fall."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from audit.models import Alert
from conftest import Scaled
from kobatela.kernel import clock
from kobatela.rest.tests.client import Api
from payments.models import PspEvent
from payments.psp.tests.stripe_installation import WEBHOOK_SECRET
from payments.psp.tests.stripe_installation import stripe_server as stripe_server  # noqa: PLC0414
from payments.psp.tests.stripe_server import StripeServer
from payments.tests.stripe_events import signature as stripe_signature
from payments.webhooks.verify import sign

pytestmark = pytest.mark.django_db
SEED = 20261127
_REFUSED = {400, 401, 413, 415}


@dataclass
class Delivery:
    """One request to a door, as its PSP would make it until something is done to it."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def genuine(rng: random.Random) -> Delivery:
    """A well-signed event with an id of its own."""
    event = {
        "id": f"evt_{rng.getrandbits(64):x}",
        "type": rng.choice(["payment.settled", "payment.failed", "funding.succeeded"]),
        "psp_ref": f"tr_{rng.randrange(100)}",
        "amount": "100.00",
        "currency": "EUR",
    }
    body = json.dumps(event).encode()
    stamp = str(int(clock.now().timestamp()) + rng.randint(-200, 200))
    signed = sign(django_settings.PSP_WEBHOOK_SECRET.encode(), stamp.encode(), body).decode()
    return Delivery("/psp/webhook", body, {"X-PSP-Timestamp": stamp, "X-PSP-Signature": signed})


def genuine_of_stripe(rng: random.Random) -> Delivery:
    """The same at Stripe's door."""
    event = {"id": f"evt_{rng.getrandbits(64):x}", "object": "event", "type": "charge.succeeded",
             "livemode": False, "data": {"object": {"id": "ch_1"}}}  # fmt: skip
    body = json.dumps(event).encode()
    return Delivery("/psp/stripe/webhook", body, {"Stripe-Signature": stripe_signature(body)})


# --- What a forger does ---------------------------------------------------------------------------


def flip_a_bit_of_the_body(delivery: Delivery, rng: random.Random) -> None:
    """One bit of what was signed."""
    body = bytearray(delivery.body)
    body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    delivery.body = bytes(body)


def change_the_amount(delivery: Delivery, rng: random.Random) -> None:
    """The same event with another figure."""
    fields = json.loads(delivery.body)
    fields["amount"] = f"{rng.randrange(10**9)}.00"
    delivery.body = json.dumps(fields).encode()


def add_or_cut_bytes(delivery: Delivery, rng: random.Random) -> None:
    """White space that JSON does not mind, or an end that is missing."""
    extra = rng.choice([b" ", b"\n", b"\x00", b"\xef\xbb\xbf"])
    delivery.body = rng.choice([delivery.body + extra, extra + delivery.body, delivery.body[:-1]])


def change_a_header(delivery: Delivery, rng: random.Random) -> None:
    """One character of the signature or the timestamp."""
    name = rng.choice(list(delivery.headers))
    value = delivery.headers[name]
    at = rng.randrange(len(value))
    others = [letter for letter in "0123456789abcdef" if letter != value[at].lower()]
    delivery.headers[name] = value[:at] + rng.choice(others) + value[at + 1 :]


def replace_a_header(delivery: Delivery, rng: random.Random) -> None:
    """Something that follows no grammar."""
    junk = ["", " ", "-1", "1e9", "0x10", "١٢٣", "v1", "t=,v1=", "v1,g0hM", "," * 50, "0" * 63]
    junk += ["0" * 64, "f" * 65, "\x01", "é" * 40, "a" * 5_000, "t=1,t=2,v1=00", "None", "1" * 12]
    name = rng.choice(list(delivery.headers))
    delivery.headers[name] = rng.choice(junk).encode().decode("latin-1")


def leave_a_header_out(delivery: Delivery, rng: random.Random) -> None:
    """A request without one of them."""
    del delivery.headers[rng.choice(list(delivery.headers))]


def sign_with_another_secret(delivery: Delivery, rng: random.Random) -> None:
    """A secret that is near, the other door's, or none."""
    real = django_settings.PSP_WEBHOOK_SECRET
    secret = rng.choice([real[:-1], real + "x", real.upper() + "?", " " + real, "x"])
    if delivery.path == "/psp/webhook":
        stamp = delivery.headers["X-PSP-Timestamp"].encode()
        secret = rng.choice([secret, WEBHOOK_SECRET])
        signed = sign(secret.encode(), stamp, delivery.body).decode()
        delivery.headers["X-PSP-Signature"] = signed
    else:
        delivery.headers["Stripe-Signature"] = stripe_signature(delivery.body, secret=secret)


def make_it_stale(delivery: Delivery, rng: random.Random) -> None:
    """Truly signed, and more than five minutes from now in either direction."""
    off_s = rng.choice([-1, 1]) * rng.randint(302, 10**7)
    at_s = int(clock.now().timestamp()) + off_s
    if delivery.path == "/psp/webhook":
        secret = django_settings.PSP_WEBHOOK_SECRET.encode()
        signed = sign(secret, str(at_s).encode(), delivery.body).decode()
        delivery.headers = {"X-PSP-Timestamp": str(at_s), "X-PSP-Signature": signed}
    else:
        delivery.headers = {"Stripe-Signature": stripe_signature(delivery.body, at_s=at_s)}


def bring_it_to_the_other_door(delivery: Delivery, rng: random.Random) -> None:
    """What one PSP signed is not the other's word."""
    other = {"/psp/webhook": "/psp/stripe/webhook", "/psp/stripe/webhook": "/psp/webhook"}
    delivery.path = other[delivery.path]


FORGERIES: tuple[Callable[[Delivery, random.Random], None], ...] = (
    flip_a_bit_of_the_body,
    change_the_amount,
    add_or_cut_bytes,
    change_a_header,
    replace_a_header,
    leave_a_header_out,
    sign_with_another_secret,
    make_it_stale,
    bring_it_to_the_other_door,
)


def test_no_forged_or_altered_delivery_is_accepted_and_none_breaks_the_door(
    stripe_server: StripeServer, scaled: Scaled, settings: Settings
) -> None:
    # The door itself is tried, not the guard who turns away whoever knocks too often.
    settings.KOBATELA_THROTTLE_PER_MINUTE = settings.KOBATELA_THROTTLE_FAILURES_PER_MINUTE = 10**6
    rng = random.Random(SEED)  # noqa: S311 - drawn forgeries, not secrets
    api, answers = Api(), Counter[int]()
    for number in range(scaled(ci=1_800, soak=50_000)):
        delivery = rng.choice([genuine, genuine_of_stripe])(rng)
        forge = FORGERIES[number % len(FORGERIES)]
        forge(delivery, rng)
        answer = api.post(
            delivery.path,
            data=delivery.body,
            content_type="application/json",
            headers=delivery.headers,
        )
        assert answer.status in _REFUSED, (number, forge.__name__, delivery, answer)
        answers[answer.status] += 1
    assert not PspEvent.objects.exists()
    assert not Alert.objects.filter(type__startswith="PSP_EVENT").exists()
    # The same deliveries with nothing done to them get in: it is the forgery that is refused.
    for make in (genuine, genuine_of_stripe):
        delivery = make(rng)
        answer = api.post(
            delivery.path,
            data=delivery.body,
            content_type="application/json",
            headers=delivery.headers,
        )
        assert answer.status == 200, answer.body
    assert PspEvent.objects.count() == 2
