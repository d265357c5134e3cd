"""A payer's bank takes money back, through the sandbox PSP and the public API."""

from typing import Any

import httpx
import pytest

from tests.house import House, balances, ok, photo_milestone, refused

pytestmark = pytest.mark.flow


def newest_charge(house: House) -> str:
    """The charge that was paid last; the PSP's books hold those of other stories too."""
    fundings = httpx.get(f"{house.psp.url}/books", timeout=10).json()["fundings"]
    return str(fundings[-1]["id"])


def tell_psp(house: House, path: str, **fields: Any) -> Any:
    """What a bank does; the PSP reports it."""
    answer = httpx.post(f"{house.psp.url}{path}", json=fields, timeout=10)
    assert answer.is_success, answer.text
    return answer.json()


def test_frozen_money_waits_for_the_bank_and_a_lost_case_is_not_overdrawn(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)

    case = tell_psp(house, "/chargebacks", charge=newest_charge(house), amount="400.00")
    house.work_until(lambda: balances("chargeback:") != {})

    summary = ok(house.sender.api.get(f"/escrows/{escrow_id}/summary"))
    assert summary["balances"]["held"] == "1000.00"
    assert summary["balances"]["frozen"] == "400.00"
    assert "client_approve" not in summary["allowed_actions"]
    answer = house.command(escrow_id, "client-approve", house.sender)
    refused(answer, 409, "INSUFFICIENT_ESCROW_BALANCE")
    alerts = ok(house.support.api.get("/alerts?type=CHARGEBACK_OPENED"))["items"]
    assert [alert["subject"] for alert in alerts] == [f"escrow:{escrow_id}"]

    tell_psp(house, f"/chargebacks/{case['id']}/lose")
    house.work_until(lambda: balances("chargeback:") == {})

    escrow = house.escrow(escrow_id)
    assert (escrow["status"], escrow["funded_total"], escrow["held_total"]) == (
        "FUNDED",
        "600.00",
        "600.00",
    )
    assert balances() == {"psp:fake": 60_000, f"escrow:{escrow_id}:held": 60_000}
    refused(
        house.command(escrow_id, "client-approve", house.sender),
        409,
        "INSUFFICIENT_ESCROW_BALANCE",
    )
    assert house.payments(escrow_id) == []
