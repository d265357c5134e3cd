"""What the sandbox PSP can be told to do wrong, over HTTP."""

from typing import Any

import httpx
import pytest

from kobatela.kernel.money import Money
from payments.psp.base import Order, OrderKind, OrderState
from payments.psp.tests import test_fake
from payments.psp.tests.test_fake import Running, order

running = test_fake.running


def charge(running: Running, amount_minor: int = 10_000, **said: Any) -> str:
    """A session that its payer has paid; its reference."""
    body = running.adapter.funding_body(Money(amount_minor, "EUR"), {"escrow": "1"})
    opened = running.adapter.open_funding(f"kobf_{amount_minor}", body)
    post(running, f"/fundings/{opened.psp_ref}/complete", **said)
    assert running.reported()["type"] == "funding.succeeded"
    return opened.psp_ref


def pay_session(running: Running, key: str) -> None:
    """Open a session and pay it; nothing is taken from the reports."""
    opened = running.adapter.open_funding(
        key, running.adapter.funding_body(Money(10_000, "EUR"), {})
    )
    post(running, f"/fundings/{opened.psp_ref}/complete")


def post(running: Running, path: str, **fields: Any) -> Any:
    """A command to the sandbox; its answer."""
    answer = httpx.post(f"{running.url}{path}", json=fields)
    assert answer.is_success, answer.text
    return answer.json()


def refund(running: Running, charge_ref: str, key: str, amount_minor: int = 1_234) -> Any:
    """An order to give a part of a charge back."""
    body = running.adapter.order_body(
        Order(OrderKind.REFUND, Money(amount_minor, "EUR"), "", charge_ref, {"payment": "1"})
    )
    return running.adapter.send(OrderKind.REFUND, key, body)


def test_what_is_dropped_before_it_is_taken_leaves_nothing(running: Running) -> None:
    running.script("drop_before")

    assert running.give("koba_1").state is OrderState.UNKNOWN
    assert running.adapter.find(OrderKind.TRANSFER, "koba_1").state is OrderState.NOT_FOUND
    assert running.give("koba_1").state is OrderState.ACCEPTED
    assert len(running.books()["transfers"]) == 1


def test_a_report_can_be_late(running: Running) -> None:
    running.script("late_webhook", seconds=0.4)
    running.give("koba_late")
    running.give("koba_2")

    running.until("koba_late", OrderState.SETTLED)
    assert running.reported()["payment_reference"] == "koba_2"
    assert running.reported()["payment_reference"] == "koba_late"


def test_reports_can_come_in_the_wrong_order(running: Running) -> None:
    running.script("reordered_webhooks")
    running.give("koba_1")
    assert [running.reported()["type"] for _ in range(2)] == ["payment.returned", "payment.settled"]


def test_a_refund_can_fail_and_fail_after_it_was_paid(running: Running) -> None:
    reference = charge(running)
    running.script("fail", kind="refund")
    running.script("reverse", kind="refund")

    refund(running, reference, "koba_1")
    assert running.reported()["type"] == "refund.failed"
    refund(running, reference, "koba_2")
    assert [running.reported()["type"] for _ in range(2)] == ["refund.settled", "refund.failed"]
    found = running.adapter.find(OrderKind.REFUND, "koba_2")
    assert found.state is OrderState.RETURNED


def test_a_scenario_is_kept_for_the_order_whose_metadata_it_names(running: Running) -> None:
    running.script("fail", metadata={"payment": "2"})

    running.give("koba_1")
    assert running.reported()["type"] == "payment.settled"
    other = order(running.adapter).replace('"payment":"1"', '"payment":"2"')
    running.give("koba_2", other)
    assert running.reported()["type"] == "payment.failed"


@pytest.mark.parametrize(("decision", "told"), [("win", "won"), ("lose", "lost")])
def test_a_bank_takes_a_charge_back_and_decides_on_command(
    running: Running, decision: str, told: str
) -> None:
    reference = charge(running)

    case = post(running, "/chargebacks", charge=reference, amount="40.00", fee="15.00")
    opened = running.reported()
    assert (opened["type"], opened["psp_ref"], opened["payment_reference"]) == (
        "chargeback.opened",
        case["id"],
        reference,
    )
    assert (opened["amount"], opened["currency"], opened["fee"]) == ("40.00", "EUR", "15.00")
    assert running.books()["totals"]["EUR"]["taken_back"] == "40.00"

    post(running, f"/chargebacks/{case['id']}/{decision}")

    assert running.reported()["type"] == f"chargeback.{told}"
    left = {"win": "0", "lose": "40.00"}[decision]
    assert running.books()["totals"]["EUR"]["taken_back"] == left
    assert httpx.post(f"{running.url}/chargebacks/{case['id']}/win").status_code == 409


def test_a_session_can_be_scripted_to_be_taken_back(running: Running) -> None:
    running.script("chargeback", kind="funding")
    running.give("koba_1")
    assert running.reported()["type"] == "payment.settled"
    reference = charge(running)
    opened = running.reported()
    assert (opened["type"], opened["payment_reference"]) == ("chargeback.opened", reference)


@pytest.mark.parametrize(("behaviour", "times"), [("duplicate_webhook", 2), ("lost_webhook", 0)])
def test_a_session_is_reported_as_it_is_scripted(
    running: Running, behaviour: str, times: int
) -> None:
    running.script(behaviour)
    running.script(behaviour, kind="funding")
    pay_session(running, "kobf_1")
    pay_session(running, "kobf_2")
    told = [running.reported() for _ in range(times + 1)]
    assert [event["payment_reference"] for event in told] == ["kobf_1"] * times + ["kobf_2"]
    assert len({event["id"] for event in told}) == (2 if times else 1)
    assert running.books()["totals"]["EUR"]["collected"] == "200.00"


def test_a_case_is_reported_twice_and_its_end_before_its_beginning_where_scripted(
    running: Running,
) -> None:
    reference = charge(running)
    running.script("late_webhook", kind="chargeback", seconds=0.4)
    running.script("duplicate_webhook", kind="chargeback")
    case = post(running, "/chargebacks", charge=reference, amount="40.00")
    post(running, f"/chargebacks/{case['id']}/win")
    told = [running.reported() for _ in range(3)]
    assert [event["type"] for event in told] == [
        "chargeback.won", "chargeback.won", "chargeback.opened",
    ]  # fmt: skip
    assert {event["psp_ref"] for event in told} == {case["id"]}


def test_what_was_taken_back_is_not_given_back_as_well(running: Running) -> None:
    reference = charge(running)
    post(running, "/chargebacks", charge=reference, amount="95.00")

    assert refund(running, reference, "koba_1").state is OrderState.FAILED
    answer = httpx.post(f"{running.url}/chargebacks", json={"charge": reference, "amount": "6.00"})
    assert answer.status_code == 409


@pytest.mark.parametrize("path", ["/chargebacks", "/chargebacks/cb_0/win"])
def test_an_unknown_charge_or_case_is_refused(running: Running, path: str) -> None:
    assert httpx.post(f"{running.url}{path}", json={"charge": "ch_0"}).status_code == 404


def test_people_read_the_books_on_a_page(running: Running) -> None:
    reference = charge(running)
    running.give("koba_1", order(running.adapter).replace('"fake:7"', '"<b>fake"'))
    post(running, "/chargebacks", charge=reference)
    running.script("fail", times=3)

    answer = httpx.get(f"{running.url}/")

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    for shown in ("100.00", reference, "cb_", "&lt;b&gt;fake", "<td>fail</td>", "payment 1"):
        assert shown in answer.text, shown
    assert "<b>" not in answer.text
