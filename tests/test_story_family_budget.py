"""A family budget: a son abroad lets his mother buy medicine, and nothing at the casino."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from kobatela.kernel import clock
from kobatela.rest.tests.client import Answer
from tests.house import (
    House,
    Person,
    balances,
    in_a_year,
    ok,
    person,
    photo,
    photo_milestone,
    refused,
    uploaded,
)

pytestmark = pytest.mark.flow


def shop(house: House, name: str, category_id: int, **more: Any) -> int:
    """A merchant that support adds; their number."""
    body = {"name": name, "category_id": category_id} | more
    return int(ok(house.support.api.post("/spend/merchants", json=body), 201)["id"])


def category(house: House, code: str) -> int:
    """A category that support adds; its number."""
    body = {"code": code, "label": code.title()}
    return int(ok(house.support.api.post("/spend/categories", json=body), 201)["id"])


@dataclass(frozen=True)
class Family:
    """A son abroad who lets his mother spend 150 EUR on health from an escrow."""

    mother: Person
    escrow_id: int
    health: int
    pharmacy: int
    casino: int
    mandate: dict[str, Any]

    def buy(self, merchant_id: int, amount: str, key: str, query: str = "") -> Answer:
        """As the mother."""
        body = {
            "sender_id": self.mandate["sender_id"],
            "beneficiary_id": self.mandate["beneficiary_id"],
            "merchant_id": merchant_id,
            "amount": amount,
            "currency": self.mandate["currency"],
        }
        path = f"/spend/purchases{query}"
        return self.mother.api.post(path, json=body, idempotency_key=key)


@pytest.fixture
def family(house: House) -> Family:
    """The family, and shops in two categories."""
    mother = person("sender")
    escrow_id = house.agree(photo_milestone(1, "600.00"))
    house.fund(escrow_id)
    health, games = category(house, "health"), category(house, "games")
    pharmacy = shop(house, "Pharmacie du Plateau", health)
    casino = shop(house, "Casino Royal", games, is_certified=True)
    permission = {"owner_id": mother.id, "category_id": health}
    for status in ("added", "exists"):
        answer = ok(house.support.api.post("/spend/allow", json=permission), 201)
        assert answer["status"] == status
    terms = {
        "sender_id": house.sender.id,
        "beneficiary_id": mother.id,
        "total_amount": "150.00",
        "currency": "EUR",
        "allowed_category_id": health,
        "escrow_id": escrow_id,
        "expires_at": in_a_year().isoformat(),
    }
    mandate = ok(house.sender.api.post("/mandates", json=terms), 201)
    assert [mandate[name] for name in ("status", "spent", "remaining")] == [
        "ACTIVE",
        "0.00",
        "150.00",
    ]
    return Family(mother, escrow_id, health, pharmacy, casino, mandate)


def test_a_pharmacy_is_paid_and_a_casino_refused(house: House, family: Family) -> None:
    bought = ok(family.buy(family.pharmacy, "40.00", "medicine"), 201)
    details = refused(
        family.buy(family.casino, "40.00", "roulette"), 403, "MANDATE_CATEGORY_FORBIDDEN"
    )

    assert (bought["category_id"], bought["status"]) == (family.health, "COMPLETED")
    # How much the son has there is not the mother's to read.
    assert bought["limits"] == {"mandate": {"limit": "150.00", "used": "0.00", "left": "150.00"}}
    left = {"mandate": {"limit": "150.00", "used": "40.00", "left": "110.00"}}
    assert details == {"rule": "mandate_category", "limits": left}
    assert balances("merchant:") == {f"merchant:{family.pharmacy}:payable": 4_000}
    house.work_until(lambda: house.all_settled(family.escrow_id))
    (payment,) = house.payments(family.escrow_id)
    assert (payment["kind"], payment["payee_id"], payment["amount"]) == ("purchase", None, "40.00")
    assert house.psp.transfers_to(f"fake:merchant:{family.pharmacy}") == ["40.00"]
    assert balances() == {f"escrow:{family.escrow_id}:held": 96_000, "psp:fake": 96_000}
    assert house.escrow(family.escrow_id)["released_total"] == "40.00"

    # The same request again is the same purchase; another one is more than the budget.
    replay = family.buy(family.pharmacy, "40.00", "medicine")
    assert (replay.json["id"], replay.headers["Idempotent-Replayed"]) == (bought["id"], "true")
    details = refused(family.buy(family.pharmacy, "110.01", "more"), 409, "MANDATE_CONFLICT")
    assert details["rule"] == "mandate_total"
    ok(house.sender.api.post(f"/mandates/{family.mandate['id']}/revoke"))
    refused(family.buy(family.pharmacy, "1.00", "late"), 403, "MANDATE_REQUIRED")


def test_what_is_brought_back_returns_the_budget_with_the_money(
    house: House, family: Family
) -> None:
    def remaining() -> str:
        left: str = ok(family.mother.api.get(f"/mandates/{family.mandate['id']}"))["remaining"]
        return left

    bought = ok(family.buy(family.pharmacy, "40.00", "medicine"), 201)
    house.work_until(lambda: house.all_settled(family.escrow_id))
    path = f"/spend/purchases/{bought['id']}"

    refused(family.mother.api.post(f"{path}/refund", json={}), 403, "SPEND_ROLE_FORBIDDEN")
    asked = ok(house.sender.api.post(f"{path}/refund", json={"note": "Brought back."}))
    assert asked["status"] == "REFUND_PENDING"
    assert remaining() == "110.00"
    assert house.escrow(family.escrow_id)["held_total"] == "960.00"
    (alert,) = ok(house.support.api.get("/alerts?type=PURCHASE_REFUND_ASKED"))["items"]
    assert alert["subject"] == f"purchase:{bought['id']}"

    seen = {"note": "Cash at our desk."}
    assert ok(house.support.api.post(f"{path}/refund", json=seen))["status"] == "REFUNDED"
    assert house.escrow(family.escrow_id)["held_total"] == "1000.00"
    assert remaining() == "150.00"
    assert house.trail(family.escrow_id)["purchase.refunded"] == 1
    (listed,) = ok(house.sender.api.get("/spend/purchases?status=REFUNDED"))["items"]
    assert (listed["id"], listed["payment_status"]) == (bought["id"], "SETTLED")


def test_a_receipt_is_there_for_support_to_see(house: House, family: Family) -> None:
    bought = ok(family.buy(family.pharmacy, "40.00", "medicine"), 201)
    form = {"file": uploaded("receipt.jpg", photo(), "image/jpeg")}
    upload = ok(family.mother.api.post("/files/proofs", files=form, fields={}), 201)
    path = f"/spend/purchases/{bought['id']}"

    kept = ok(family.mother.api.post(f"{path}/receipt", json={"upload_id": upload["upload_id"]}))

    assert kept["receipt_upload_id"] == upload["upload_id"]
    again = family.mother.api.post(f"{path}/receipt", json={"upload_id": upload["upload_id"]})
    refused(again, 409, "RECEIPT_EXISTS")
    shown = ok(house.support.api.get(path))
    assert shown["receipt_upload_id"] == upload["upload_id"]
    handed_out = house.support.api.get(f"{path}/receipt")
    assert (handed_out.status, handed_out.body[:3]) == (200, b"\xff\xd8\xff")
    assert "attachment" in handed_out.headers["Content-Disposition"]
    assert house.trail(family.escrow_id)["purchase_receipt.read"] == 1
    stranger = person("sender")
    refused(stranger.api.get(f"{path}/receipt"), 404, "PURCHASE_NOT_FOUND")


def test_a_simulation_says_the_same_and_leaves_nothing(house: House, family: Family) -> None:
    before = house.trail(family.escrow_id)
    simulated = ok(family.buy(family.casino, "1.00", "x", "?simulate=true"))
    assert (simulated["allowed"], simulated["refusal"]["code"]) == (
        False,
        "MANDATE_CATEGORY_FORBIDDEN",
    )
    assert simulated["refusal"]["details"]["rule"] == "mandate_category"
    simulated = ok(family.buy(family.pharmacy, "1.00", "x", "?simulate=true"))
    assert (simulated["allowed"], len(simulated["postings"])) == (True, 1)
    assert house.trail(family.escrow_id) == before
    assert house.payments(family.escrow_id) == []
    real = refused(family.buy(family.casino, "1.00", "y"), 403, "MANDATE_CATEGORY_FORBIDDEN")
    again = ok(family.buy(family.casino, "1.00", "z", "?simulate=true"))
    assert again["refusal"]["details"] == real


def test_a_payee_is_paid_up_to_the_days_limit_and_on_after_midnight(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "900.00"))
    house.fund(escrow_id)
    allowed = ok(
        house.support.api.post(
            "/spend/allowed",
            json={
                "escrow_id": escrow_id,
                "payee_ref": "cement",
                "label": "Cement depot",
                "destination": {"iban": "FR7630006000011234567890189", "name": "Depot SARL"},
                "daily_limit": "50.00",
            },
        ),
        201,
    )
    assert (allowed["daily_limit"], allowed["total_limit"]) == ("50.00", None)
    assert allowed["destination"]["masked"] == "FR****0189"
    evening = clock.now().replace(hour=23, minute=59, second=0, microsecond=0)

    def pay(amount: str, key: str, ref: str = "cement") -> Any:
        body = {"escrow_id": escrow_id, "payee_ref": ref, "amount": amount}
        return house.sender.api.post("/spend", json=body, idempotency_key=key)

    with clock.frozen(evening):
        paid = ok(pay("50.00", "one"))
        assert (paid["amount"], paid["status"]) == ("50.00", "PENDING")
        details = refused(pay("0.01", "two"), 409, "DAILY_LIMIT_REACHED")
        assert details["limits"]["daily"] == {"limit": "50.00", "used": "50.00", "left": "0.00"}
        refused(pay("1.00", "three", "gravel"), 403, "PAYEE_NOT_ALLOWED")
    with clock.frozen(evening + timedelta(minutes=1)):
        ok(pay("50.00", "four"))
    with clock.frozen(evening + timedelta(days=1, minutes=1)):
        details = refused(pay("0.01", "five"), 409, "INSUFFICIENT_ESCROW_BALANCE")
        assert details["limits"]["escrow"]["left"] == "0.00"

    house.work_until(lambda: house.all_settled(escrow_id))
    assert house.psp.transfers_to(f"fake:payee:{allowed['id']}") == ["50.00", "50.00"]
    assert balances() == {f"escrow:{escrow_id}:held": 90_000, "psp:fake": 90_000}
    assert house.escrow(escrow_id)["status"] == "FUNDED"
    # The escrow is over: what is left is the provider's, and nobody is paid from it any more.
    ok(house.command(escrow_id, "client-approve", house.sender))
    refused(pay("1.00", "six"), 409, "ESCROW_NOT_ACTIVE")


def test_a_failed_payment_to_a_payee_waits_and_is_tried_again(house: House) -> None:
    escrow_id = house.agree()
    house.fund(escrow_id)
    payee = {"escrow_id": escrow_id, "payee_ref": "mason", "label": "Mason"}
    ok(house.support.api.post("/spend/allowed", json=payee), 201)
    house.psp.fail_next_transfer()
    body = {"escrow_id": escrow_id, "payee_ref": "mason", "amount": "100.00"}
    paid = ok(house.sender.api.post("/spend", json=body, idempotency_key="pay"))

    house.work_until(lambda: house.payments(escrow_id)[0]["status"] == "ERROR")
    assert house.trail(escrow_id)["spending.payout_failed"] == 1
    ok(house.sender.api.post(f"/payments/execute/{paid['payment_id']}"))
    house.work_until(lambda: house.all_settled(escrow_id))

    assert house.trail(escrow_id)["spending.paid"] == 1
    assert balances() == {f"escrow:{escrow_id}:held": 90_000, "psp:fake": 90_000}
