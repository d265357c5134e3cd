"""A family abroad has a house built: money for photos from the site, one part after the other."""

import hashlib

import pytest

from tests.house import House, balances, ok, photo, photo_milestone, refused

pytestmark = pytest.mark.flow


def test_a_photo_from_the_site_is_paid_once_the_psp_says_so(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "400.00"), photo_milestone(2, "600.00"))
    assert house.escrow(escrow_id)["status"] == "DRAFT"
    house.fund(escrow_id)
    funded = house.escrow(escrow_id)
    assert (funded["funded_total"], funded["held_total"]) == ("1000.00", "1000.00")
    assert balances() == {f"escrow:{escrow_id}:held": 100_000, "psp:fake": 100_000}
    assert house.payments(escrow_id) == []
    picture = photo()

    proof = ok(house.send_photo(escrow_id, 1, picture), 201)

    assert (proof["status"], proof["processing"]) == ("APPROVED", "done")
    assert (proof["findings"], proof["review_reasons"]) == ([], [])
    assert proof["sha256"] == hashlib.sha256(picture).hexdigest()
    assert house.milestones(escrow_id) == {1: "APPROVED", 2: "WAITING"}
    assert balances("escrow:", "user:") == {
        f"escrow:{escrow_id}:held": 60_000,
        f"user:{house.provider.id}:payable": 40_000,
    }

    house.work_until(lambda: house.all_settled(escrow_id))

    assert house.milestones(escrow_id) == {1: "PAID", 2: "WAITING"}
    assert balances() == {f"escrow:{escrow_id}:held": 60_000, "psp:fake": 60_000}
    (payout,) = house.payments(escrow_id)
    assert (payout["kind"], payout["amount"], payout["attempt"]) == ("payout", "400.00", 1)
    assert payout["idempotency_key"] == f"proof:{proof['id']}:release"
    assert house.escrow(escrow_id)["status"] == "FUNDED"


def test_the_last_photo_decides_all_money_and_what_is_left_goes_back(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "400.00"), photo_milestone(2, "500.00"))
    house.fund(escrow_id)
    ok(house.send_photo(escrow_id, 1, photo()), 201)
    ok(house.send_photo(escrow_id, 2, photo()), 201)

    assert house.escrow(escrow_id)["status"] == "RELEASED"
    house.work_until(lambda: house.all_settled(escrow_id))

    kinds = [(item["kind"], item["amount"]) for item in house.payments(escrow_id)]
    assert kinds == [("payout", "400.00"), ("payout", "500.00"), ("refund", "100.00")]
    closed = house.escrow(escrow_id)
    assert closed["released_total"] == "900.00"
    assert closed["refunded_total"] == "100.00"
    assert closed["held_total"] == "0.00"
    assert house.milestones(escrow_id) == {1: "PAID", 2: "PAID"}
    assert balances() == {}
    trail = house.trail(escrow_id)
    once = ["escrow.created", "deposit.confirmed", "escrow.funded", "escrow.released"]
    assert {action: trail[action] for action in once} == dict.fromkeys(once, 1)
    twice = ["proof.submitted", "proof.approved", "milestone.submitted", "milestone.approved"]
    twice += ["milestone.paying", "milestone.paid"]
    assert {action: trail[action] for action in twice} == dict.fromkeys(twice, 2)
    assert trail["proof.rejected"] == trail["escrow.disputed"] == 0


