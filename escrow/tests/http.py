"""Calling the API as one of the people around an escrow."""

from datetime import timedelta
from typing import Any

from escrow.models import Escrow
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_key, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer, Api

ESCROW_READ = {
    "id",
    "client_id",
    "provider_id",
    "amount_total",
    "currency",
    "status",
    "domain",
    "release_conditions_json",
    "deadline_at",
    "inspection_hours",
    "on_deadline",
    "funded_total",
    "held_total",
    "released_total",
    "refunded_total",
    "created_at",
    "updated_at",
}
MILESTONE_READ = {
    "id",
    "escrow_id",
    "label",
    "amount",
    "currency",
    "sequence_index",
    "status",
    "proof_kind",
    "validator",
    "proof_requirements",
    "geofence_lat",
    "geofence_lng",
    "geofence_radius_m",
    "max_age_minutes",
}


def api(scope: Scope | str, user: User | None = None, **key: Any) -> Api:
    return Api(make_key(scope, user, **key)[1])


def client_of(escrow: Escrow, **key: Any) -> Api:
    return api(Scope.SENDER, escrow.client, **key)


def provider_of(escrow: Escrow) -> Api:
    return api(Scope.PROVIDER, escrow.provider)


def support() -> Api:
    return api(Scope.SUPPORT, make_user())


def body(client: User, provider: User, **overrides: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "client_id": client.pk,
        "provider_id": provider.pk,
        "amount_total": "100.00",
        "currency": "EUR",
        "release_conditions": {"phase": 1, "share": 0.25},
        "deadline_at": (clock.now() + timedelta(days=30)).isoformat(),
    }
    return values | overrides


def milestone_body(**overrides: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"sequence_index": 1, "label": "Foundation", "amount": "30.00"}
    return values | overrides


def fields(answer: Answer) -> dict[str, str]:
    assert answer.status == 422, answer.body
    return {item["field"]: item["code"] for item in answer.json["error"]["details"]["fields"]}
