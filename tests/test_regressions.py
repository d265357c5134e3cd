"""Defects of the prototype that only show when several apps work together; none may come back.

The numbers are those of the list of its defects (D-01 to D-45).
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.conf import settings

from escrow.schedule import SCHEDULE
from kobatela.kernel import clock
from kobatela.rest.tests.client import Answer, Api
from tests.house import (
    SITE_LAT,
    SITE_LNG,
    House,
    balances,
    ok,
    person,
    photo,
    photo_milestone,
    refused,
    uploaded,
)

pytestmark = pytest.mark.flow
_INVALID = "WEBHOOK_SIGNATURE_INVALID"


def test_d01_what_the_client_types_in_pays_nothing(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)
    typed = {
        "exif_timestamp": clock.now().isoformat(),
        "gps_lat": SITE_LAT,
        "gps_lng": SITE_LNG,
        "source": "camera",
    }
    claim = {
        "escrow_id": escrow_id,
        "milestone_idx": 1,
        "type": "PHOTO",
        "storage_url": "https://photos.example.org/site.jpg",
        "sha256": "0" * 64,
        "metadata": typed,
    }

    proof = ok(house.provider.api.post("/proofs", json=claim), 201)

    assert (proof["status"], proof["review_reasons"]) == ("PENDING", ["NO_FILE"])
    house.work()
    assert house.payments(escrow_id) == []
    assert balances("user:") == {}


def test_d02_a_photo_without_gps_does_not_pass_the_fence(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)
    fields = {
        "escrow_id": escrow_id,
        "milestone_idx": 1,
        "type": "PHOTO",
        "metadata": json.dumps({"gps_lat": str(SITE_LAT), "gps_lng": str(SITE_LNG)}),
    }
    files = {"file": uploaded("site.jpg", photo(with_gps=False), "image/jpeg")}

    proof = ok(house.provider.api.post("/proofs", fields=fields, files=files), 201)

    assert (proof["status"], proof["review_reasons"]) == ("PENDING", ["MISSING_GPS"])
    assert house.payments(escrow_id) == []


def test_d03_another_sender_does_nothing_to_an_escrow(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "600.00"), photo_milestone(2, "400.00"))
    house.fund(escrow_id)
    proof = ok(house.send_photo(escrow_id, 1, photo(with_gps=False)), 201)
    other, other_provider = person("sender", may_confirm_deposits=True), person("provider")
    before = house.escrow(escrow_id)

    for name, body in {
        "client-approve": {},
        "client-reject": {},
        "cancel": {},
        "dispute": {},
        "mark-delivered": {},
        "check-deadline": {},
        "funding-session": {},
        "deposit": {"amount": "1.00"},
        "refund": {},
    }.items():
        refused(house.command(escrow_id, name, other, **body), 404, "ESCROW_NOT_FOUND")
    refused(other.api.get(f"/escrows/{escrow_id}"), 404, "ESCROW_NOT_FOUND")
    fields = {"escrow_id": escrow_id, "milestone_idx": 1, "type": "PHOTO"}
    claim = {**fields, "storage_url": "https://photos.example.org/1", "sha256": "0" * 64}
    for stranger in (other, other_provider):
        refused(stranger.api.post("/proofs", json=claim), 404, "ESCROW_NOT_FOUND")
    refused(house.decide(proof["id"], "approve", other), 404, "PROOF_NOT_FOUND")

    assert house.escrow(escrow_id) == before
    assert house.milestones(escrow_id) == {1: "PENDING_REVIEW", 2: "WAITING"}
    house.decide(proof["id"], "approve", house.support, "Fine.")
    (payment,) = house.payments(escrow_id)
    executed = other.api.post(f"/payments/execute/{payment['id']}")
    refused(executed, 404, "PAYMENT_NOT_FOUND")
    assert house.payments(escrow_id)[0]["status"] == "PENDING"


def test_d06_nobody_proves_and_accepts_the_same_work(house: House) -> None:
    escrow_id = house.agree(
        photo_milestone(1, "500.00", validator="SENDER"), photo_milestone(2, "500.00")
    )
    house.fund(escrow_id)
    proof = ok(house.send_photo(escrow_id, 1, photo()), 201)

    # The provider is no judge of their own work, whichever key they come with.
    refused(house.decide(proof["id"], "approve", house.provider), 403, "INSUFFICIENT_SCOPE")
    approved = house.command(escrow_id, "client-approve", house.provider)
    refused(approved, 403, "INSUFFICIENT_SCOPE")

    assert house.milestones(escrow_id) == {1: "PENDING_REVIEW", 2: "WAITING"}
    assert house.payments(escrow_id) == []


def test_d10_acceptance_pays_and_refusal_pays_back(house: House) -> None:
    accepted = house.agree(photo_milestone(1, "300.00"), total="1000.00")
    house.fund(accepted)
    ok(house.command(accepted, "client-approve", house.sender))
    refused_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(refused_id)
    ok(house.command(refused_id, "client-reject", house.sender))

    house.work_until(lambda: house.all_settled(accepted) and house.all_settled(refused_id))

    paid = [(item["kind"], item["amount"]) for item in house.payments(accepted)]
    assert sorted(paid) == [("payout", "300.00"), ("payout", "700.00")]
    back = [(item["kind"], item["amount"]) for item in house.payments(refused_id)]
    assert back == [("refund", "1000.00")]
    assert balances() == {}


def test_d10_an_unfunded_escrow_is_not_accepted(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))

    refused(house.command(escrow_id, "client-approve", house.sender), 409, "INVALID_STATE")

    assert house.escrow(escrow_id)["status"] == "DRAFT"


@pytest.mark.parametrize("ending", ["client-approve", "client-reject"])
def test_d11_a_closed_escrow_stays_closed(house: House, ending: str) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)
    ok(house.command(escrow_id, ending, house.sender))
    closed = house.escrow(escrow_id)
    payments = len(house.payments(escrow_id))

    refused(house.command(escrow_id, "deposit", house.sender, amount="1.00"), 409, "ESCROW_CLOSED")
    refused(house.command(escrow_id, "funding-session", house.sender), 409, "ESCROW_CLOSED")
    for name in ("client-approve", "client-reject", "cancel", "dispute", "mark-delivered"):
        refused(house.command(escrow_id, name, house.sender), 409, "INVALID_STATE")
    refused(house.send_photo(escrow_id, 1, photo()), 409, "NO_OPEN_MILESTONE")
    refused(
        house.sender.api.post(f"/escrows/{escrow_id}/milestones", json=photo_milestone(2, "1.00")),
        409,
        "INVALID_STATE",
    )

    assert house.escrow(escrow_id) == closed
    assert len(house.payments(escrow_id)) == payments


def test_d14_a_failed_payout_frees_no_money_and_is_paid_later(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)
    ok(house.send_photo(escrow_id, 1, photo()), 201)
    house.psp.fail_next_transfer()

    house.work_until(lambda: house.payments(escrow_id)[0]["status"] == "ERROR")

    # The milestone waits for its payment, and the money is the provider's, not free again.
    assert house.milestones(escrow_id) == {1: "APPROVED"}
    assert balances("escrow:", "user:") == {f"user:{house.provider.id}:payable": 100_000}
    (payment,) = house.payments(escrow_id)
    retried = ok(house.sender.api.post(f"/payments/execute/{payment['id']}"))
    assert (retried["id"], retried["attempt"]) == (payment["id"], 2)
    house.work_until(lambda: house.all_settled(escrow_id))
    (payment,) = house.payments(escrow_id)
    assert house.milestones(escrow_id) == {1: "PAID"}
    assert balances() == {}

    # A failure that is reported afterwards takes nothing back.
    ok(
        report(
            {
                "id": "evt-too-late",
                "type": "payment.failed",
                "psp_ref": payment["psp_ref"],
                "amount": "1000.00",
                "currency": "EUR",
            }
        )
    )
    house.work()
    assert house.payments(escrow_id)[0]["status"] == "SETTLED"
    assert house.milestones(escrow_id) == {1: "PAID"}


def test_d21_execution_settles_nothing_without_the_psp(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)
    ok(house.send_photo(escrow_id, 1, photo()), 201)
    (payment,) = house.payments(escrow_id)
    house.doorbells.rung.clear()

    answer = ok(house.sender.api.post(f"/payments/execute/{payment['id']}"))

    assert answer["status"] == "PENDING"
    assert house.milestones(escrow_id) == {1: "APPROVED"}
    assert balances("user:", "psp:") == {
        "psp:fake": 100_000,
        f"user:{house.provider.id}:payable": 100_000,
    }


def test_d26_a_rejected_milestone_takes_a_new_proof_and_keeps_its_place(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "400.00"), photo_milestone(2, "600.00"))
    house.fund(escrow_id)
    proof = ok(house.send_photo(escrow_id, 1, photo(with_gps=False)), 201)
    ok(house.decide(proof["id"], "reject", house.support, "Too dark."))
    assert house.milestones(escrow_id) == {1: "REJECTED", 2: "WAITING"}

    refused(house.send_photo(escrow_id, 2, photo()), 422, "SEQUENCE_ERROR")
    again = ok(house.send_photo(escrow_id, 1, photo()), 201)

    assert (again["status"], again["review_reasons"]) == ("PENDING", ["REJECTED_BEFORE"])
    ok(house.decide(again["id"], "approve", house.support, "The wall is seen now."))
    ok(house.send_photo(escrow_id, 2, photo()), 201)
    house.work_until(lambda: house.all_settled(escrow_id))
    assert house.escrow(escrow_id)["status"] == "RELEASED"
    assert balances() == {}


def test_d27_silence_at_the_deadline_pays_the_sender_back_by_the_clock(house: House) -> None:
    deadline = clock.now() + timedelta(days=1)
    escrow_id = house.agree(photo_milestone(1, "1000.00"), deadline_at=deadline.isoformat())
    house.fund(escrow_id)
    assert house.escrow(escrow_id)["on_deadline"] == "refund"
    with clock.frozen(deadline):
        _run_job("deadline")

        assert house.escrow(escrow_id)["status"] == "REFUNDED"
        _run_job("deadline")
        assert len(house.payments(escrow_id)) == 1


def test_d34_no_milestone_is_put_before_one_that_was_proven(house: House) -> None:
    escrow_id = house.agree(photo_milestone(2, "500.00"), total="1000.00")
    house.fund(escrow_id)
    ok(house.send_photo(escrow_id, 2, photo(with_gps=False)), 201)
    path = f"/escrows/{escrow_id}/milestones"

    refused(
        house.sender.api.post(path, json=photo_milestone(1, "100.00")),
        409,
        "MILESTONE_OUT_OF_ORDER",
    )
    refused(
        house.sender.api.post(path, json=photo_milestone(2, "100.00")), 409, "MILESTONE_INDEX_TAKEN"
    )
    refused(
        house.sender.api.post(path, json=photo_milestone(3, "500.01")),
        409,
        "INSUFFICIENT_ESCROW_BALANCE",
    )
    ok(house.sender.api.post(path, json=photo_milestone(3, "500.00")), 201)

    assert house.milestones(escrow_id) == {2: "PENDING_REVIEW", 3: "WAITING"}


def test_d35_only_the_signed_body_says_which_payment_and_which_event(house: House) -> None:
    first = _paid_out(house)
    second = house.agree(photo_milestone(1, "1000.00"))
    house.fund(second)
    ok(house.send_photo(second, 1, photo()), 201)
    house.doorbells.rung.clear()
    body = {"id": "evt-signed", "type": "payment.settled", "psp_ref": first["psp_ref"]}
    ok(report(body))

    # The same signed bytes again, with headers that name another event and another payment.
    (waiting,) = house.payments(second)
    tricked = {"X-PSP-Event-Id": "evt-other", "X-PSP-Ref": str(waiting["id"])}
    answer = ok(report(body, extra=tricked))

    assert answer == {"ok": True, "event_id": "evt-signed", "duplicate": True}
    house.work()
    assert house.payments(second)[0]["status"] == "PENDING"
    # Other bytes under the old signature are not believed at all.
    forged = json.dumps({**body, "id": "evt-forged"}).encode()
    refused(_post_event(forged, _signature(json.dumps(body).encode())), 401, _INVALID)


def report(event: Mapping[str, Any], *, extra: Mapping[str, str] | None = None) -> Answer:
    """Send a PSP event, signed as the PSP signs."""
    body = json.dumps(event).encode()
    return _post_event(body, {**_signature(body), **(extra or {})})


def _signature(body: bytes) -> dict[str, str]:
    timestamp = str(int(time.time()))
    signed = timestamp.encode() + b"." + body
    digest = hmac.new(settings.PSP_WEBHOOK_SECRET.encode(), signed, hashlib.sha256)
    return {"X-PSP-Timestamp": timestamp, "X-PSP-Signature": digest.hexdigest()}


def _post_event(body: bytes, headers: Mapping[str, str]) -> Answer:
    return Api().post("/psp/webhook", data=body, headers=headers)


def _paid_out(house: House) -> dict[str, Any]:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)
    ok(house.send_photo(escrow_id, 1, photo()), 201)
    house.work_until(lambda: house.all_settled(escrow_id))
    return house.payments(escrow_id)[0]


def _run_job(word: str) -> None:
    """Run the scheduled job of escrow whose name holds `word`, as the clock would."""
    (job,) = (job for job in SCHEDULE if word in job.name)
    current_app.tasks[job.task]()
