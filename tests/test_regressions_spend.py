"""Defects of the prototype in controlled spending; none may come back.

The numbers are those of the list of its defects (D-01 to D-45).
"""

from datetime import timedelta
from typing import Any

import pytest

from kobatela.kernel import clock
from kobatela.rest.tests.client import Answer
from spend.schedule import SCHEDULE
from tests.house import House, Person, balances, in_a_year, ok, person, photo_milestone, refused

pytestmark = pytest.mark.flow
NOBODY = 9_007_199_254_740_993


def fields(answer: Answer) -> dict[str, str]:
    """Which fields were refused, and why."""
    assert answer.status == 422, (answer.status, answer.body[:500])
    return {item["field"]: item["code"] for item in answer.json["error"]["details"]["fields"]}


def mandate_body(sender: Person, beneficiary: Person, **more: Any) -> dict[str, Any]:
    """A mandate of 100 EUR for a year."""
    return {
        "sender_id": sender.id,
        "beneficiary_id": beneficiary.id,
        "total_amount": "100.00",
        "currency": "EUR",
        "expires_at": in_a_year().isoformat(),
    } | more


def a_merchant(house: House, **more: Any) -> dict[str, Any]:
    """A certified merchant."""
    number = clock.now().timestamp()
    body = {"name": f"Shop {number}", "is_certified": True} | more
    return ok(house.support.api.post("/spend/merchants", json=body), 201)


def test_d05_nobody_gives_mandates_or_buys_in_anothers_name(house: House) -> None:
    thief = person("sender")
    answer = thief.api.post("/mandates", json=mandate_body(house.sender, thief))
    assert fields(answer) == {"sender_id": "unknown"}
    mother = person("sender")
    ok(house.sender.api.post("/mandates", json=mandate_body(house.sender, mother)), 201)
    purchase = {
        "sender_id": house.sender.id,
        "beneficiary_id": mother.id,
        "merchant_id": a_merchant(house)["id"],
        "amount": "10.00",
        "currency": "EUR",
    }
    stolen = thief.api.post("/spend/purchases", json=purchase, idempotency_key="stolen")
    assert fields(stolen) == {"sender_id": "unknown"}
    kept = ok(house.support.api.get("/audit/events?action=access.refused"))["items"]
    assert [(item["body"]["path"], item["body"]["ids"]) for item in kept] == [
        ("spend/purchases", {"sender_id": str(house.sender.id)}),
        ("mandates", {"sender_id": str(house.sender.id)}),
    ]
    (mandate,) = ok(house.sender.api.get("/mandates"))["items"]
    assert mandate["spent"] == "0.00"


def test_the_trail_keeps_which_escrow_a_body_tried(house: House) -> None:
    escrow_id, stranger = house.agree(), person("sender")
    body = mandate_body(stranger, person("sender"), escrow_id=escrow_id)
    refused(stranger.api.post("/mandates", json=body), 404, "ESCROW_NOT_FOUND")
    (kept,) = ok(house.support.api.get("/audit/events?action=access.refused"))["items"]
    assert kept["body"]["ids"] == {"escrow_id": str(escrow_id)}


def test_d08_only_staff_say_who_may_be_paid_and_bought_from(house: House) -> None:
    escrow_id = house.agree()
    payee = {"escrow_id": escrow_id, "payee_ref": "me", "label": "me"}
    for path, body in {
        "/spend/categories": {"code": "x", "label": "x"},
        "/spend/merchants": {"name": "x"},
        "/spend/allow": {"owner_id": house.sender.id, "merchant_id": 1},
        "/spend/allowed": payee,
    }.items():
        for somebody in (house.sender, house.provider):
            refused(somebody.api.post(path, json=body), 403, "INSUFFICIENT_SCOPE")
        # Reading is everybody's; there is nothing to read.
        assert ok(house.support.api.get(path))["items"] == []


def test_d15_a_payment_takes_no_key_that_something_else_will_need(house: House) -> None:
    """The prototype's key of a milestone's payout could be used up by a small payment."""
    escrow_id = house.agree(photo_milestone(1, "600.00"))
    house.fund(escrow_id)
    payee = {"escrow_id": escrow_id, "payee_ref": "mason", "label": "Mason"}
    ok(house.support.api.post("/spend/allowed", json=payee), 201)
    body = {"escrow_id": escrow_id, "payee_ref": "mason", "amount": "1.00"}
    for poison in (f"escrow:{escrow_id}:close:rest", f"escrow:{escrow_id}:milestone:1", "spend:1"):
        ok(house.sender.api.post("/spend", json=body, idempotency_key=poison))

    ok(house.command(escrow_id, "client-approve", house.sender))
    house.work_until(lambda: house.all_settled(escrow_id))

    paid = sorted(item["amount"] for item in house.payments(escrow_id))
    assert paid == ["1.00", "1.00", "1.00", "397.00", "600.00"]
    assert house.milestones(escrow_id) == {1: "PAID"}
    assert balances() == {}


