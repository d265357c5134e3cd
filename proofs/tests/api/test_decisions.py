"""Deciding over the API: who may, in which words, and what refuses."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from kobatela.accounts.tests.factories import make_key, make_user
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Api
from payments.selectors import payments_of
from proofs.models import Proof
from proofs.tests.factories import pending_proof, photo, site_escrow, submit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


def api(scope: Scope, user: Any = None) -> Api:
    return Api(make_key(scope, user)[1])


def provider_of(escrow: Any) -> Api:
    return api(Scope.PROVIDER, escrow.provider)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("approve", "APPROVED"),
        ("approved", "APPROVED"),
        ("reject", "REJECTED"),
        ("rejected", "REJECTED"),
    ],
)
def test_support_decides_in_either_word(word: str, status: str) -> None:
    proof = pending_proof()
    user = make_user()

    answer = api(Scope.SUPPORT, user).post(
        f"/proofs/{proof.pk}/decision", json={"decision": word, "note": "Seen."}
    )

    assert (answer.status, answer.json["status"]) == (200, status)
    assert answer.json["decision_note"] == "Seen."
    assert answer.json["ai_reviewed_by"].startswith("apikey:")
    assert answer.json["ai_reviewed_at"] is not None


def test_refusals_of_decisions_have_their_codes() -> None:
    approved, pending = submit(site_escrow(), photo()), pending_proof()
    support = api(Scope.SUPPORT)

    def decide(proof: Proof, sender: Api = support, **body: Any) -> tuple[int, str]:
        answer = sender.post(f"/proofs/{proof.pk}/decision", json=body)
        return answer.status, answer.code

    assert decide(approved, decision="reject", note="x") == (409, "PROOF_ALREADY_APPROVED")
    assert decide(pending, decision="reject") == (400, "DECISION_NOTE_REQUIRED")
    assert decide(pending, decision="maybe") == (422, "VALIDATION_ERROR")
    sender = api(Scope.SENDER, pending.client)
    assert decide(pending, sender, decision="approve") == (403, "INSUFFICIENT_SCOPE")
    provider = provider_of(pending.escrow)
    assert decide(pending, provider, decision="approve") == (403, "INSUFFICIENT_SCOPE")
    party = api(Scope.SUPPORT, pending.client)
    assert decide(pending, party, decision="approve") == (403, "OWN_PROOF_FORBIDDEN")
    Proof.objects.filter(pk=pending.pk).update(processing="queued")
    assert decide(pending, decision="approve") == (409, "PROOF_PROCESSING")


def test_a_first_approval_of_a_large_amount_answers_the_proof_as_it_stands() -> None:
    proof = pending_proof(site_escrow(1_000_001))

    first = api(Scope.SUPPORT, make_user()).post(
        f"/proofs/{proof.pk}/decision", json={"decision": "approve"}
    )
    listed = api(Scope.SUPPORT).get(f"/proofs/{proof.pk}").json
    second = api(Scope.ADMIN, make_user()).post(
        f"/proofs/{proof.pk}/decision", json={"decision": "approve"}
    )

    assert (first.status, first.json["status"]) == (200, "PENDING")
    assert first.json["approvals"] == {"given": 1, "needed": 2}
    assert listed["approvals"] == {"given": 1, "needed": 2}
    assert (second.status, second.json["status"]) == (200, "APPROVED")


def test_a_simulated_decision_tells_and_does_nothing() -> None:
    proof = pending_proof()
    support = api(Scope.SUPPORT)

    answer = support.post(
        f"/proofs/{proof.pk}/decision?simulate=true", json={"decision": "approve"}
    ).json
    refused = support.post(
        f"/proofs/{proof.pk}/decision?simulate=true", json={"decision": "reject"}
    ).json

    assert (answer["simulated"], answer["allowed"], answer["refusal"]) == (True, True, None)
    assert {"subject": f"proof:{proof.pk}", "from": "PENDING", "to": "APPROVED"} in answer["states"]
    assert answer["postings"]
    assert (refused["allowed"], refused["refusal"]["code"]) == (False, "DECISION_NOTE_REQUIRED")
    proof.refresh_from_db()
    assert proof.status == "PENDING"
    assert not payments_of(proof.escrow_id).exists()


def test_support_asks_for_more_and_the_provider_reads_it() -> None:
    proof = pending_proof()

    asked = api(Scope.SUPPORT).post(
        f"/proofs/{proof.pk}/request-info", json={"note": "Show the date."}
    )
    empty = api(Scope.SUPPORT).post(f"/proofs/{proof.pk}/request-info", json={})
    seen = provider_of(proof.escrow).get(f"/proofs/{proof.pk}").json

    assert (asked.status, asked.json["status"]) == (200, "PENDING")
    assert (empty.status, empty.code) == (400, "DECISION_NOTE_REQUIRED")
    assert seen["info_note"] == "Show the date."


def test_the_provider_is_offered_to_send_what_was_asked_for_and_sends_it() -> None:
    escrow = pending_proof().escrow
    proof = escrow.proofs.get()
    provider, sender = provider_of(escrow), api(Scope.SENDER, escrow.client)

    def offered(party: Api) -> bool:
        summary = party.get(f"/escrows/{escrow.pk}/summary").json
        return "submit_proof" in summary["allowed_actions"]

    def send(party: Api) -> Any:
        return party.post(
            "/proofs",
            files={"file": SimpleUploadedFile("north.jpg", photo())},
            fields={"escrow_id": escrow.pk, "milestone_idx": 1, "type": "PHOTO"},
        )

    assert not offered(provider)
    assert (send(provider).status, send(provider).code) == (409, "MILESTONE_NOT_WAITING")
    api(Scope.SUPPORT).post(f"/proofs/{proof.pk}/request-info", json={"note": "The north wall."})
    assert (offered(provider), offered(sender)) == (True, False)
    assert send(sender).code == "MILESTONE_NOT_WAITING"

    answer = send(provider)

    assert (answer.status, answer.json["status"]) == (201, "PENDING")
    assert answer.json["review_reasons"] == ["MORE_WAS_ASKED"]
    assert answer.json["replaces_proof_id"] == proof.pk
    assert not offered(provider)
    earlier = provider.get(f"/proofs/{proof.pk}").json
    assert (earlier["status"], earlier["ai_reviewed_by"]) == ("REJECTED", None)
    assert f"proof {answer.json['id']}" in earlier["decision_note"]
    late = api(Scope.SUPPORT, make_user()).post(
        f"/proofs/{proof.pk}/decision?simulate=true", json={"decision": "approve"}
    )
    assert late.json["refusal"]["code"] == "PROOF_ALREADY_REJECTED"
    story = provider.get(f"/escrows/{escrow.pk}/timeline").json["items"]
    (replaced,) = [item["data"] for item in story if item["kind"] == "proof.replaced"]
    assert replaced["replaced_by"] == answer.json["id"]
    sent = [item["data"] for item in story if item["kind"] == "proof.submitted"]
    assert [data.get("replaces") for data in sent] == [proof.pk, None]
