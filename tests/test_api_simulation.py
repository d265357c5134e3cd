"""`?simulate=true` tells what a command would do and does nothing, on every command that has it."""

from typing import Any

import pytest
from django.apps import apps

from kobatela.rest.models import IdempotencyRecord
from payments.ledger.models import Transfer
from tests.matrix import NEW, ROWS, Asked, Endpoint, World, api_of, endpoints, states

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ground")]

USES = {**ROWS, **NEW}
SIMULATABLE = [found for found in endpoints() if found.action in found.view.simulatable]
# What every money-moving command of the contract is called; the list there is exact.
MUST_SIMULATE = {
    "POST /escrows/<int:escrow_id>/deposit",
    "POST /escrows/<int:escrow_id>/refund",
    "POST /escrows/<int:escrow_id>/cancel",
    "POST /escrows/<int:escrow_id>/client-approve",
    "POST /escrows/<int:escrow_id>/client-reject",
    "POST /escrows/<int:escrow_id>/resolve",
    "POST /proofs/<int:proof_id>/decision",
    "POST /payments/execute/<int:payment_id>",
    "POST /spend",
    "POST /spend/purchases",
}
each_command = pytest.mark.parametrize("endpoint", SIMULATABLE, ids=str)


def arranged(endpoint: Endpoint) -> tuple[Any, Asked, Any]:
    """The owner's API, a request that succeeds, and its body."""
    row, world = USES[str(endpoint)], World.make()
    asked = row.arrange(world)
    return api_of(row.scope, world.owner(row.scope), **row.key_options), asked, asked.json


def traces() -> list[int]:
    """Everything that a command leaves besides the rows it changes."""
    names = ("audit.AuditEntry", "audit.OutboxEvent", "audit.Alert")
    used = apps.get_model("audit.AuditEntry").objects.filter(action="apikey.used").count()
    return [apps.get_model(name).objects.count() for name in names] + [-used]


def unchanged_but_key_use(before: list[int], after: list[int]) -> bool:
    """Whether only uses of keys were written meanwhile."""
    entries, *others, used = (now - then for now, then in zip(after, before, strict=True))
    return entries + used == 0 and others == [0, 0]


def test_every_money_moving_command_can_be_simulated() -> None:
    assert {str(endpoint) for endpoint in SIMULATABLE} >= MUST_SIMULATE


@each_command
def test_a_simulation_does_nothing_and_foretells_what_the_command_does(endpoint: Endpoint) -> None:
    api, asked, body = arranged(endpoint)
    path, before, traces_before = endpoint.path(asked.ids), states(), traces()

    shown = api.send(endpoint.method, f"{path}?simulate=true", json=body)

    assert shown.status == 200, shown.body
    assert (shown.json["simulated"], shown.json["allowed"]) == (True, True)
    assert shown.json["refusal"] is None
    assert states() == before
    assert unchanged_but_key_use(traces_before, traces())
    assert not IdempotencyRecord.objects.exclude(key__in=["reported", "in"]).exists()

    booked = Transfer.objects.count()
    done = api.send(endpoint.method, path, json=body, idempotency_key="for-real")
    assert done.status == asked.success, done.body
    assert Transfer.objects.count() - booked == len(shown.json["postings"])


@each_command
def test_a_simulation_is_no_way_around_the_gates(endpoint: Endpoint) -> None:
    _, asked, body = arranged(endpoint)
    path = f"{endpoint.path(asked.ids)}?simulate=true"
    row, world = USES[str(endpoint)], World.make()
    stranger = api_of(row.scope, world.owner(row.scope), **row.key_options)
    if world.owner(row.scope) is not None:
        refused = stranger.send(endpoint.method, path, json=body)
        # Who is named in a body is refused as a field.
        assert refused.status in {404, 422}
        assert refused.status == 404 or refused.code == "VALIDATION_ERROR"
    without_key = type(stranger)().send(endpoint.method, path, json=body)
    assert (without_key.status, without_key.code) == (401, "NO_API_KEY")
