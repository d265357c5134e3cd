"""What each PSP lists of what it did with our money: whole, or not at all."""

from collections.abc import Mapping
from datetime import timedelta

import httpx
import pytest
from pytest_django import Settings

from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments.psp import registry
from payments.psp.base import Books, Movement, MovementKind, OrderKind, OrderState, PspDown
from payments.psp.fake.client import FakePsp
from payments.psp.stripe.adapter import StripePsp
from payments.psp.tests.stripe_installation import stripe_server as stripe_server  # noqa: PLC0414
from payments.psp.tests.stripe_server import StripeServer
from payments.psp.tests.test_fake import Running
from payments.psp.tests.test_fake import running as running  # noqa: PLC0414
from payments.psp.tests.test_stripe import adapter as adapter  # noqa: PLC0414
from payments.psp.tests.test_stripe import paid, refund, transfer
from payments.tests.batches import lines, make_batch, tell_outcomes
from payments.tests.conftest import psp as psp  # noqa: PLC0414
from payments.tests.stub_psp import StubPsp

DAY = timedelta(days=1)


def listed(books: Books) -> list[Movement]:
    """What happened since yesterday."""
    return books.list_movements(clock.now() - DAY, clock.now() + timedelta(minutes=1))


def lie(running: Running, psp_ref: str | None, what: str, value: str = "") -> None:
    """Let the list of the local PSP lie about one movement."""
    told = {"id": psp_ref, "lie": what, "value": value}
    assert httpx.post(f"{running.url}/lies", json=told).status_code == 201


# --- The local PSP --------------------------------------------------------------------------------


def test_the_local_psp_lists_transfers_refunds_and_sessions(running: Running) -> None:
    begun_at = clock.now()
    opened = running.adapter.open_funding(
        "kobf_1", running.adapter.funding_body(Money(5_000, "XOF"), {"escrow": "1"})
    )
    httpx.post(f"{running.url}/fundings/{opened.psp_ref}/complete", json={"amount": "4000"})
    running.give("koba_1")
    paid_out = running.until("koba_1", OrderState.SETTLED)

    first, second = listed(running.adapter)

    assert (first.kind, first.psp_ref, first.key) == (
        MovementKind.FUNDING,
        opened.psp_ref,
        "kobf_1",
    )
    assert (first.state, first.money) == (OrderState.SETTLED, Money(4_000, "XOF"))
    assert (second.kind, second.psp_ref, second.key) == (
        MovementKind.TRANSFER,
        paid_out.psp_ref,
        "koba_1",
    )
    assert (second.state, second.money) == (OrderState.SETTLED, Money(1_234, "EUR"))
    for movement in (first, second):
        assert movement.changed_at is not None
        assert begun_at <= movement.created_at < movement.changed_at <= clock.now()
    assert running.adapter.balances() == {"EUR": -1_234, "XOF": 4_000}


def test_the_list_goes_on_over_its_pages_and_ends(running: Running) -> None:
    running.script("hold", times=230)
    for number in range(230):
        running.give(f"koba_{number}")

    found = listed(running.adapter)

    assert [movement.key for movement in found] == [f"koba_{number}" for number in range(230)]
    assert {movement.state for movement in found} == {OrderState.ACCEPTED}
    middle = found[100].created_at
    assert len(running.adapter.list_movements(clock.now() - DAY, middle)) == 100
    assert running.adapter.list_movements(clock.now() + DAY, clock.now() + 2 * DAY) == []


def test_a_list_that_breaks_off_is_no_list(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(120):
        running.give(f"koba_{number}")
    asked = running.adapter._page
    pages: list[int] = []

    def broken(path: str, parameters: Mapping[str, str]) -> Mapping[str, object]:
        pages.append(1)
        if len(pages) == 2:
            raise PspDown("read timeout")
        return asked(path, parameters)

    monkeypatch.setattr(running.adapter, "_page", broken)
    with pytest.raises(PspDown):
        listed(running.adapter)
    assert len(pages) == 2


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"items": None, "next": None},
        {"items": [None], "next": None},
        {"items": [{"id": "tr_1"}], "next": None},
        {"items": [], "next": 7},
        {"items": [], "next": "1:tr_1"},
    ],
)
def test_what_is_not_a_list_is_not_read_as_an_empty_one(
    running: Running, monkeypatch: pytest.MonkeyPatch, page: dict[str, object]
) -> None:
    monkeypatch.setattr(running.adapter, "_page", lambda _path, _parameters: page)
    with pytest.raises(PspDown):
        listed(running.adapter)


