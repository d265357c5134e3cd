"""Two people approve a large sum, each for a reason of their own: both reasons are kept."""

import json

import pytest

from audit.models import AuditEntry
from kobatela.accounts.models import Approval
from kobatela.accounts.tests.factories import make_caller, make_key, make_user
from kobatela.kernel.caller import Caller, Scope
from kobatela.rest.tests.client import Api
from proofs.models import Proof
from proofs.services.decisions import decide_proof
from proofs.states import ProofStatus
from proofs.tests.factories import claim, site_escrow

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


def approve(proof: Proof, caller: Caller, note: str) -> None:
    decide_proof(caller=caller, proof_id=proof.pk, decision=ProofStatus.APPROVED, note=note)


def test_both_peoples_notes_are_kept_and_read_by_staff_alone() -> None:
    proof = claim(site_escrow(1_000_001))
    one, two = (make_caller(Scope.SUPPORT, make_user()) for _ in range(2))

    approve(proof, one, "FIRST NOTE why")
    approve(proof, two, "SECOND")

    proof.refresh_from_db()
    assert proof.decision_note == "SECOND"
    row = Approval.objects.get()
    assert (row.first_note, row.second_note, row.note) == ("FIRST NOTE why", "SECOND", "")
    told = AuditEntry.objects.filter(action__startswith="approval.").order_by("pk")
    assert [(entry.action, json.loads(entry.body)["has_note"]) for entry in told] == [
        ("approval.given", True),
        ("approval.granted", True),
    ]
    # Words are no entry's: they may name people, and an entry is for ever.
    assert not any("FIRST" in entry.body for entry in AuditEntry.objects.all())

    read = Api(make_key(Scope.SUPPORT)[1]).get(f"/proofs/{proof.pk}").json
    assert [(word["actor"], word["note"]) for word in read["approved_by"]] == [
        (one.actor, "FIRST NOTE why"),
        (two.actor, "SECOND"),
    ]
    of_party = Api(make_key(Scope.SENDER, proof.client)[1]).get(f"/proofs/{proof.pk}").json
    assert not {"approvals", "approved_by"} & set(of_party)
    assert "FIRST" not in str(of_party)


def test_a_first_note_stays_with_its_approval_when_somebody_rejects() -> None:
    proof = claim(site_escrow(1_000_001))
    one, two = (make_caller(Scope.SUPPORT, make_user()) for _ in range(2))
    approve(proof, one, "FIRST NOTE why")

    decide_proof(caller=two, proof_id=proof.pk, decision=ProofStatus.REJECTED, note="No file.")

    row = Approval.objects.get()
    assert (row.status, row.first_note, row.note) == ("WITHDRAWN", "FIRST NOTE why", "No file.")