def test_a_photo_without_a_position_waits_for_a_person_and_is_paid_on_their_word(
    house: House,
) -> None:
    escrow_id = house.agree(photo_milestone(1, "600.00"), photo_milestone(2, "400.00"))
    house.fund(escrow_id)

    proof = ok(house.send_photo(escrow_id, 1, photo(with_gps=False)), 201)

    assert (proof["status"], proof["review_reasons"]) == ("PENDING", ["MISSING_GPS"])
    assert house.milestones(escrow_id) == {1: "PENDING_REVIEW", 2: "WAITING"}
    assert house.payments(escrow_id) == []
    assert balances("escrow:") == {f"escrow:{escrow_id}:held": 100_000}
    queue = ok(house.support.api.get("/proofs?status=PENDING"))["items"]
    assert [item["id"] for item in queue] == [proof["id"]]

    # Neither side decides where support must.
    refused(house.decide(proof["id"], "approve", house.sender), 403, "INSUFFICIENT_SCOPE")
    refused(house.decide(proof["id"], "approve", house.provider), 403, "INSUFFICIENT_SCOPE")
    note = "The walls are those of the drawing."
    decided = ok(house.decide(proof["id"], "approve", house.support, note))

    assert (decided["status"], decided["decision_note"]) == ("APPROVED", note)
    house.work_until(lambda: house.all_settled(escrow_id))
    assert house.milestones(escrow_id) == {1: "PAID", 2: "WAITING"}
    assert [item["amount"] for item in house.payments(escrow_id)] == ["600.00"]
    assert balances() == {f"escrow:{escrow_id}:held": 40_000, "psp:fake": 40_000}
    approvals = [e for e in house.entries(escrow_id) if e["action"] == "proof.approved"]
    assert len(approvals) == 1
    assert approvals[0]["actor"].startswith("apikey:")

    # Saying it again changes nothing; the opposite is too late.
    ok(house.decide(proof["id"], "approve", house.support, note))
    refused(
        house.decide(proof["id"], "reject", house.support, "Too late."),
        409,
        "PROOF_ALREADY_APPROVED",
    )
    assert len(house.payments(escrow_id)) == 1
    assert house.trail(escrow_id)["proof.approved"] == 1


def test_a_photo_from_elsewhere_is_refused_and_the_right_one_is_paid(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)
    before = house.trail(escrow_id)

    details = refused(
        house.send_photo(escrow_id, 1, photo(north_deg=0.01)), 422, "GEOFENCE_VIOLATION"
    )

    # 0.01 degrees of latitude are 1,106 m; the provider learns it in whole 100 m.
    assert set(_numbers(details, "distance_m")) == {1200}
    assert "geofence_lat" not in str(details)
    assert ok(house.provider.api.get(f"/proofs?escrow_id={escrow_id}"))["items"] == []
    assert house.milestones(escrow_id) == {1: "WAITING"}
    assert house.payments(escrow_id) == []
    added = house.trail(escrow_id) - before
    assert {action for action in added if not action.endswith(".read")} <= {"proof.refused"}

    proof = ok(house.send_photo(escrow_id, 1, photo()), 201)

    assert proof["status"] == "APPROVED"
    house.work_until(lambda: house.all_settled(escrow_id))
    assert house.milestones(escrow_id) == {1: "PAID"}
    assert house.escrow(escrow_id)["status"] == "RELEASED"
    assert balances() == {}


def test_the_same_photo_does_not_pay_twice(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "500.00"), photo_milestone(2, "500.00"))
    house.fund(escrow_id)
    picture = photo()
    ok(house.send_photo(escrow_id, 1, picture), 201)

    refused(house.send_photo(escrow_id, 2, picture), 409, "DUPLICATE_PROOF")

    # Other bytes of the same picture are not refused, but no machine approves them.
    again = ok(house.send_photo(escrow_id, 2, picture + b"\x00"), 201)
    assert again["status"] == "PENDING"
    seen_by_staff = ok(house.support.api.get(f"/proofs/{again['id']}"))
    assert "REUSED_IMAGE" in seen_by_staff["review_reasons"]
    assert "REUSED_IMAGE" not in str(again)
    assert house.milestones(escrow_id)[2] == "PENDING_REVIEW"
    house.work()
    assert len(house.payments(escrow_id)) == 1


def test_asking_again_for_a_payment_that_arrived_sends_nothing(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)
    ok(house.send_photo(escrow_id, 1, photo()), 201)
    house.work_until(lambda: house.all_settled(escrow_id))
    (payment,) = house.payments(escrow_id)

    answer = ok(house.sender.api.post(f"/payments/execute/{payment['id']}"))

    assert (answer["status"], answer["attempt"]) == ("SETTLED", 1)
    house.work()
    assert house.payments(escrow_id) == [payment]
    assert house.psp.transfers_of(payment["id"]) == ["settled"]
    assert balances() == {}


def _numbers(value: object, name: str) -> list[float]:
    """Every value of this name anywhere in a JSON value."""
    if isinstance(value, dict):
        found = [float(value[name])] if value.get(name) is not None else []
        return found + [n for key in value if key != name for n in _numbers(value[key], name)]
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item, name)]
    return []