def test_a_psp_that_does_not_answer_has_no_list_and_no_balances() -> None:
    nobody = FakePsp("http://127.0.0.1:9", timeout_s=1)
    with pytest.raises(PspDown):
        listed(nobody)
    with pytest.raises(PspDown):
        nobody.balances()


def test_the_list_can_be_told_to_lie_and_the_orders_stay_true(running: Running) -> None:
    given = [running.give(f"koba_{number}") for number in range(6)]
    for number in range(6):
        running.until(f"koba_{number}", OrderState.SETTLED)
    truth = listed(running.adapter)

    lie(running, given[0].psp_ref, "drop")
    lie(running, given[1].psp_ref, "double")
    lie(running, given[2].psp_ref, "amount", "99.99")
    lie(running, given[3].psp_ref, "currency", "USD")
    lie(running, given[4].psp_ref, "status", "failed")
    told = listed(running.adapter)

    assert [row.key for row in told] == ["koba_1", "koba_1", "koba_2", "koba_3", "koba_4", "koba_5"]
    assert [told[0].psp_ref, told[1].psp_ref] == [given[1].psp_ref, f"{given[1].psp_ref}_again"]
    assert told[2].money == Money(9_999, "EUR")
    assert told[3].money == Money(1_234, "USD")
    assert told[4].state is OrderState.FAILED
    assert told[5] == truth[5]
    assert running.adapter.find(OrderKind.TRANSFER, "koba_4").state is OrderState.SETTLED
    assert httpx.post(f"{running.url}/lies", json={"lie": "blush"}).status_code == 422
    assert httpx.delete(f"{running.url}/lies").status_code == 200
    assert listed(running.adapter) == truth


# --- Stripe ---------------------------------------------------------------------------------------