def test_d16_one_key_is_one_callers_and_one_requests(house: House) -> None:
    escrow_id = house.agree()
    house.fund(escrow_id)
    payee = {"escrow_id": escrow_id, "payee_ref": "mason", "label": "Mason"}
    ok(house.support.api.post("/spend/allowed", json=payee), 201)
    body = {"escrow_id": escrow_id, "payee_ref": "mason", "amount": "10.00"}
    first = ok(house.sender.api.post("/spend", json=body, idempotency_key="key"))

    other = body | {"amount": "11.00"}
    again = house.sender.api.post("/spend", json=other, idempotency_key="key")
    refused(again, 422, "IDEMPOTENCY_KEY_REUSED")
    stranger = person("sender")
    foreign = stranger.api.post("/spend", json=body, idempotency_key="key")
    refused(foreign, 404, "ESCROW_NOT_FOUND")
    missing = house.sender.api.post("/spend", json=body)
    refused(missing, 400, "IDEMPOTENCY_KEY_REQUIRED")

    (payment,) = house.payments(escrow_id)
    assert (payment["id"], payment["amount"]) == (first["payment_id"], "10.00")


def test_d23_what_is_spent_stands_in_the_books_in_the_escrows_currency(house: House) -> None:
    escrow_id = house.agree(total="50000", currency="XOF")
    house.fund(escrow_id)
    payee = {"escrow_id": escrow_id, "payee_ref": "mason", "label": "Mason"}
    precise = payee | {"daily_limit": "100.50"}
    refused(house.support.api.post("/spend/allowed", json=precise), 422, "AMOUNT_PRECISION")
    limited = payee | {"daily_limit": "5000"}
    allowed = ok(house.support.api.post("/spend/allowed", json=limited), 201)
    assert (allowed["currency"], allowed["daily_limit"]) == ("XOF", "5000")
    body = {"escrow_id": escrow_id, "payee_ref": "mason", "amount": "10.5"}
    tiny = house.sender.api.post("/spend", json=body, idempotency_key="tiny")
    refused(tiny, 422, "AMOUNT_PRECISION")
    paid = house.sender.api.post("/spend", json=body | {"amount": 5000}, idempotency_key="fits")
    assert ok(paid)["amount"] == "5000"
    house.work_until(lambda: house.all_settled(escrow_id))
    assert house.escrow(escrow_id)["released_total"] == "5000"

    merchant = a_merchant(house)["id"]
    elsewhere = mandate_body(house.sender, house.provider, escrow_id=escrow_id)
    refused(house.sender.api.post("/mandates", json=elsewhere), 422, "CURRENCY_MISMATCH")
    francs = elsewhere | {"currency": "XOF", "total_amount": "3000"}
    ok(house.sender.api.post("/mandates", json=francs), 201)
    purchase = {
        "sender_id": house.sender.id,
        "beneficiary_id": house.provider.id,
        "merchant_id": merchant,
        "amount": "30.00",
        "currency": "EUR",
    }
    in_euros = house.sender.api.post("/spend/purchases", json=purchase, idempotency_key="eur")
    refused(in_euros, 403, "MANDATE_REQUIRED")
    purchase |= {"amount": "3000", "currency": "XOF"}
    ok(house.sender.api.post("/spend/purchases", json=purchase, idempotency_key="xof"), 201)
    assert house.escrow(escrow_id)["released_total"] == "8000"


def test_d29_mandates_run_out_by_a_job_that_the_scheduler_knows(house: House) -> None:
    (job,) = [job for job in SCHEDULE if job.name == "mandate_expiry"]
    soon = clock.now() + timedelta(hours=1)
    body = mandate_body(house.sender, house.provider, expires_at=soon.isoformat())
    first = ok(house.sender.api.post("/mandates", json=body), 201)
    refused(house.sender.api.post("/mandates", json=body), 409, "ACTIVE_MANDATE_EXISTS")

    with clock.frozen(soon):
        house.doorbells.rung.append((job.task, ()))
        house.work()
        path = f"/mandates/{first['id']}"
        assert ok(house.sender.api.get(path))["status"] == "EXPIRED"
        assert ok(house.sender.api.post("/mandates/cleanup"), 202) == {"expired": 0}
    entries = ok(house.support.api.get(f"/audit/events?subject=mandate:{first['id']}"))["items"]
    assert [item["action"] for item in entries] == ["mandate.expired", "mandate.created"]


