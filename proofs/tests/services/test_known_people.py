"""Whom an escrow knows, wherever it has them from."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from escrow.checks import check_outsiders_source
from escrow.models import Escrow
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel.caller import Scope
from payments.tests.accounts import make_destination
from proofs.advisor.known import KnownValues
from proofs.models import AdviceRun
from proofs.selectors import get_proof_for_advice
from proofs.services import known_people
from proofs.services.advising import advise
from proofs.services.decisions import decide_proof
from proofs.services.known_people import known_values
from proofs.states import ProofStatus
from proofs.tests.advised import model
from proofs.tests.factories import claim, photo, site_escrow, submit
from proofs.tests.model_server import ModelServer
from spend.services.destinations import Destination
from spend.services.permissions import take_back_payee
from spend.tests.conftest import psp
from spend.tests.factories import buy, make_mandate, make_merchant, make_payee, pay

__all__ = ["model", "psp"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]

IBAN = "FR7630006000011234567890189"
OTHER_IBAN = "DE89370400440532013000"


def known_to(escrow: Escrow) -> KnownValues:
    """What is known when advice on a new photo is asked for."""
    return known_values(get_proof_for_advice(submit(escrow, photo()).pk))


def bank(iban: str = IBAN, holder: str = "") -> Destination:
    return Destination(kind="bank", fields={"iban": iban}, holder=holder)


def test_d39_who_may_be_paid_is_known_with_every_account_also_when_taken_back() -> None:
    escrow = site_escrow()
    make_payee(escrow, label="Boubacar Traore", destination=bank(holder="Sira Traore"))
    number = {"operator": "orange", "number": "+22507080910"}
    gone = make_payee(
        escrow, label="Kadi Diarra", destination=Destination(kind="mobile_money", fields=number)
    )
    take_back_payee(caller=make_caller(Scope.SUPPORT), payee_id=gone.pk)
    user = make_user(username="Nana Keita", email="nana@example.org", phone="+22376543210")
    make_destination(user, "bank", iban=OTHER_IBAN, holder="N. Keita")
    make_payee(escrow, label="The mason", destination=Destination(user_id=user.pk))
    make_payee(label="Somebody Elsewhere", destination=bank("GB82WEST12345698765432"))

    known = known_to(escrow)

    assert {
        "Boubacar Traore",
        "Sira Traore",
        "Kadi Diarra",
        "Nana Keita",
        "N. Keita",
    } <= known.names
    assert "Somebody Elsewhere" not in known.names
    assert {IBAN, OTHER_IBAN} == known.accounts
    assert {"+22507080910", "+22376543210"} <= known.phones
    assert "nana@example.org" in known.emails


def test_d39_who_spends_of_an_escrow_and_where_is_known(psp: Any) -> None:
    escrow = site_escrow(100_000, amount_total_minor=150_000)
    spender = make_user(username="Hawa Camara", email="hawa@example.org")
    named = make_merchant(name="Chez Mamadou Barry")
    sells = make_merchant(name="Depot Alpha Balde", destination=bank(holder="Alpha Balde"))
    buy(make_mandate(beneficiary=spender, escrow=escrow), 1_000, sells)
    other = make_user(username="Binta Sylla")
    make_mandate(beneficiary=other, escrow=escrow, allowed_merchant_id=named.pk)

    known = known_to(escrow)

    assert {"Hawa Camara", "Binta Sylla", "Chez Mamadou Barry", "Alpha Balde"} <= known.names
    assert "Depot Alpha Balde" in known.names
    assert "hawa@example.org" in known.emails
    assert IBAN in known.accounts


def test_d39_whom_the_terms_and_earlier_proofs_name_is_known_in_both_languages() -> None:
    escrow = site_escrow(
        100_000,
        100_000,
        terms={
            "proof_requirements": {
                "contact_name": "Salif Kouyate",
                "fournisseur": {"nom": "Depot Koulibaly", "téléphone": "771112233"},
                "expected_beneficiary": "Sekou Doumbia",
                "expected_iban": IBAN,
            }
        },
        release_conditions={
            "supervisor_name": "Djeneba Coulibaly",
            "témoins": ["Modibo Sidibe", {"courriel": "temoin@example.org"}],
            "n° de compte": "0123456789012345",
        },
    )
    earlier = claim(
        escrow,
        metadata={"prénom": "Oumou Sangare", "titulaire": "Lassana Dembele", "rib": "ML016012"},
    )
    decide_proof(
        caller=make_caller(Scope.SUPPORT, make_user()),
        proof_id=earlier.pk,
        decision=ProofStatus.REJECTED,
        note="No file.",
    )

    known = known_to(escrow)

    assert {
        "Salif Kouyate", "Depot Koulibaly", "Sekou Doumbia", "Djeneba Coulibaly", "Modibo Sidibe",
        "Oumou Sangare", "Lassana Dembele",
    } <= known.names  # fmt: skip
    assert {IBAN, "0123456789012345", "ML016012"} == known.accounts
    assert "771112233" in known.phones
    assert "temoin@example.org" in known.emails


def test_who_is_known_is_asked_in_as_many_queries_whoever_many_they_are(psp: Any) -> None:
    escrow = site_escrow(100_000, amount_total_minor=150_000)
    proof = get_proof_for_advice(claim(escrow).pk)
    counts = []
    for number in range(3):
        payee = make_payee(escrow, label=f"Payee {number}", destination=bank())
        pay(payee, 1_000)
        buy(make_mandate(escrow=escrow), 1_000, make_merchant())
        with CaptureQueriesContext(connection) as asked:
            known_values(proof)
        counts.append(len(asked))

    assert counts == [9, 9, 9]


def test_where_more_are_known_than_can_be_looked_for_nothing_is_asked(
    model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    escrow = site_escrow()
    proof = submit(escrow, photo())
    monkeypatch.setattr(known_people, "MAX_KNOWN", 3)

    advise(proof_id=proof.pk)

    proof.refresh_from_db()
    assert (proof.status, proof.review_reasons) == ("PENDING", ["AI_UNAVAILABLE"])
    assert AdviceRun.objects.get().reason == "EGRESS_REFUSED"
    assert model.bodies == []


def test_an_installation_in_which_nobody_knows_who_is_paid_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert check_outsiders_source(None) == []

    monkeypatch.setattr("escrow.hooks._sources", [])

    assert [error.id for error in check_outsiders_source(None)] == ["escrow.E004"]
