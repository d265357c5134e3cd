"""A PSP whose record disagrees with what it did: people are told, and nothing is moved by it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import current_app
from django.conf import settings as django_settings
from pytest_django import Settings

from conftest import Doorbells
from kobatela.kernel import clock
from payments import tasks
from payments.models import Attempt, Difference, Funding, Payment, ReconciliationRun
from tests.house import House, balances, books_agree, ok, photo_milestone, psp_server

pytestmark = pytest.mark.flow
MISMATCH = "/alerts?type=RECONCILIATION_MISMATCH&limit=100"


@pytest.fixture
def house(
    tmp_path: Path, doorbells: Doorbells, settings: Settings, transactional_db: None
) -> Iterator[House]:
    """An installation with a PSP of its own: the record of another story would be a stranger's."""
    current_app.loader.import_default_modules()
    with psp_server(tmp_path, django_settings.PSP_WEBHOOK_SECRET) as server:
        settings.FAKE_PSP_URL = server.url
        yield House(server, doorbells)
        assert books_agree()


def pay(house: House) -> tuple[Funding, Payment]:
    """One honest round: paid in, accepted by the sender, paid out, settled."""
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)
    ok(house.command(escrow_id, "client-approve", house.sender))
    house.work_until(lambda: house.all_settled(escrow_id))
    return Funding.objects.get(escrow=escrow_id), Payment.objects.get(escrow=escrow_id)


def lie(house: House, row: Funding | Payment, what: str, value: str = "") -> None:
    """From now on the PSP's list says something else of this movement."""
    told = {"id": row.psp_ref, "lie": what, "value": value}
    assert httpx.post(f"{house.psp.url}/lies", json=told, timeout=10).status_code == 201


def be_honest(house: House) -> None:
    assert httpx.delete(f"{house.psp.url}/lies", timeout=10).status_code == 200


def compare(hours: float) -> ReconciliationRun:
    """Let the job run so many hours from now."""
    with clock.frozen(clock.now() + timedelta(hours=hours)):
        tasks.reconcile()
    return ReconciliationRun.objects.filter(psp="fake").latest("pk")


def everything() -> list[Any]:
    """What money and its rows look like."""
    rows = [list(model.objects.order_by("pk").values()) for model in (Payment, Attempt, Funding)]
    return [balances(), *rows]


def open_ones() -> set[tuple[str, str]]:
    return set(Difference.objects.filter(status="OPEN").values_list("kind", "subject"))


def test_every_lie_is_told_to_people_and_moves_nothing(house: House) -> None:
    rounds = [pay(house) for _ in range(5)]
    fundings, payouts = zip(*rounds, strict=True)
    assert compare(1).found == {}
    assert ok(house.support.api.get(MISMATCH))["items"] == []
    before = everything()

    lie(house, payouts[0], "drop")
    lie(house, payouts[1], "double")
    lie(house, payouts[2], "status", "failed")
    lie(house, fundings[3], "amount", "1.00")
    lie(house, fundings[4], "currency", "USD")
    run = compare(2)

    assert (run.status, run.opened, run.listed) == ("DONE", 5, 10)
    assert open_ones() == {
        ("MISSING_THERE", payouts[0].reference),
        ("DUPLICATE", payouts[1].reference),
        ("STATUS", payouts[2].reference),
        ("AMOUNT", fundings[3].reference),
        ("CURRENCY", fundings[4].reference),
    }
    alerts = ok(house.support.api.get(MISMATCH))["items"]
    assert {alert["subject"] for alert in alerts} == {subject for _, subject in open_ones()}
    assert {alert["severity"] for alert in alerts} == {"critical"}
    assert everything() == before

    be_honest(house)
    assert compare(3).closed == 5
    assert open_ones() == set()
    assert everything() == before


def test_a_report_that_got_lost_is_a_difference_until_it_is_made_up_for(house: House) -> None:
    escrow_id = house.agree(photo_milestone(1, "1000.00"))
    house.fund(escrow_id)
    scenario = {"behaviour": "lost_webhook", "kind": "transfer"}
    assert httpx.post(f"{house.psp.url}/scenario", json=scenario, timeout=10).is_success
    ok(house.command(escrow_id, "client-approve", house.sender))
    payment = Payment.objects.get(escrow=escrow_id)
    house.work_until(lambda: house.psp.transfers_of(payment.pk) == ["settled"])

    assert compare(1).found == {"STATUS": 1}
    assert open_ones() == {("STATUS", payment.reference)}
    payment.refresh_from_db()
    assert payment.status == "SENT"

    with clock.frozen(clock.now() + timedelta(hours=1.1)):
        tasks.sweep_payments()
    payment.refresh_from_db()
    assert payment.status == "SETTLED"
    assert compare(3).closed == 1
    assert open_ones() == set()


def test_a_psp_that_lists_what_nobody_ordered_is_told_and_not_believed(house: House) -> None:
    pay(house)
    before = everything()
    stolen = httpx.post(
        f"{house.psp.url}/transfers",
        json={"amount": "999.00", "currency": "EUR", "destination": "fake:666"},
        headers={"Idempotency-Key": "not_ours"},
        timeout=10,
    ).json()

    assert compare(1).found == {"MISSING_HERE": 1}

    assert open_ones() == {("MISSING_HERE", f"psp:fake:{stolen['id']}")}
    (alert,) = ok(house.support.api.get(MISMATCH))["items"]
    assert alert["payload"]["theirs_minor"] == 99_900
    assert everything() == before


def test_a_record_that_cannot_be_read_opens_and_closes_nothing(
    house: House, settings: Settings
) -> None:
    _, payout = pay(house)
    lie(house, payout, "amount", "1.00")
    compare(1)
    settings.FAKE_PSP_URL = "http://127.0.0.1:9"

    run = compare(2)

    assert (run.status, run.opened, run.closed) == ("UNREAD", 0, 0)
    assert open_ones() == {("AMOUNT", payout.reference)}
