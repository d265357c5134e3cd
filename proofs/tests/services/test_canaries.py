"""Names, accounts, e-mails and phones of an escrow never leave in a request to the model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel.caller import Scope
from payments.tests.accounts import make_destination
from proofs.advisor import client
from proofs.models import AdviceRun, Proof
from proofs.services.advising import advise
from proofs.services.decisions import decide_proof
from proofs.states import ProofStatus
from proofs.tests.advised import read, turn_on
from proofs.tests.factories import PDF, claim, photo, site_escrow, submit
from proofs.tests.model_server import pictures_of, running
from spend.services.destinations import Destination
from spend.tests.factories import make_payee

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]

NAMES = (
    "Aïssatou Koné", "Moussa Traoré", "Fatoumata Bâ", "Jean-Baptiste Mbemba", "N'Guessan Kouadio",
    "Ousmane Sané", "BTP Horizon SARL", "Quincaillerie Diallo & Fils", "Mariam Cissé",
    "Yao Kouassi", "Clinique Sainte Rita", "Élodie Ndiaye", "Awa Sow",
    "Nathalie Lecœur", "Bjørn Ødegård",
)  # fmt: skip
IBANS = (
    "FR1420041010050500013M02606", "DE89370400440532013000", "GB82WEST12345698765432",
    "CI93CI0080111301134291200589", "SN08SN0100152000048500003035",
    "BF42BF0840101300463574000390", "CM2110002000300277976315008",
    "FR7630006000011234567890189", "BE68539007547034", "NL91ABNA0417164300",
    "CH9300762011623852957", "ES9121000418450200051332", "IT60X0542811101000000123456",
    "PT50000201231234567890154", "LU280019400644750000",
)  # fmt: skip
_TOWNS = (
    "abidjan", "bouake", "dakar", "thies", "bamako", "sikasso", "lome", "kara", "niamey", "zinder",
    "douala", "maroua", "yaounde", "conakry", "labe",
)  # fmt: skip
EMAILS = tuple(f"personne.{town}@courriel-{n}.example" for n, town in enumerate(_TOWNS))
PHONES = tuple(f"+22507{number:08d}" for number in range(41_526_300, 41_526_315))
CANARIES = (*NAMES, *IBANS, *EMAILS, *PHONES)
# As they are written by people of the place: by a short name alone, without letters that keyboards
# lack, and as a bank's own table of an account.
AT_HOME = {
    "Awa Sow": "chez Sow",
    "Nathalie Lecœur": "lot LECOEUR",
    "Bjørn Ødegård": "Odegard",
    "CI93CI0080111301134291200589": "CI008 01113 011342912005 89",
}


@dataclass(frozen=True)
class Case:
    """Twelve values of one escrow."""

    names: tuple[str, ...]
    ibans: tuple[str, ...]
    emails: tuple[str, ...]
    phones: tuple[str, ...]

    def spelled(self) -> str:
        """All of them, each as somebody else would write it."""
        ibans = (" ".join(iban[i : i + 4] for i in range(0, len(iban), 4)) for iban in self.ibans)
        phones = (f"00{phone[1:6]} " + "-".join(phone[6:]) for phone in self.phones)
        names = (f"{name.upper()} / {' '.join(reversed(name.split()))}" for name in self.names)
        emails = (email.upper() for email in self.emails)
        at_home = (AT_HOME[value] for value in (*self.names, *self.ibans) if value in AT_HOME)
        return "; ".join(chain(at_home, names, ibans, emails, phones))


CASES = [
    Case(*(values[n : n + 3] for values in (NAMES, IBANS, EMAILS, PHONES))) for n in range(0, 15, 3)
]


def sent_by(case: Case) -> Proof:
    """A photo whose escrow, milestone, claims and own metadata are full of them."""
    client_user = make_user(username=case.names[0], email=case.emails[0], phone=case.phones[0])
    provider = make_user(username=case.names[1], email=case.emails[1], phone=case.phones[1])
    make_destination(provider, "bank", iban=case.ibans[0], holder=case.names[1])
    make_destination(client_user, "mobile_money", operator="orange", number=case.phones[2])
    wanted: Mapping[str, Any] = {
        "expected_beneficiary": case.names[2],
        "expected_iban": case.ibans[1],
        "notes": case.spelled(),
        "something_new": case.spelled(),
    }
    escrow = site_escrow(
        client=client_user,
        provider=provider,
        terms={"label": case.spelled()[:200], "proof_requirements": wanted},
    )
    claims = {
        "beneficiary_name": case.names[2],
        "contact": {"email": case.emails[2], "mobile": case.phones[2]},
        "iban": case.ibans[2],
        "free": case.spelled(),
    }
    return submit(escrow, photo(software=case.spelled()[:250]), metadata=claims)


def document_of(case: Case) -> Proof:
    """An invoice that is full of them, read, with what was expected of it."""
    wanted = {"expected_iban": case.ibans[0], "expected_beneficiary": case.names[0]}
    escrow = site_escrow(
        client=make_user(username=case.names[1], email=case.emails[1], phone=case.phones[1]),
        provider=make_user(username=case.names[2], email=case.emails[2], phone=case.phones[2]),
        terms={"proof_kind": "INVOICE", "proof_requirements": wanted},
    )
    text = f"FACTURE\n{case.spelled()}\nTotal 10,00 EUR\n" + "\n".join(
        (*case.names, *case.ibans, *case.emails, *case.phones)
    )
    proof = submit(escrow, invoice(case.emails[0]), proof_type="INVOICE")
    return read(proof, text, iban=case.ibans[0], supplier=case.names[0], number=case.phones[0])


def document_paid_from(case: Case) -> Proof:
    """The same invoice where none is a party: payees, terms and an earlier proof name them all."""
    terms = {"proof_kind": "INVOICE", "proof_requirements": {"contact_name": case.names[2]}}
    escrow = site_escrow(
        terms=terms,
        release_conditions={
            "superviseur": {"nom": case.names[2], "courriel": case.emails[0]},
            "supervisor_name": case.names[1],
            "comptes": [case.ibans[2]],
        },
    )
    bank = Destination(kind="bank", fields={"iban": case.ibans[0]}, holder=case.names[1])
    wave = Destination(kind="mobile_money", fields={"operator": "wave", "number": case.phones[0]})
    make_payee(escrow, label=case.names[0], destination=bank)
    make_payee(escrow, label=case.names[0], destination=wave)
    earlier = claim(
        escrow,
        proof_type="INVOICE",
        metadata={
            "prénom et nom": case.names[1],
            "bénéficiaire": {"compte": case.ibans[1], "téléphones": [*case.phones[1:]]},
            "contact": [*case.emails[1:]],
        },
    )
    decide_proof(
        caller=make_caller(Scope.SUPPORT, make_user()),
        proof_id=earlier.pk,
        decision=ProofStatus.REJECTED,
        note="No file.",
    )
    at_home = "; ".join(f"vers {iban[4:]}" for iban in case.ibans)
    text = f"FACTURE\n{case.spelled()}\n{at_home}\nTotal 10,00 EUR\n"
    return read(submit(escrow, invoice("Facture"), proof_type="INVOICE"), text)


def invoice(title: str) -> bytes:
    return PDF.replace(b"<<>>", f"<</Title ({title})>>".encode())


@pytest.fixture
def watched(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A model that fails the test when one of them arrives, however it is spelled."""
    monkeypatch.setattr(client, "RETRY_AFTER_S", (0.0, 0.0))
    with running(canaries=(*CANARIES, *AT_HOME.values(), "lecoeur")) as server:
        turn_on(settings, server.url)
        yield server


