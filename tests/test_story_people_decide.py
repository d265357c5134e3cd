"""Who may decide: two people above a figure, the sender where the terms say so."""

from decimal import Decimal

import pytest

from tests.house import (
    House,
    balances,
    in_a_year,
    ok,
    person,
    photo,
    photo_milestone,
    refused,
    unbound,
)

pytestmark = pytest.mark.flow


def test_two_people_approve_a_big_milestone(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "12000.00"), total="12000.00")
    house.fund(escrow_id)
    proof = ok(house.send_photo(escrow_id, 1, photo()), 201)
    # Too much for a machine, however clean the photo is.
    assert (proof["status"], proof["findings"]) == ("PENDING", [])
    assert proof["review_reasons"] != []
    second = person("support")

    nobody = house.decide(proof["id"], "approve", unbound("support"), "Fine.")
    assert nobody.status == 403
    first = ok(house.decide(proof["id"], "approve", house.support, "Fine."))

    assert (first["status"], first["approvals"]) == ("PENDING", {"given": 1, "needed": 2})
    same = ok(house.decide(proof["id"], "approve", house.support, "Fine, again."))
    assert (same["status"], same["approvals"]) == ("PENDING", {"given": 1, "needed": 2})
    assert house.milestones(escrow_id) == {1: "PENDING_REVIEW"}
    assert house.payments(escrow_id) == []
    assert balances("escrow:") == {f"escrow:{escrow_id}:held": 1_200_000}

    decided = ok(house.decide(proof["id"], "approve", second, "Seen too."))

    assert decided["status"] == "APPROVED"
    house.work_until(lambda: house.all_settled(escrow_id))
    assert [item["amount"] for item in house.payments(escrow_id)] == ["12000.00"]
    assert balances() == {}
    assert house.trail(escrow_id)["proof.approved"] == 1


def test_splitting_a_sum_does_not_help_one_person(house: House) -> None:
    milestones = [photo_milestone(number, "6000.00") for number in (1, 2)]
    escrow_id = house.agree(*milestones, total="12000.00")
    house.fund(escrow_id)
    first = ok(house.send_photo(escrow_id, 1, photo()), 201)
    decided = ok(house.decide(first["id"], "approve", house.support, "Fine."))
    assert decided["status"] == "APPROVED"

    second = ok(house.send_photo(escrow_id, 2, photo()), 201)
    waiting = ok(house.decide(second["id"], "approve", house.support, "Fine."))

    assert (waiting["status"], waiting["approvals"]) == ("PENDING", {"given": 1, "needed": 2})
    assert house.milestones(escrow_id)[2] == "PENDING_REVIEW"
    rejected = ok(house.decide(second["id"], "reject", person("support"), "Not the same site."))
    assert rejected["status"] == "REJECTED"
    house.work()
    released = sum(Decimal(item["amount"]) for item in house.payments(escrow_id))
    assert released == Decimal("6000.00")


def test_a_sender_decides_where_the_terms_say_so(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00", validator="SENDER"))
    house.fund(escrow_id)
    proof = ok(house.send_photo(escrow_id, 1, photo()), 201)
    assert proof["status"] == "PENDING"

    details = refused(
        house.decide(proof["id"], "reject", house.sender), 400, "DECISION_NOTE_REQUIRED"
    )
    assert "note" not in details
    rejected = ok(house.decide(proof["id"], "reject", house.sender, "The roof is missing."))
    assert rejected["status"] == "REJECTED"
    assert house.milestones(escrow_id) == {1: "REJECTED"}
    told = ok(house.provider.api.get(f"/proofs/{proof['id']}"))
    assert told["decision_note"] == "The roof is missing."

    # A refusal reopens the milestone.
    again = ok(house.send_photo(escrow_id, 1, photo()), 201)
    assert ok(house.decide(again["id"], "approve", house.sender))["status"] == "APPROVED"
    house.work_until(lambda: house.all_settled(escrow_id))
    assert house.escrow(escrow_id)["status"] == "RELEASED"
    assert balances() == {}


def test_an_admin_acts_for_a_party_only_by_name(house: House) -> None:
    body = {
        "client_id": house.sender.id,
        "provider_id": house.provider.id,
        "amount_total": "100.00",
        "currency": "EUR",
        "release_conditions": {},
        "deadline_at": in_a_year().isoformat(),
    }
    refused(house.admin.api.post("/escrows", json=body), 403, "ON_BEHALF_OF_REQUIRED")
    assert ok(house.admin.api.get("/escrows"))["items"] == []

    named = {"X-On-Behalf-Of": str(house.sender.id)}
    escrow = ok(house.admin.api.post("/escrows", json=body, headers=named), 201)

    created = house.entries(escrow["id"])[0]
    assert (created["action"], created["on_behalf_of"]) == ("escrow.created", house.sender.id)
    assert created["actor"].startswith("apikey:")
    # Nobody but an admin stands in for others, and the provider's place is not the sender's.
    refused(house.support.api.post("/escrows", json=body, headers=named), 403, "INSUFFICIENT_SCOPE")
    other = {"X-On-Behalf-Of": str(house.provider.id)}
    cancelled = house.admin.api.post(f"/escrows/{escrow['id']}/cancel", json={}, headers=other)
    assert cancelled.status == 403
    assert house.escrow(escrow["id"])["status"] == "DRAFT"
    ok(house.admin.api.post(f"/escrows/{escrow['id']}/cancel", json={}, headers=named))
    assert house.escrow(escrow["id"])["status"] == "CANCELLED"


def test_a_delivery_without_milestones_is_accepted_by_the_sender(house: House) -> None:
    escrow_id = house.agree(total="250.00")
    house.fund(escrow_id)
    delivered = ok(house.command(escrow_id, "mark-delivered", house.provider, note="Done."))
    assert delivered["status"] == "RELEASABLE"
    assert house.payments(escrow_id) == []

    approved = ok(house.command(escrow_id, "client-approve", house.sender))

    assert (approved["status"], approved["released_total"]) == ("RELEASED", "250.00")
    house.work_until(lambda: house.all_settled(escrow_id))
    assert [(p["kind"], p["amount"]) for p in house.payments(escrow_id)] == [("payout", "250.00")]
    assert balances() == {}
