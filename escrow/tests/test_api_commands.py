"""The commands on escrows over HTTP."""

from typing import Any

import pytest

from escrow.models import Deposit, EscrowStatus
from escrow.tests.books import assert_in_order, payments_of
from escrow.tests.factories import fund, make_escrow
from escrow.tests.http import ESCROW_READ, api, client_of, fields, provider_of, support
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope

pytestmark = pytest.mark.django_db
E = EscrowStatus


def test_a_deposit_needs_a_key_and_answers_the_escrow() -> None:
    escrow = make_escrow(E.DRAFT)
    sender = client_of(escrow, may_confirm_deposits=True)
    path = f"/escrows/{escrow.pk}/deposit"
    missing = sender.post(path, json={"amount": "100.00"})
    assert (missing.status, missing.code) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    done = sender.post(path, json={"amount": "100.00"}, idempotency_key="k")
    assert done.status == 200
    assert set(done.json) >= ESCROW_READ
    assert (done.json["status"], done.json["held_total"]) == ("FUNDED", "100.00")
    assert "approvals" not in done.json
    again = sender.post(path, json={"amount": "100.00"}, idempotency_key="k")
    assert (again.status, again.body) == (200, done.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    over = sender.post(path, json={"amount": "0.01"}, idempotency_key="other")
    assert (over.status, over.code) == (409, "ESCROW_OVER_FUNDED")
    assert_in_order()


@pytest.mark.parametrize("amount", ["0", "-1", "abc", None, True, "1e2", "NaN", [], "9" * 30])
def test_a_deposit_without_a_valid_amount_is_refused(amount: Any) -> None:
    escrow = make_escrow(E.DRAFT)
    answer = client_of(escrow).post(
        f"/escrows/{escrow.pk}/deposit", json={"amount": amount}, idempotency_key="k"
    )
    assert set(fields(answer)) == {"amount"}
    assert not Deposit.objects.exists()


def test_a_field_problem_does_not_use_up_the_key() -> None:
    escrow = make_escrow(E.DRAFT)
    sender = client_of(escrow)
    path = f"/escrows/{escrow.pk}/deposit"
    refused = sender.post(path, json={"amount": "1.005"}, idempotency_key="k")
    assert (refused.status, refused.code) == (422, "AMOUNT_PRECISION")
    assert sender.post(path, json={"amount": "1.00"}, idempotency_key="k").status == 200


def test_support_confirms_and_rejects_deposits() -> None:
    escrow = make_escrow(E.DRAFT)
    sender = client_of(escrow)
    for key, amount in {"a": "60.00", "b": "60.00", "c": "40.00"}.items():
        sender.post(f"/escrows/{escrow.pk}/deposit", json={"amount": amount}, idempotency_key=key)
    first, beyond, second = Deposit.objects.order_by("pk")
    path = f"/escrows/{escrow.pk}/deposits"
    assert sender.post(f"{path}/{first.pk}/confirm").code == "INSUFFICIENT_SCOPE"
    confirmed = support().post(f"{path}/{first.pk}/confirm")
    assert (confirmed.status, confirmed.json["status"]) == (200, "CONFIRMED")
    assert confirmed.json["source"] == "psp:manual"
    over = support().post(f"{path}/{beyond.pk}/confirm")
    assert (over.status, over.code) == (409, "INVALID_STATE")
    rejected = support().post(f"{path}/{second.pk}/reject", json={"note": "Never came."})
    assert rejected.json["status"] == "FAILED"
    again = support().post(f"{path}/{second.pk}/reject", json={})
    assert (again.status, again.code) == (409, "INVALID_STATE")
    missing = support().post(f"{path}/{2**40}/confirm")
    assert (missing.status, missing.code) == (404, "DEPOSIT_NOT_FOUND")


def test_the_first_of_two_approvals_answers_the_escrow_as_it_stands() -> None:
    escrow = make_escrow(E.DISPUTED, amount_total_minor=1_000_001)
    path = f"/escrows/{escrow.pk}/resolve"
    split = {"release": "0", "refund": "10000.01", "note": "Back."}
    first = support().post(path, json=split, idempotency_key="1")
    assert first.status == 200
    assert first.json["approvals"] == {"given": 1, "needed": 2}
    assert first.json["status"] == "DISPUTED"
    second = support().post(path, json=split, idempotency_key="1")
    assert second.json["status"] == "REFUNDED"
    assert "approvals" not in second.json
    unbound = api(Scope.SUPPORT)
    other = make_escrow(E.DISPUTED, amount_total_minor=1_000_001)
    refused = unbound.post(f"/escrows/{other.pk}/resolve", json=split, idempotency_key="1")
    assert refused.status in {403, 409}
    assert_in_order()


def test_a_simulation_tells_that_a_second_person_is_needed_and_counts_nobody() -> None:
    escrow = make_escrow(E.DISPUTED, amount_total_minor=1_000_001)
    path = f"/escrows/{escrow.pk}/resolve"
    split = {"release": "0", "refund": "10000.01", "note": "Back."}
    for _ in range(2):
        shown = support().post(f"{path}?simulate=true", json=split).json
        assert (shown["allowed"], shown["postings"], shown["states"]) == (True, [], [])
        assert shown["approvals"] == {"given": 1, "needed": 2}
    first = support().post(path, json=split, idempotency_key="1")
    assert first.json["approvals"] == {"given": 1, "needed": 2}
    shown = support().post(f"{path}?simulate=true", json=split).json
    moved = [item["to"] for item in shown["states"] if item["subject"] == escrow.reference]
    assert (moved, "approvals" in shown) == (["REFUNDED"], False)


def test_a_resolution_needs_a_note_and_both_parts() -> None:
    escrow = make_escrow(E.DISPUTED)
    answer = support().post(f"/escrows/{escrow.pk}/resolve", json={}, idempotency_key="k")
    assert set(fields(answer)) == {"release", "refund", "note"}
    wrong = {"release": "1.00", "refund": "1.00", "note": "x"}
    answer = support().post(f"/escrows/{escrow.pk}/resolve", json=wrong, idempotency_key="k")
    assert (answer.status, answer.code) == (422, "RESOLUTION_NOT_BALANCED")


def test_a_body_is_optional_for_what_the_parties_say() -> None:
    escrow = make_escrow()
    assert client_of(escrow).post(f"/escrows/{escrow.pk}/client-approve").status == 200


def test_a_passed_deadline_is_applied_before_the_command_and_stays() -> None:
    escrow = make_escrow(E.DRAFT, funded=4_000)
    sender = client_of(escrow)
    with clock.frozen(escrow.deadline_at):
        answer = sender.post(
            f"/escrows/{escrow.pk}/deposit", json={"amount": "1.00"}, idempotency_key="k"
        )
    assert (answer.status, answer.code) == (409, "ESCROW_CLOSED")
    escrow.refresh_from_db()
    assert escrow.status == E.CANCELLED
    assert payments_of(escrow) == [("refund", "psp", 4_000)]


def test_d27_check_deadline_answers_the_escrow_as_it_then_stands() -> None:
    escrow = make_escrow()
    provider = provider_of(escrow)
    early = provider.post(f"/escrows/{escrow.pk}/check-deadline")
    assert (early.status, early.json["status"]) == (200, "FUNDED")
    with clock.frozen(escrow.deadline_at):
        late = provider.post(f"/escrows/{escrow.pk}/check-deadline")
    assert (late.status, late.json["status"]) == (200, "REFUNDED")


def test_a_simulation_shows_everything_and_changes_nothing() -> None:
    escrow = make_escrow(milestones=[3_000])
    sender = client_of(escrow)
    shown = sender.post(f"/escrows/{escrow.pk}/client-approve?simulate=true", json={}).json
    assert (shown["simulated"], shown["allowed"], shown["refusal"]) == (True, True, None)
    assert {(item["subject"], item["to"]) for item in shown["states"]} == {
        (f"escrow:{escrow.pk}", "RELEASED"),
        (f"milestone:{escrow.milestones.get().pk}", "APPROVED"),
    }
    assert len(shown["postings"]) == 2
    escrow.refresh_from_db()
    assert (escrow.status, escrow.released_minor) == (E.FUNDED, 0)
    assert payments_of(escrow) == []
    refused = sender.post(f"/escrows/{escrow.pk}/cancel?simulate=true", json={}).json
    assert (refused["allowed"], refused["refusal"]["code"]) == (False, "INVALID_STATE")
    assert_in_order()


def test_a_simulation_only_shows_a_passed_deadline() -> None:
    escrow = make_escrow(E.DRAFT)
    sender = client_of(escrow)
    with clock.frozen(escrow.deadline_at):
        shown = sender.post(
            f"/escrows/{escrow.pk}/deposit?simulate=true", json={"amount": "1.00"}
        ).json
    assert shown["refusal"]["code"] == "ESCROW_CLOSED"
    assert [(item["from"], item["to"]) for item in shown["states"]] == [("DRAFT", "CANCELLED")]
    escrow.refresh_from_db()
    assert escrow.status == E.DRAFT


def test_the_clients_partial_refund_goes_through_the_api() -> None:
    escrow = make_escrow(milestones=[3_000])
    sender = client_of(escrow)
    path = f"/escrows/{escrow.pk}/refund"
    assert sender.post(path, json={"amount": "1.00"}).code == "IDEMPOTENCY_KEY_REQUIRED"
    part = sender.post(path, json={"amount": "70.00"}, idempotency_key="k")
    assert (part.status, part.json["refunded_total"]) == (200, "70.00")
    more = sender.post(path, json={"amount": "0.01"}, idempotency_key="l")
    assert (more.status, more.code) == (409, "INSUFFICIENT_ESCROW_BALANCE")


def test_money_on_its_way_is_in_the_balances() -> None:
    escrow = make_escrow(E.DRAFT)
    sender = client_of(escrow, may_confirm_deposits=True)
    sender.post(f"/escrows/{escrow.pk}/deposit", json={"amount": "10.00"}, idempotency_key="k")
    fund(escrow, 500)
    sender.post(f"/escrows/{escrow.pk}/cancel", json={})
    shown = sender.get(f"/escrows/{escrow.pk}/summary").json
    # The collector's part is in its own hands; the PSP's part waits for a worker.
    assert shown["balances"]["in_transit"] == "10.00"
    assert shown["balances"]["refunded"] == "15.00"
    assert shown["allowed_actions"] == []
    assert shown["deadlines"] == []
