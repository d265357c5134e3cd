"""The advisor's word in the console: shown as text, and with why there is none."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.asserts import assertContains, assertNotContains

from audit.models import Switch
from audit.services.switches import is_on
from kobatela.accounts.tests.factories import make_staff
from payments.selectors import payments_of
from proofs.models import Proof
from proofs.services.advising import advise
from proofs.states import ProofStatus
from proofs.tests.advised import model as model  # noqa: PLC0414
from proofs.tests.factories import pending_proof, photo, site_escrow, submit
from proofs.tests.model_server import ModelServer, Scripted, advice

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.console,
    pytest.mark.usefixtures("at_noon"),
]


def page_of(proof: Proof) -> str:
    return f"/admin/proofs/proof/{proof.pk}/change/"


@pytest.fixture
def support(client: Client) -> Client:
    client.force_login(make_staff("support"))
    return client


def advised(model: ModelServer, *said: Scripted | dict[str, object]) -> Proof:
    model.say(*said)
    proof = submit(site_escrow(), photo())
    advise(proof_id=proof.pk)
    return proof


def test_level_score_flags_explanation_model_and_moment_are_shown(
    support: Client, model: ModelServer
) -> None:
    said = advice("suspect", 0.125, ("screen_photographed",), explanation="Moiré on the wall.")
    proof = advised(model, said)

    page = support.get(page_of(proof))

    for text in (
        "suspect",
        "0.125",
        "screen_photographed",
        "Moiré on the wall.",
        "model-of-the-tests",
        "2026-11-24 12:00:00 UTC",
        "advisor&#x27;s word",
    ):
        assertContains(page, text)


def test_what_a_model_says_is_text_and_never_markup(support: Client, model: ModelServer) -> None:
    nasty = '<script>alert(1)</script><img src=x onerror="alert(2)">'
    proof = advised(model, advice("warning", 0.5, (nasty[:30],), explanation=nasty))

    page = support.get(page_of(proof))

    assertContains(page, "&lt;script&gt;alert(1)")
    assertNotContains(page, "<script>alert(1)")
    assertNotContains(page, "<img src=x")


def test_the_page_says_why_there_is_no_advice(support: Client, model: ModelServer) -> None:
    proof = advised(model, Scripted(status=401))

    assertContains(support.get(page_of(proof)), "No advice: misconfigured.")


def test_while_the_advisor_is_asked_the_page_says_so(support: Client, model: ModelServer) -> None:
    proof = submit(site_escrow(), photo())

    page = support.get(page_of(proof))

    assertContains(page, "The advisor is being asked.")
    assertContains(page, "The machine is not done with it yet")


def test_without_an_advisor_nothing_is_said_of_one(support: Client) -> None:
    assertNotContains(support.get(page_of(pending_proof())), "The advisor says")


def test_approving_against_the_advisor_asks_for_a_note_on_the_page(
    support: Client, model: ModelServer
) -> None:
    proof = advised(model, advice("warning", 0.5))
    verdict = f"/admin/proofs/proof/{proof.pk}/verdict/"

    refused = support.post(verdict, {"verdict": "approve", "note": ""})
    assertContains(refused, "AI_REVIEW_NOTE_REQUIRED")
    assert list(payments_of(proof.escrow_id)) == []

    support.post(verdict, {"verdict": "approve", "note": "Compared with the site plan."})
    proof.refresh_from_db()
    assert proof.status == ProofStatus.APPROVED
    assert len(payments_of(proof.escrow_id)) == 1


@pytest.mark.parametrize("path", ["advicerun", "advisorstate"])
def test_tries_and_the_breaker_are_listed_with_few_queries(
    support: Client, model: ModelServer, path: str
) -> None:
    for _ in range(3):
        advised(model, advice())

    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = support.get(f"/admin/proofs/{path}/")

    assert page.status_code == 200
    assert len(queries) <= 10


def test_the_switch_of_the_advisor_stands_in_the_console(client: Client) -> None:
    client.force_login(make_staff("admin"))
    switch = Switch.objects.get(pk="ai")

    page = client.get(f"/admin/audit/switch/{switch.pk}/change/")
    client.post(f"/admin/audit/switch/{switch.pk}/turn/", {"is_on": "off", "reason": "Costs."})

    assertContains(page, "Turn on or off")
    assert not is_on("ai")