def test_d33_what_does_not_exist_is_said_not_to_exist(house: House) -> None:
    staff, escrow_id = house.support.api, house.agree()
    merchant = a_merchant(house)["id"]
    unknown_owner = staff.post("/spend/allow", json={"owner_id": NOBODY, "merchant_id": merchant})
    assert fields(unknown_owner) == {"owner_id": "unknown"}
    owner: dict[str, Any] = {"owner_id": house.sender.id}
    for body, code in (
        ({"merchant_id": NOBODY}, "MERCHANT_NOT_FOUND"),
        ({"category_id": NOBODY}, "CATEGORY_NOT_FOUND"),
    ):
        refused(staff.post("/spend/allow", json=owner | body), 404, code)
    assert fields(staff.post("/spend/allow", json=owner)) == {"merchant_id": "one_of"}
    category = staff.post("/spend/merchants", json={"name": "New", "category_id": NOBODY})
    assert refused(category, 404, "CATEGORY_NOT_FOUND") == {"field": "category_id"}
    payee: dict[str, Any] = {"escrow_id": NOBODY, "payee_ref": "mason", "label": "Mason"}
    unknown = staff.post("/spend/allowed", json=payee)
    assert refused(unknown, 404, "ESCROW_NOT_FOUND") == {"field": "escrow_id"}
    ok(staff.post("/spend/categories", json={"code": "Food", "label": "Food"}), 201)
    again = staff.post("/spend/categories", json={"code": "fOOD", "label": "Food"})
    refused(again, 409, "CATEGORY_EXISTS")
    payee["escrow_id"] = escrow_id
    for limit in ("daily_limit", "total_limit"):
        for wrong in ("-1.00", "0.00", 0):
            answer = staff.post("/spend/allowed", json=payee | {limit: wrong})
            assert fields(answer) == {limit: "min_value"}
    destinations: tuple[tuple[dict[str, Any], str], ...] = (
        ({"user_id": NOBODY}, "destination.user_id"),
        ({"iban": "FR76"}, "destination.iban"),
        ({"mobile_money": "0701"}, "destination.mobile_money.number"),
        ({}, "destination"),
        ({"user_id": house.provider.id, "iban": "FR76"}, "destination"),
    )
    for destination, field in destinations:
        answer = staff.post("/spend/allowed", json=payee | {"destination": destination})
        assert list(fields(answer)) == [field]
    ok(staff.post("/spend/allowed", json=payee), 201)
    refused(staff.post("/spend/allowed", json=payee), 409, "PAYEE_ALREADY_ALLOWED")


def test_d33_what_a_purchase_or_a_mandate_names_must_exist(house: House) -> None:
    purchase: dict[str, Any] = {
        "sender_id": house.sender.id,
        "merchant_id": a_merchant(house)["id"],
        "amount": "1.00",
        "currency": "EUR",
    }

    def buy(**wrong: Any) -> Answer:
        key = "-".join(wrong)
        return house.sender.api.post("/spend/purchases", json=purchase | wrong, idempotency_key=key)

    refused(buy(merchant_id=NOBODY), 404, "MERCHANT_NOT_FOUND")
    refused(buy(category_id=NOBODY), 404, "CATEGORY_NOT_FOUND")
    assert fields(buy(beneficiary_id=NOBODY)) == {"beneficiary_id": "unknown"}
    assert fields(buy(amount="-1.00")) == {"amount": "min_value"}
    mistakes: tuple[dict[str, Any], ...] = (
        {"beneficiary_id": NOBODY},
        {"total_amount": "0.00"},
        {"max_per_hour": 0},
        {"expires_at": "2026-01-01T00:00:00"},
    )
    for wrong in mistakes:
        answer = house.sender.api.post(
            "/mandates", json=mandate_body(house.sender, house.provider) | wrong
        )
        assert list(fields(answer)) == list(wrong)
    named: tuple[tuple[str, str], ...] = (
        ("allowed_category_id", "CATEGORY_NOT_FOUND"),
        ("allowed_merchant_id", "MERCHANT_NOT_FOUND"),
        ("escrow_id", "ESCROW_NOT_FOUND"),
    )
    for field, code in named:
        body = mandate_body(house.sender, house.provider) | {field: NOBODY}
        answer = house.sender.api.post("/mandates", json=body)
        assert refused(answer, 404, code) == {"field": field}
    past = mandate_body(house.sender, house.provider, expires_at="2020-01-01T00:00:00+00:00")
    refused(house.sender.api.post("/mandates", json=past), 422, "MANDATE_EXPIRES_IN_PAST")


def test_an_admin_pays_in_a_partys_name_with_a_second_person(house: House) -> None:
    escrow_id = house.agree(total="30000.00")
    house.fund(escrow_id)
    payee = {"escrow_id": escrow_id, "payee_ref": "mason", "label": "Mason"}
    ok(house.support.api.post("/spend/allowed", json=payee), 201)
    body = {"escrow_id": escrow_id, "payee_ref": "mason", "amount": "20000.00"}
    second = person("admin")

    def pay(by: Person, key: str, **headers: str) -> Answer:
        return by.api.post("/spend", json=body, idempotency_key=key, headers=headers)

    refused(pay(house.admin, "alone"), 403, "ON_BEHALF_OF_REQUIRED")
    named = {"X-On-Behalf-Of": str(house.sender.id)}
    first = ok(pay(house.admin, "first", **named))
    assert first["approvals"] == {"given": 1, "needed": 2}
    assert (first["payment_id"], first["status"]) == (None, None)
    assert house.payments(escrow_id) == []
    assert ok(pay(house.admin, "again", **named))["approvals"] == {"given": 1, "needed": 2}
    done = ok(pay(second, "second", **named))
    assert "approvals" not in done
    assert [item["amount"] for item in house.payments(escrow_id)] == ["20000.00"]
