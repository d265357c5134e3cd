"""Money that is not given to the provider finds its way back to the sender."""

from datetime import timedelta

import pytest

from kobatela.kernel import clock
from tests.house import House, balances, ok, person, photo, photo_milestone, refused

pytestmark = pytest.mark.flow


def test_a_sender_who_refuses_before_any_proof_is_paid_back_through_the_charge(
    house: House,
) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)

    answer = ok(house.command(escrow_id, "client-reject", house.sender, note="Another mason."))

    assert (answer["status"], answer["refunded_total"]) == ("REFUNDED", "1000.00")
    assert answer["held_total"] == "0.00"
    assert house.milestones(escrow_id) == {1: "CANCELLED"}
    assert balances("user:") == {f"user:{house.sender.id}:funds": 100_000}

    house.work_until(lambda: house.all_settled(escrow_id))

    (refund,) = house.payments(escrow_id)
    assert (refund["kind"], refund["method"], refund["amount"]) == ("refund", "psp", "1000.00")
    assert refund["payee_id"] == house.sender.id
    assert balances() == {}
    assert house.trail(escrow_id)["escrow.refunded"] == 1
    # The provider comes too late: nothing can be proven, paid or funded here any more.
    refused(house.send_photo(escrow_id, 1, photo()), 409, "NO_OPEN_MILESTONE")
    refused(house.command(escrow_id, "deposit", house.sender, amount="1.00"), 409, "ESCROW_CLOSED")
    refused(house.command(escrow_id, "client-approve", house.sender), 409, "INVALID_STATE")
    assert house.escrow(escrow_id)["status"] == "REFUNDED"
    assert len(house.payments(escrow_id)) == 1


def test_money_that_a_client_system_collected_goes_back_through_it(house: House) -> None:
    house.sender = person("sender", may_confirm_deposits=True)
    escrow_id = house.agree(photo_milestone(1, "1000.00"))

    funded = ok(house.command(escrow_id, "deposit", house.sender, amount="1000.00"))

    assert (funded["status"], funded["held_total"]) == ("FUNDED", "1000.00")
    collector = f"collector:{house.sender.id}"
    assert balances() == {collector: 100_000, f"escrow:{escrow_id}:held": 100_000}

    ok(house.command(escrow_id, "client-reject", house.sender))
    (refund,) = house.payments(escrow_id)
    assert refund["method"] == "external"
    house.work()
    assert house.payments(escrow_id)[0]["status"] != "SETTLED"
    ok(house.sender.api.post(f"/payments/{refund['id']}/confirm"))

    assert house.payments(escrow_id)[0]["status"] == "SETTLED"
    assert balances() == {}


def test_a_dispute_freezes_the_money_and_support_divides_it(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "300.00"), photo_milestone(2, "700.00"))
    house.fund(escrow_id)
    proof = ok(house.send_photo(escrow_id, 1, photo(with_gps=False)), 201)

    disputed = ok(house.command(escrow_id, "dispute", house.provider, note="No answer for weeks."))

    assert disputed["status"] == "DISPUTED"
    refused(house.decide(proof["id"], "approve", house.support, "Fine."), 409, "INVALID_STATE")
    refused(house.command(escrow_id, "client-approve", house.sender), 409, "INVALID_STATE")
    refused(house.command(escrow_id, "refund", house.sender), 409, "INVALID_STATE")
    refused(house.command(escrow_id, "deposit", house.sender, amount="1.00"), 409, "INVALID_STATE")
    assert house.payments(escrow_id) == []
    details = refused(
        house.command(
            escrow_id, "resolve", house.support, release="400.00", refund="500.00", note="Half."
        ),
        422,
        "RESOLUTION_NOT_BALANCED",
    )
    assert details["held"] == "1000.00"

    resolved = ok(
        house.command(
            escrow_id, "resolve", house.support, release="400.00", refund="600.00", note="Agreed."
        )
    )

    assert resolved["status"] == "RELEASED"
    assert (resolved["released_total"], resolved["refunded_total"]) == ("400.00", "600.00")
    # 400 cover the first milestone in full; what remains is one payment without a milestone.
    assert house.milestones(escrow_id) == {1: "APPROVED", 2: "CANCELLED"}
    assert ok(house.support.api.get(f"/proofs/{proof['id']}"))["status"] == "REJECTED"
    house.work_until(lambda: house.all_settled(escrow_id))
    parts = [(p["kind"], p["amount"], p["milestone_id"] is None) for p in house.payments(escrow_id)]
    assert sorted(parts) == [
        ("payout", "100.00", True),
        ("payout", "300.00", False),
        ("refund", "600.00", True),
    ]
    assert house.milestones(escrow_id) == {1: "PAID", 2: "CANCELLED"}
    assert balances() == {}
    trail = house.trail(escrow_id)
    assert (trail["escrow.disputed"], trail["escrow.released"]) == (1, 1)


def test_a_deadline_that_passes_unused_pays_the_sender_back(house: House) -> None:
    deadline = clock.now() + timedelta(days=10)
    escrow_id = house.agree(photo_milestone(1, "1000.00"), deadline_at=deadline.isoformat())
    house.fund(escrow_id)
    with clock.frozen(deadline - timedelta(hours=1)):
        summary = ok(house.sender.api.get(f"/escrows/{escrow_id}/summary"))
        outcomes = {item["outcome"] for item in summary["deadlines"]}
        assert "refund" in outcomes

        assert ok(house.command(escrow_id, "check-deadline", house.provider))["status"] == "FUNDED"
        clock.advance(timedelta(hours=1))

        # The proof comes a moment too late; its refusal undoes nothing of the deadline.
        refused(house.send_photo(escrow_id, 1, photo()), 409, "DEADLINE_PASSED")

        assert house.escrow(escrow_id)["status"] == "REFUNDED"
        assert house.milestones(escrow_id) == {1: "CANCELLED"}
    house.work_until(lambda: house.all_settled(escrow_id))
    (refund,) = house.payments(escrow_id)
    assert (refund["kind"], refund["amount"]) == ("refund", "1000.00")
    assert balances() == {}
    ended = [e for e in house.entries(escrow_id) if e["action"] == "escrow.refunded"]
    assert [entry["actor"] for entry in ended] == ["system:deadline"]


def test_a_provider_gives_everything_back(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)

    answer = ok(house.command(escrow_id, "refund", house.provider, note="I cannot come."))

    assert (answer["status"], answer["refunded_total"]) == ("REFUNDED", "1000.00")
    house.work_until(lambda: house.all_settled(escrow_id))
    assert balances() == {}
