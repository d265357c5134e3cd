"""Alerts, transfers and the public sector in the matrix."""

from collections.abc import Callable, Mapping
from typing import Any

from audit.services.alerts import AlertType, Severity, raise_alert
from escrow.models import Domain
from escrow.services.projects import grant_escrow
from escrow.tests.factories import make_escrow, make_project
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import ROOT, make_caller
from kobatela.kernel.caller import Scope
from kobatela.kernel.money import Money
from spend.models import Level
from spend.services import transfers
from tests.matrix_base import Asked, Inside, Row, World

# More than a page, by list.
TOTALS = {"GET /kct_public/mandates": {"totals"}}


def aid_escrow(world: World) -> int:
    """An escrow that a project of aid can have."""
    return make_escrow(domain=Domain.AID, **world.parties).pk


def _project(
    body: Callable[[World], Mapping[str, Any]] | None = None, success: int = 200
) -> Callable[[World], Asked]:
    def arrange(world: World) -> Asked:
        project = make_project(world.client, domain="aid")
        return Asked({"project_id": project.pk}, body and body(world), success=success)

    return arrange


def _grant(world: World) -> Asked:
    caller = make_caller(Scope.SENDER, world.client)
    grant = grant_escrow(caller=caller, escrow_id=aid_escrow(world), user_id=world.provider.pk)
    return Asked({"grant_id": grant.pk}, success=204)


def _allowed(world: World) -> Asked:
    pair = {"owner_id": world.client.pk, "recipient_id": world.provider.pk}
    allowed = transfers.allow_recipient(caller=ROOT, **pair)
    return Asked({"allowed_id": allowed.row.pk}, success=204)


def _certified(world: World) -> Asked:
    done = transfers.certify_account(caller=ROOT, user_id=world.client.pk, level=Level.GOLD)
    return Asked({"certified_id": done.row.pk}, success=204)


def _to_transfer(world: World) -> Asked:
    _allowed(world)
    body = {"sender_id": world.client.pk, "receiver_id": world.provider.pk}
    return Asked({}, body | {"amount": "10.00", "currency": "EUR"}, success=201)


def _transfer(world: World) -> Asked:
    _allowed(world)
    users = {"sender_id": world.client.pk, "receiver_id": world.provider.pk}
    made = transfers.record_transfer(caller=ROOT, money=Money(1_000, "EUR"), **users)
    return Asked({"transaction_id": made.pk})


def _alert(_world: World) -> Asked:
    alert = raise_alert(
        type=AlertType.PAYOUT_FAILED,
        severity=Severity.WARNING,
        subject="payment:1",
        message="It failed.",
    )
    return Asked({"alert_id": alert.pk}, {"note": "Seen."})


def _anybody() -> int:
    user = User.objects.filter(is_active=True).order_by("pk").first()
    assert user is not None, "a world has people"
    return user.pk


ROWS: Mapping[str, Row] = {
    "POST /alerts/<int:alert_id>/acknowledge": Row(Scope.SUPPORT, _alert),
    "DELETE /allowlist/<int:allowed_id>": Row(Scope.ADMIN, _allowed),
    "DELETE /certified/<int:certified_id>": Row(Scope.ADMIN, _certified),
    "GET /transactions/<int:transaction_id>": Row(Scope.ADMIN, _transfer),
    "GET /kct_public/projects/<int:project_id>": Row(Scope.SENDER, _project()),
    "GET /kct_public/projects/<int:project_id>/report": Row(Scope.SENDER, _project()),
    "POST /kct_public/projects/<int:project_id>/managers": Row(
        Scope.SENDER,
        _project(
            lambda world: {"user_id": world.provider.pk, "role": "auditor", "is_primary": False},
            success=201,
        ),
    ),
    "POST /kct_public/projects/<int:project_id>/mandates": Row(
        Scope.SENDER, _project(lambda world: {"escrow_id": aid_escrow(world)}, success=201)
    ),
    "DELETE /kct_public/grants/<int:grant_id>": Row(Scope.SENDER, _grant),
}

NEW: Mapping[str, Row] = {
    "POST /allowlist": Row(
        Scope.ADMIN,
        lambda world: Asked(
            {}, {"owner_id": world.client.pk, "recipient_id": world.provider.pk}, success=201
        ),
    ),
    "POST /certified": Row(
        Scope.ADMIN,
        lambda world: Asked({}, {"user_id": world.client.pk, "level": "GOLD"}, success=201),
    ),
    "POST /transactions": Row(Scope.ADMIN, _to_transfer),
    "POST /kct_public/projects": Row(
        Scope.SENDER,
        lambda _: Asked(
            {},
            {
                "label": "Wells of the north",
                "project_type": "water",
                "country": "SN",
                "city": "Podor",
                "domain": "aid",
            },
            success=201,
        ),
    ),
    "POST /kct_public/grants": Row(
        Scope.SENDER,
        lambda world: Asked(
            {}, {"escrow_id": aid_escrow(world), "user_id": world.provider.pk}, success=201
        ),
    ),
}

INSIDE: tuple[Inside, ...] = (
    Inside(
        "the escrow of a grant",
        Scope.SENDER,
        lambda api, escrow_id: api.post(
            "/kct_public/grants", json={"escrow_id": escrow_id, "user_id": _anybody()}
        ),
        aid_escrow,
    ),
    Inside(
        "the project of public escrows",
        Scope.SENDER,
        lambda api, project_id: api.get(f"/kct_public/mandates?project_id={project_id}"),
        lambda world: make_project(world.client).pk,
    ),
)
