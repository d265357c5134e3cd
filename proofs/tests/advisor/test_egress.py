"""The last look at the bytes: what the escrow knows of people does not leave, however spelled."""

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from PIL import Image

from proofs.advisor import client
from proofs.advisor.context import Context
from proofs.advisor.egress import EgressRefused, check_body
from proofs.advisor.known import KnownValues
from proofs.advisor.prompt import PICTURE_PREFIX, VOCABULARY, make_prompt
from proofs.advisor.reply import Missing, Reply, Server
from proofs.tests.model_server import API_KEY, MODEL, ModelServer, running

KNOWN = KnownValues(
    names=frozenset(
        {
            "Aïssatou Koné",
            "Nathalie Lecœur",
            "Awa Sow",
            "Bjørn Ødegård",
            "Ali Bâ",
            "Jean de la Tour",
            "Entreprise Dia",
        }
    ),
    emails=frozenset({"awa@example.org"}),
    phones=frozenset({"+2250708091011"}),
    accounts=frozenset({"FR7630006000011234567890189", "CI93CI0080111301134291200589"}),
    vocabulary=VOCABULARY,
)


def body(text: Any) -> bytes:
    """A request whose user says this, with JSON's own escapes in it."""
    return json.dumps({"messages": [{"role": "user", "content": text}]}).encode()


def refusal(sent: bytes) -> str | None:
    try:
        check_body(sent, KNOWN)
    except EgressRefused as refused:
        return refused.kind
    return None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Aïssatou Koné", "NAME"),
        ("AISSATOU  KONE", "NAME"),
        ("kone.aissatou", "NAME"),
        ("\\u200bAi\u0308ssatou Kone\u0301", "NAME"),
        ("xAissatouKonex", "NAME"),
        ("Madame Koné", "NAME"),
        ("AWA@EXAMPLE.ORG", "EMAIL"),
        ("awa @example.org", "EMAIL"),
        ("07 08 09 10 11", "PHONE"),
        ("(225) 07-08-09-10-11", "PHONE"),
        ("FR76 3000 6000 0112 3456 7890 189", "IBAN"),
        ("fr76-3000-6000-0112-3456-7890-189", "IBAN"),
        ("30006 00001 12345678901 89", "IBAN"),
        ("CI008 01113 011342912005 89", "IBAN"),
        ("code 008, 01113, 011342912005-89", "IBAN"),
        ("Lot LECOEUR", "NAME"),
        ("M. Lecœur", "NAME"),
        ("BJORN ODEGARD", "NAME"),
        ("chez Sow", "NAME"),
        ("SOW, demain", "NAME"),
        ("la maison de Ba", "NAME"),
        ("mme bâ", "NAME"),
        ({"Aïssatou Koné": 1}, "NAME"),
        ([[{"deep": "awa@example.org"}]], "EMAIL"),
        (708091011, "PHONE"),
    ],
)
def test_a_known_value_stops_the_request(text: Any, kind: str) -> None:
    assert refusal(body(text)) == kind


def test_what_is_free_of_them_may_leave() -> None:
    assert refusal(body("A photo of 12 bags, [NAME_1], 1250.00 EUR, kone-free")) == "NAME"
    assert refusal(body("A photo of 12 bags, [NAME_1], 1250.00 EUR")) is None


@pytest.mark.parametrize(
    "text",
    [
        "DE LA CHAUX, de la peinture",
        "we sow grass, ils ont ali",
        "Bâtiment, Base, SOWETO, tombola",
        "Dia 12 mm",  # of a firm, and a diameter
        "CI008 01113 011342912006 89",
    ],
)
def test_words_that_are_only_like_short_names_may_leave(text: str) -> None:
    assert refusal(body(text)) is None


@pytest.mark.parametrize("sent", [b"", b"\xff", b"not json", b"[" * 100_000])
def test_what_is_no_json_does_not_leave(sent: bytes) -> None:
    assert refusal(sent) == "not JSON"


def picture(**how: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "grey").save(file, "JPEG", **how)
    return file.getvalue()


def with_owner() -> bytes:
    exif = Image.Exif()
    exif[0x9286] = "somebody"
    return picture(exif=exif)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (picture, None),
        (lambda: picture(comment=b"by AWA@example.org"), "a picture with text"),
        (with_owner, "a picture with metadata"),
        (lambda: b"%PDF-1.7", "a picture with metadata"),
    ],
)
def test_a_picture_carries_pixels_only(make: Callable[[], bytes], kind: str | None) -> None:
    url = PICTURE_PREFIX + base64.b64encode(make()).decode()

    assert refusal(body([{"image_url": {"url": url}}])) == kind


def test_what_only_calls_itself_a_picture_does_not_leave() -> None:
    assert refusal(body(PICTURE_PREFIX + "Aïssatou Koné")) == "not a picture"


def ask(server: ModelServer, text: str) -> Reply:
    context = Context(blocks={"document": text}, picture=None, looks_like_injection=False)
    where = Server(base_url=server.url, api_key=API_KEY, model=MODEL, timeout_s=5)
    return client.ask_model(make_prompt(context), server=where, known=KNOWN)


def test_d39_whatever_a_mistake_before_lets_through_is_stopped_on_the_wire() -> None:
    with running(canaries=("Aïssatou Koné",)) as server:
        stopped = ask(server, "Facture de Aïssatou Koné")
        passed = ask(server, "Facture de [NAME_1]")

    assert (stopped.missing, stopped.attempts, stopped.advice) == (Missing.EGRESS_REFUSED, 0, None)
    assert passed.advice is not None
    assert len(server.bodies) == 1


def test_the_library_has_no_other_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def look(sent: bytes, known: KnownValues) -> None:
        seen.append(sent)
        raise EgressRefused("TEST")

    monkeypatch.setattr(client, "check_body", look)
    with running() as server:
        reply = ask(server, "anything")

    assert len(seen) == 1
    assert json.loads(seen[0])["model"] == MODEL
    assert (reply.missing, server.bodies) == (Missing.EGRESS_REFUSED, [])


def test_a_redirect_takes_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(httpx2.BaseTransport):
        calls = 0

        def __init__(self, **_how: Any) -> None:
            pass

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            Elsewhere.calls += 1
            return httpx2.Response(307, headers={"Location": "http://127.0.0.1:9/elsewhere"})

    monkeypatch.setattr(httpx2, "HTTPTransport", Elsewhere)
    with running() as server:
        reply = ask(server, "anything")

    assert Elsewhere.calls == 1
    assert (reply.missing, reply.advice) == (Missing.CALL_REFUSED, None)
