"""What the escrow decides, it decides for the proofs that wait as well."""

import pytest
from django.db import transaction

from audit.models import AuditEntry, OutboxEvent
from escrow.services.acceptance import approve_escrow
from escrow.services.disputes import open_dispute
from escrow.services.journal import Said
from escrow.services.refunds import refund_escrow
from escrow.tests.factories import as_client, as_provider
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel.caller import Scope
from proofs.services.decisions import decide_proof
from proofs.states import CLOSE_ACTOR, ProofStatus
from proofs.tests.factories import pending_proof, site_escrow

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


def test_the_client_who_accepts_the_work_accepts_its_pending_proof() -> None:
    proof = pending_proof()
    client = as_client(proof.escrow)

    approve_escrow(caller=client, escrow_id=proof.escrow_id, said=Said())

    proof.refresh_from_db()
    assert (proof.status, proof.decided_by) == (ProofStatus.APPROVED, client.actor)
    assert AuditEntry.objects.filter(action="proof.approved").count() == 1
    assert not AuditEntry.objects.filter(action="proof.rejected").exists()


def test_a_refund_rejects_the_pending_proof_and_tells_the_provider() -> None:
    proof = pending_proof()

    refund_escrow(caller=as_provider(proof.escrow), escrow_id=proof.escrow_id, amount_in=None)

    proof.refresh_from_db()
    assert (proof.status, proof.decided_by) == (ProofStatus.REJECTED, CLOSE_ACTOR)
    assert proof.decision_note == "The escrow was closed."
    assert OutboxEvent.objects.get(event="proof.rejected").audience == [proof.provider_id]


def test_a_dispute_leaves_the_pending_proof_as_it_is() -> None:
    proof = pending_proof()

    open_dispute(caller=as_client(proof.escrow), escrow_id=proof.escrow_id, said=Said())

    proof.refresh_from_db()
    assert proof.status == ProofStatus.PENDING


def test_a_closed_escrow_takes_back_a_first_approval() -> None:
    proof = pending_proof(site_escrow(1_000_001))
    decide_proof(
        caller=make_caller(Scope.SUPPORT, make_user()),
        proof_id=proof.pk,
        decision=ProofStatus.APPROVED,
        note="",
    )

    refund_escrow(caller=as_provider(proof.escrow), escrow_id=proof.escrow_id, amount_in=None)

    assert AuditEntry.objects.filter(action="approval.withdrawn").count() == 1


def test_what_is_rolled_back_decides_nothing() -> None:
    proof = pending_proof()

    with pytest.raises(RuntimeError), transaction.atomic():
        approve_escrow(caller=as_client(proof.escrow), escrow_id=proof.escrow_id, said=Said())
        raise RuntimeError

    proof.refresh_from_db()
    assert proof.status == ProofStatus.PENDING