def test_d39_none_of_sixty_canaries_leaves(watched: Any) -> None:
    assert len(set(CANARIES)) == 60

    for case in CASES:
        advise(proof_id=sent_by(case).pk)

    # Masked, and so asked: the last filter had nothing to stop.
    assert [run.status for run in AdviceRun.objects.all()] == ["advised"] * 5
    assert len(watched.bodies) == 5
    for body, text in zip(watched.bodies, watched.texts, strict=True):
        assert "[NAME_1]" in text
        assert "[IBAN_1]" in text
        assert "[EMAIL_1]" in text
        assert "[PHONE_1]" in text
        assert len(pictures_of(body)) == 1


def test_d39_none_of_them_leaves_with_a_document(watched: Any) -> None:
    for case in CASES:
        advise(proof_id=document_of(case).pk)

    assert [run.status for run in AdviceRun.objects.all()] == ["advised"] * 5
    for body, text in zip(watched.bodies, watched.texts, strict=True):
        assert "Total 10,00 EUR" in text
        assert '"name": "iban", "agrees": true' in text
        # What stands on a page cannot be masked in a picture of it.
        assert pictures_of(body) == []


def test_d39_none_of_those_leaves_who_are_only_paid_or_named(watched: Any) -> None:
    for case in CASES:
        advise(proof_id=document_paid_from(case).pk)

    assert [run.status for run in AdviceRun.objects.all()] == ["advised"] * 5
    for body, text, case in zip(watched.bodies, watched.texts, CASES, strict=True):
        assert "Total 10,00 EUR" in text
        assert not any(iban[4:] in text for iban in case.ibans)
        assert pictures_of(body) == []


def test_r5_if_the_masks_fail_the_last_filter_stops_every_request(
    watched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proofs.advisor.masking.Masker.text", lambda _self, text: text)

    for case in CASES:
        proof = sent_by(case)
        advise(proof_id=proof.pk)
        proof.refresh_from_db()
        assert "AI_UNAVAILABLE" in proof.review_reasons

    assert watched.bodies == []
    assert {run.reason for run in AdviceRun.objects.all()} == {"EGRESS_REFUSED"}
    assert {run.attempts for run in AdviceRun.objects.all()} == {0}


def test_nothing_of_them_is_kept_with_the_advice(watched: Any, caplog: Any) -> None:
    from audit.models import AuditEntry

    advise(proof_id=sent_by(CASES[0]).pk)

    kept = [*AuditEntry.objects.values_list("body", flat=True), caplog.text]
    for canary in (*CASES[0].ibans, *CASES[0].emails, *CASES[0].phones):
        assert not any(canary in text for text in kept)
