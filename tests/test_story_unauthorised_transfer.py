"""A transfer that nobody allowed: refused, seen by support, dealt with, and tried again."""

import pytest
from pytest_django import Settings

from tests.house import House, ok, person, refused

pytestmark = [
    pytest.mark.flow,
    pytest.mark.django_db(transaction=True, databases=["default", "apart"]),
]


def test_an_unauthorised_transfer_becomes_an_alert_that_support_acknowledges(
    house: House, settings: Settings
) -> None:
    settings.AUDIT_APART_DATABASE = "apart"
    admin, stranger = house.admin.api, person("provider")
    body = {"sender_id": house.sender.id, "receiver_id": stranger.id, "amount": "250.00",
            "currency": "EUR"}  # fmt: skip

    for key in ("first", "second"):
        answer = admin.post("/transactions", json=body, idempotency_key=key)
        refused(answer, 403, "UNAUTHORIZED_TRANSFER")

    found = "/alerts?type=UNAUTHORIZED_TRANSFER_ATTEMPT&status=OPEN"
    (alert,) = ok(house.support.api.get(found))["items"]
    assert (alert["subject"], alert["count"]) == (f"user:{house.sender.id}", 2)
    assert alert["payload"]["attempted_receiver_id"] == stranger.id
    done = ok(
        house.support.api.post(
            f"/alerts/{alert['id']}/acknowledge", json={"note": "The sender confirms it."}
        )
    )
    assert (done["status"], done["acknowledged_by"][:7]) == ("ACKNOWLEDGED", "apikey:")
    assert ok(house.support.api.get(found))["items"] == []

    pair = {"owner_id": house.sender.id, "recipient_id": stranger.id}
    ok(admin.post("/allowlist", json=pair), 201)
    made = ok(admin.post("/transactions", json=body, idempotency_key="first"), 201)
    assert (made["status"], made["moves_money"]) == ("COMPLETED", False)
    read = ok(admin.get(f"/transactions/{made['id']}"))
    assert read == made

    trail = [
        entry["action"]
        for entry in ok(
            house.support.api.get(f"/audit/events?subject=user:{house.sender.id}&limit=100")
        )["items"]
    ]
    assert trail.count("transfer.refused") == 2
