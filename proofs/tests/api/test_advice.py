"""With the advisor on, over the API: nobody waits for it, and each side reads its part of it."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django.fixtures import Settings

from kobatela.accounts.tests.factories import make_key, make_user
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer, Api
from payments.selectors import payments_of
from proofs.models import Proof
from proofs.services.advising import advise
from proofs.tests.advised import model as model  # noqa: PLC0414
from proofs.tests.factories import photo, site_escrow
from proofs.tests.model_server import ModelServer, advice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


def api(scope: Scope, user: Any = None) -> Api:
    return Api(make_key(scope, user or make_user())[1])


def send(escrow: Any) -> Answer:
    return api(Scope.PROVIDER, escrow.provider).post(
        "/proofs",
        files={"file": SimpleUploadedFile("photo.jpg", photo())},
        fields={"escrow_id": escrow.pk, "milestone_idx": 1, "type": "PHOTO"},
    )


def test_a_photo_is_taken_at_once_whatever_the_model_does(
    model: ModelServer, settings: Settings
) -> None:
    settings.AI_BASE_URL = "http://127.0.0.1:9/v1"
    escrow = site_escrow()

    answer = send(escrow)

    assert (answer.status, answer.json["status"]) == (201, "PENDING")
    assert (answer.json["processing"], answer.json["review_reasons"]) == ("advising", [])
    assert model.bodies == []


def test_while_the_advisor_is_asked_nobody_decides(model: ModelServer) -> None:
    sent = send(site_escrow()).json

    refused = api(Scope.SUPPORT).post(
        f"/proofs/{sent['id']}/decision", json={"decision": "approve"}
    )

    assert (refused.status, refused.code) == (409, "PROOF_PROCESSING")


def test_each_side_reads_its_part_of_the_advice_and_a_person_says_why_against_it(
    model: ModelServer,
) -> None:
    model.say(advice("suspect", 0.2, ("screen_photographed",)))
    escrow = site_escrow()
    path = f"/proofs/{send(escrow).json['id']}"
    advise(proof_id=Proof.objects.get().pk)

    staff = api(Scope.SUPPORT).get(path).json
    sender = api(Scope.SENDER, escrow.client).get(path).json
    provider = api(Scope.PROVIDER, escrow.provider).get(path).json

    assert staff["review_reasons"] == sender["review_reasons"] == ["AI_ADVICE"]
    assert (staff["ai_risk_level"], staff["ai_score"]) == ("suspect", "0.200")
    assert staff["ai_explanation"] == "I looked."
    assert (sender["ai_risk_level"], sender["ai_flags"]) == ("suspect", ["screen_photographed"])
    assert (sender["ai_score"], sender["ai_explanation"]) == (None, None)
    for shown in (provider["ai_risk_level"], provider["ai_flags"], provider["ai_score"],
                  provider["ai_explanation"], provider["ai_checked_at"]):  # fmt: skip
        assert shown is None
    assert (provider["review_reasons"], provider["processing"]) == ([], "done")

    support = api(Scope.SUPPORT)
    refused = support.post(f"{path}/decision", json={"decision": "approve"})
    assert (refused.status, refused.code) == (400, "AI_REVIEW_NOTE_REQUIRED")
    assert list(payments_of(escrow.pk)) == []
    decided = support.post(f"{path}/decision", json={"decision": "approve", "note": "Was there."})
    assert (decided.status, decided.json["status"]) == (200, "APPROVED")
    assert decided.json["ai_reviewed_by"].startswith("apikey:")
    assert decided.json["ai_reviewed_at"] is not None
    assert len(payments_of(escrow.pk)) == 1


def test_the_timeline_of_the_parties_does_not_tell_of_the_advisor(model: ModelServer) -> None:
    model.say(advice("suspect", 0.2))
    escrow = site_escrow()
    send(escrow)
    advise(proof_id=Proof.objects.get().pk)

    told = api(Scope.PROVIDER, escrow.provider).get(f"/escrows/{escrow.pk}/timeline")

    assert told.status == 200
    assert "advi" not in told.body.decode().lower()