def test_stripe_lists_transfers_refunds_and_intents(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    intent = paid(stripe_server, adapter)
    account = stripe_server.add_account()
    sent = adapter.send(OrderKind.TRANSFER, "koba_1", transfer(adapter, account, key="koba_1"))
    back = adapter.send(
        OrderKind.REFUND, "koba_2", refund(adapter, intent, Money(200, "EUR"), key="koba_2")
    )
    stripe_server.reverse(str(sent.psp_ref))

    found = {row.kind: row for row in listed(adapter)}

    assert len(found) == 3
    assert found[MovementKind.FUNDING].psp_ref == intent
    assert found[MovementKind.FUNDING].key == "kobf_1"
    assert found[MovementKind.FUNDING].state is OrderState.SETTLED
    assert found[MovementKind.TRANSFER].psp_ref == sent.psp_ref
    assert found[MovementKind.TRANSFER].state is OrderState.RETURNED
    assert found[MovementKind.REFUND].psp_ref == back.psp_ref
    assert found[MovementKind.REFUND].state is OrderState.ACCEPTED
    assert found[MovementKind.REFUND].money == Money(200, "EUR")
    assert {row.changed_at for row in found.values()} == {None}


def test_stripes_list_is_read_over_all_pages_and_by_the_time_of_creation(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    account = stripe_server.add_account()
    for number in range(250):
        key = f"koba_{number}"
        told = {"amount": "5", "currency": "eur", "destination": account}
        stripe_server._transfer({**told, "metadata": {"reference": key}})
    long_ago = stripe_server.all("transfer")[0]
    long_ago["created"] -= 7 * 86_400

    found = listed(adapter)

    assert sorted(row.key for row in found) == sorted(f"koba_{number}" for number in range(1, 250))
    asked = [seen for seen in stripe_server.seen if seen.path == "/v1/transfers"]
    assert len(asked) == 3


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_a_list_of_stripes_is_whole_or_not_there(
    stripe_server: StripeServer, adapter: StripePsp, lost: int
) -> None:
    for _ in range(150):
        stripe_server._collect({"amount": "5", "currency": "eur"})
    real = stripe_server.answer
    asked: list[str] = []

    def answer(request: object) -> object:
        asked.append(str(request))
        if len(asked) == lost + 1:
            stripe_server.misbehave(500, {"error": {"type": "api_error"}})
        return real(request)  # type: ignore[arg-type]  # what came is handed on

    stripe_server.answer = answer  # type: ignore[method-assign,assignment]  # see above
    with pytest.raises(PspDown):
        listed(adapter)
    assert len(listed(adapter)) == 150


def test_a_line_that_cannot_be_read_makes_the_list_unreadable(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    paid(stripe_server, adapter)
    stripe_server.all("payment_intent")[0]["amount_received"] = "much"
    with pytest.raises(PspDown):
        listed(adapter)


def test_stripe_tells_its_balances_in_our_minor_units(
    stripe_server: StripeServer, adapter: StripePsp
) -> None:
    stripe_server.balance = {"eur": 1_234, "ugx": 70_000, "xof": -5, "usd": 0}
    assert adapter.balances() == {"EUR": 1_234, "UGX": 700, "XOF": -5, "USD": 0}
    stripe_server.misbehave(200, {"object": "balance", "available": ["much"], "pending": []})
    with pytest.raises(PspDown):
        adapter.balances()


# --- People ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_people_list_the_lines_of_released_files_as_statements_told(psp: StubPsp) -> None:
    batch = make_batch("EXPORTED", amounts=(5_000, 7_000, 9_000))
    make_batch("APPROVED", amounts=(1_000,))
    tell_outcomes(batch, "settled", "failed")
    books = registry.get_books(registry.MANUAL)

    found = listed(books)

    assert [(row.state, row.money.amount_minor) for row in found] == [
        (OrderState.SETTLED, 5_000),
        (OrderState.FAILED, 7_000),
        (OrderState.ACCEPTED, 9_000),
    ]
    assert [row.key for row in found] == [line.code for line in lines(batch)]
    assert {row.money.currency for row in found} == {"XOF"}
    assert books.balances() is None
    assert books.list_movements(clock.now() - 2 * DAY, clock.now() - DAY) == []


def test_the_sandbox_has_no_books_in_production(settings: Settings) -> None:
    assert registry.with_books() == ("fake", "manual")
    settings.KOBATELA_ENV, settings.STRIPE_ENABLED = "production", True
    assert registry.with_books() == ("stripe", "manual")


def test_the_local_psp_lists_its_chargebacks_apart(running: Running) -> None:
    begun_at = clock.now()
    opened = running.adapter.open_funding(
        "kobf_1", running.adapter.funding_body(Money(5_000, "EUR"), {"escrow": "1"})
    )
    httpx.post(f"{running.url}/fundings/{opened.psp_ref}/complete", json={})
    cases = [
        httpx.post(
            f"{running.url}/chargebacks", json={"charge": opened.psp_ref, "amount": "20.00"}
        ).json()["id"]
        for _ in range(2)
    ]
    httpx.post(f"{running.url}/chargebacks/{cases[0]}/lose")

    found = running.adapter.list_chargebacks(begun_at, clock.now() + timedelta(seconds=1))

    assert [(row.kind, row.psp_ref, row.state) for row in found] == [
        (MovementKind.CHARGEBACK, cases[0], OrderState.SETTLED),
        (MovementKind.CHARGEBACK, cases[1], OrderState.ACCEPTED),
    ]
    assert {(row.key, row.charge_ref, row.money) for row in found} == {
        ("", opened.psp_ref, Money(2_000, "EUR"))
    }
    assert [row.kind for row in listed(running.adapter)] == [MovementKind.FUNDING]
