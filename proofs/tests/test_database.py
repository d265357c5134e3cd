"""What the database refuses, whatever the code does."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from proofs.models import Proof
from proofs.states import MACHINE_ACTOR
from proofs.tests.factories import claim, pending_proof, photo, site_escrow, submit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


@pytest.mark.parametrize(
    "change",
    [
        {"file_sha256": "00" * 32},
        {"upload_id": None},
        {"amount_minor": 1},
        {"metadata": {"other": "claims"}},
        {"submitted_actor": "apikey:other"},
        {"received_at": "2020-01-01T00:00:00Z"},
    ],
)
def test_evidence_is_not_changed_after_it_was_stored(change: Mapping[str, Any]) -> None:
    proof = pending_proof()

    with pytest.raises(DatabaseError), transaction.atomic():
        Proof.objects.filter(pk=proof.pk).update(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "REJECTED"},
        {"status": "PENDING", "decided_by": "", "decided_at": None},
        {"decided_by": "staff:1"},
        {"decision_note": "other words"},
    ],
)
def test_a_decision_is_not_changed_after_it_was_taken(change: Mapping[str, Any]) -> None:
    proof = submit(site_escrow(), photo())

    with pytest.raises(DatabaseError), transaction.atomic():
        Proof.objects.filter(pk=proof.pk).update(**change)


@pytest.mark.parametrize("statement", ["DELETE FROM proofs_proof", "TRUNCATE proofs_proof CASCADE"])
def test_proofs_are_not_deleted(statement: str) -> None:
    pending_proof()

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_milestone_has_one_pending_proof_at_most() -> None:
    proof = pending_proof()
    proof.pk = None
    proof.upload = None
    proof.file_sha256 = ""

    with pytest.raises(IntegrityError), transaction.atomic():
        proof.save(force_insert=True)


def test_no_claim_is_approved_by_a_machine() -> None:
    proof = claim(site_escrow())

    with pytest.raises(IntegrityError), transaction.atomic():
        Proof.objects.filter(pk=proof.pk).update(
            status="APPROVED", decided_by=MACHINE_ACTOR, decided_at=proof.created_at
        )


def test_nothing_is_decided_by_nobody() -> None:
    proof = pending_proof()

    with pytest.raises(IntegrityError), transaction.atomic():
        Proof.objects.filter(pk=proof.pk).update(status="APPROVED", decided_at=proof.created_at)
