"""A small world with two strangers in it, and how every endpoint that takes an id is used there.

`ROWS` has one row for each method and route with an id. A row prepares an object of the world's
parties and gives the request with which its owner succeeds; the tests then send the same request
with every key that must not.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from escrow.models import Domain
from escrow.tests.factories import attach, make_escrow, make_project, milestone_of
from kobatela.accounts.tests.factories import make_key
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer, Api
from payments.tests.accounts import make_destination, next_number
from payments.tests.batches import make_batch, make_waiting, statement_of
from proofs.tests.factories import pending_proof, photo, site_escrow
from tests import matrix_public, matrix_spend
from tests.matrix_base import (
    NO_SUCH_ID,
    Asked,
    Endpoint,
    Inside,
    Listed,
    Row,
    Shows,
    World,
    api_of,
    dead_keys,
    endpoints,
    states,
)

__all__ = [
    "INSIDE",
    "LISTS",
    "NEW",
    "NO_SUCH_ID",
    "ROWS",
    "Asked",
    "Endpoint",
    "Inside",
    "Row",
    "Shows",
    "World",
    "api_of",
    "dead_keys",
    "endpoints",
    "states",
]

# --- Objects of the world -----------------------------------------------------------------------


def _escrow(status: str = "FUNDED", **options: Any) -> Callable[[World], Any]:
    return lambda world: make_escrow(status, **world.parties, **options)


def _about(make: Callable[[World], Any], **asked: Any) -> Callable[[World], Asked]:
    """A request about a fresh escrow."""
    return lambda world: Asked({"escrow_id": make(world).pk}, **asked)


def _milestone(world: World) -> Asked:
    escrow = make_escrow(milestones=[5_000], **world.parties)
    return Asked({"milestone_id": milestone_of(escrow).pk})


def _proof(**asked: Any) -> Callable[[World], Asked]:
    def arrange(world: World) -> Asked:
        proof = pending_proof(site_escrow(50_000, **world.parties))
        return Asked({"proof_id": proof.pk}, **asked)

    return arrange


def _deposit(**asked: Any) -> Callable[[World], Asked]:
    def arrange(world: World) -> Asked:
        escrow = make_escrow("DRAFT", **world.parties)
        sender = api_of(Scope.SENDER, world.client)
        reported = sender.post(
            f"/escrows/{escrow.pk}/deposit", json={"amount": "10.00"}, idempotency_key="reported"
        )
        assert reported.status == 200
        (deposit,) = sender.get(f"/escrows/{escrow.pk}/deposits").json["items"]
        return Asked({"escrow_id": escrow.pk, "deposit_id": deposit["id"]}, **asked)

    return arrange


def _payment(world: World) -> Asked:
    escrow = make_escrow("RELEASED", **world.parties)
    (payment,) = (
        api_of(Scope.SENDER, world.client).get(f"/escrows/{escrow.pk}/payments").json["items"]
    )
    return Asked({"payment_id": payment["id"]})


def _external_refund(world: World) -> Asked:
    escrow = make_escrow("DRAFT", **world.parties)
    sender = api_of(Scope.SENDER, world.client, may_confirm_deposits=True)
    path = f"/escrows/{escrow.pk}"
    deposited = sender.post(f"{path}/deposit", json={"amount": "100.00"}, idempotency_key="in")
    assert deposited.json["status"] == "FUNDED"
    refunded = sender.post(f"{path}/refund", json={"note": "changed plans"}, idempotency_key="out")
    assert refunded.json["status"] == "REFUNDED"
    (payment,) = sender.get(f"{path}/payments").json["items"]
    return Asked({"payment_id": payment["id"]})


def _party(world: World) -> Asked:
    return Asked({"user_id": world.client.pk})


def _key(world: World) -> Asked:
    return Asked({"key_id": make_key(Scope.SENDER, user=world.client)[0].pk})


def _account() -> dict[str, Any]:
    return {"kind": "mobile_money", "operator": "orange", "number": next_number(), "name": "Ama"}


def _destination(world: World) -> Asked:
    destination = make_destination(world.client)
    return Asked({"user_id": world.client.pk, "destination_id": destination.pk}, success=204)


def _batch(status: str, **asked: Any) -> Callable[[World], Asked]:
    return lambda _world: Asked({"batch_id": make_batch(status).pk}, **asked)


def _statement(_world: World) -> Asked:
    batch = make_batch("EXPORTED")

    def form() -> dict[str, Any]:
        content = statement_of(batch, "settled")
        return {"file": SimpleUploadedFile("statement.csv", content, content_type="text/csv")}

    return Asked({"batch_id": batch.pk}, {}, files=form)


def _to_collect(_world: World) -> Asked:
    make_waiting()
    return Asked({}, {"currency": "XOF", "kind": "mobile_money"}, success=201)


def _image() -> Callable[[], dict[str, Any]]:
    """A form with the same photo each time it is sent."""
    content = photo()
    return lambda: {"file": SimpleUploadedFile("site.jpg", content, content_type="image/jpeg")}


_NOTE = {"note": "for the record"}
ROWS: Mapping[str, Row] = {
    "GET /users/<int:user_id>": Row(Scope.SENDER, _party),
    "PATCH /users/<int:user_id>": Row(
        Scope.ADMIN, lambda world: Asked({"user_id": world.client.pk}, {"language": "fr"})
    ),
    "GET /apikeys/<int:key_id>": Row(Scope.ADMIN, _key),
    "DELETE /apikeys/<int:key_id>": Row(
        Scope.ADMIN, lambda world: Asked(_key(world).ids, success=204)
    ),
    "POST /apikeys/<int:key_id>/rotate": Row(
        Scope.ADMIN, lambda world: Asked(_key(world).ids, {}, success=201)
    ),
    "POST /users/<int:user_id>/psp/stripe/account-link": Row(
        Scope.ADMIN, lambda world: Asked({"user_id": world.client.pk}, {}, success=201)
    ),
    "GET /escrows/<int:escrow_id>": Row(Scope.SENDER, _about(_escrow())),
    "GET /escrows/<int:escrow_id>/summary": Row(Scope.PROVIDER, _about(_escrow())),
    "GET /escrows/<int:escrow_id>/timeline": Row(Scope.SENDER, _about(_escrow())),
    "GET /escrows/<int:escrow_id>/payments": Row(Scope.SENDER, _about(_escrow("RELEASED"))),
    "GET /escrows/<int:escrow_id>/deposits": Row(Scope.SENDER, _about(_escrow())),
    "GET /escrows/<int:escrow_id>/milestones": Row(
        Scope.SENDER, _about(_escrow(milestones=[5_000]))
    ),
    "POST /escrows/<int:escrow_id>/milestones": Row(
        Scope.SENDER,
        _about(
            _escrow(),
            json={"label": "Roof", "amount": "10.00", "sequence_index": 1},
            success=201,
        ),
    ),
    "GET /escrows/milestones/<int:milestone_id>": Row(Scope.SENDER, _milestone),
    "POST /escrows/<int:escrow_id>/deposit": Row(
        Scope.SENDER, _about(_escrow("DRAFT"), json={"amount": "10.00"})
    ),
    "POST /escrows/<int:escrow_id>/funding-session": Row(
        Scope.SENDER, _about(_escrow("DRAFT"), success=201)
    ),
    "POST /escrows/<int:escrow_id>/mark-delivered": Row(
        Scope.PROVIDER, _about(_escrow(), json=_NOTE)
    ),
    "POST /escrows/<int:escrow_id>/client-approve": Row(
        Scope.SENDER, _about(_escrow(), json=_NOTE)
    ),
    "POST /escrows/<int:escrow_id>/client-reject": Row(Scope.SENDER, _about(_escrow(), json=_NOTE)),
    "POST /escrows/<int:escrow_id>/cancel": Row(Scope.SENDER, _about(_escrow("DRAFT"), json=_NOTE)),
    "POST /escrows/<int:escrow_id>/dispute": Row(Scope.PROVIDER, _about(_escrow(), json=_NOTE)),
    "POST /escrows/<int:escrow_id>/refund": Row(Scope.PROVIDER, _about(_escrow(), json=_NOTE)),
    "POST /escrows/<int:escrow_id>/resolve": Row(
        Scope.SUPPORT,
        _about(_escrow("DISPUTED"), json={"release": "60.00", "refund": "40.00", **_NOTE}),
    ),
    "POST /escrows/<int:escrow_id>/check-deadline": Row(Scope.SENDER, _about(_escrow())),
    "POST /escrows/<int:escrow_id>/deposits/<int:deposit_id>/confirm": Row(
        Scope.SUPPORT, _deposit()
    ),
    "POST /escrows/<int:escrow_id>/deposits/<int:deposit_id>/reject": Row(
        Scope.SUPPORT, _deposit(json=_NOTE)
    ),
    "GET /proofs/<int:proof_id>": Row(Scope.PROVIDER, _proof()),
    "GET /proofs/<int:proof_id>/file": Row(Scope.PROVIDER, _proof()),
    "POST /proofs/<int:proof_id>/decision": Row(
        Scope.SUPPORT, _proof(json={"decision": "reject", **_NOTE})
    ),
    "POST /proofs/<int:proof_id>/request-info": Row(Scope.SUPPORT, _proof(json=_NOTE)),
    "GET /payments/<int:payment_id>": Row(Scope.SENDER, _payment),
    "POST /payments/execute/<int:payment_id>": Row(Scope.SENDER, _payment),
    "POST /payments/<int:payment_id>/confirm": Row(
        Scope.SENDER, _external_refund, {"may_confirm_deposits": True}
    ),
    "GET /users/<int:user_id>/destinations": Row(Scope.SENDER, _party),
    "POST /users/<int:user_id>/destinations": Row(
        Scope.SENDER, lambda world: Asked({"user_id": world.client.pk}, _account(), success=201)
    ),
    "DELETE /users/<int:user_id>/destinations/<int:destination_id>": Row(
        Scope.SENDER, _destination
    ),
    "GET /payments/batches/<int:batch_id>": Row(Scope.SUPPORT, _batch("DRAFT")),
    # A key of nobody, as the matrix gives support, may not approve; it may ask again.
    "POST /payments/batches/<int:batch_id>/approve": Row(Scope.SUPPORT, _batch("APPROVED")),
    "POST /payments/batches/<int:batch_id>/cancel": Row(Scope.SUPPORT, _batch("DRAFT", json=_NOTE)),
    "GET /payments/batches/<int:batch_id>/file": Row(Scope.SUPPORT, _batch("APPROVED")),
    "POST /payments/batches/<int:batch_id>/statement": Row(Scope.SUPPORT, _statement),
    **matrix_public.ROWS,
    **matrix_spend.ROWS,
}


# Endpoints that make something new: (scope, body or form).
NEW: Mapping[str, Row] = {
    **matrix_public.NEW,
    **matrix_spend.NEW,
    "POST /users": Row(Scope.SUPPORT, lambda _: Asked({}, _new_user(), success=201)),
    "POST /apikeys": Row(
        Scope.ADMIN,
        lambda world: Asked(
            {},
            {
                "name": "till",
                "scope": "sender",
                "user_id": world.client.pk,
                "days_valid": 30,
                "may_confirm_deposits": True,
                "confirm_limit": {"EUR": "100.00"},
                "reason": "collects itself",
                "allowed_ips": ["10.0.0.0/8"],
            },
            success=201,
        ),
    ),
    "POST /escrows": Row(Scope.SENDER, lambda world: Asked({}, _new_escrow(world), success=201)),
    "POST /payments/batches": Row(Scope.SUPPORT, _to_collect),
    "POST /proofs": Row(Scope.PROVIDER, lambda world: Asked({}, _new_claim(world), success=201)),
    "POST /files/proofs": Row(Scope.PROVIDER, lambda _: Asked({}, {}, files=_image(), success=201)),
}


def _new_user() -> dict[str, Any]:
    name = f"ama{next_number()}"
    return {
        "username": name,
        "email": f"{name}@example.org",
        "phone": "+22507000000",
        "language": "fr",
        "public_tag": "private",
        "managed_by": None,
    }


def _new_escrow(world: World) -> dict[str, Any]:
    return {
        "client_id": world.client.pk,
        "provider_id": world.provider.pk,
        "amount_total": "100.00",
        "currency": "EUR",
        "release_conditions": {"roof": "tight"},
        "deadline_at": (clock.now() + timedelta(days=30)).isoformat(),
        "domain": "private",
        "inspection_hours": 72,
        "on_deadline": "refund",
        "milestones": [
            {
                "sequence_index": 1,
                "label": "Roof",
                "amount": "50.00",
                "proof_kind": "PHOTO",
                "validator": "SUPPORT",
                "proof_requirements": {"expected_amount": "50.00"},
                "geofence_lat": "5.350000",
                "geofence_lng": "-4.000000",
                "geofence_radius_m": "100.00",
                "max_age_minutes": 120,
            }
        ],
    }


def _new_claim(world: World) -> dict[str, Any]:
    return {
        "escrow_id": site_escrow(50_000, **world.parties).pk,
        "milestone_idx": 1,
        "type": "PHOTO",
        "storage_url": "https://example.org/a.jpg",
        "sha256": "ab" * 32,
        "metadata": {"camera": "phone"},
    }


# --- Lists --------------------------------------------------------------------------------------


def _by(row: str) -> Callable[[World], object]:
    """As the row of a single object makes one."""
    return ROWS[row].arrange


def _public_escrow(world: World) -> None:
    attach(
        make_project(world.client, domain="aid"), make_escrow(domain=Domain.AID, **world.parties)
    )


# Every list that a party may ask for, by path.
LISTS: Mapping[str, Listed] = {
    "/users": Listed(Scope.SENDER, lambda _: None, Shows.OWN, own="id"),
    "/escrows": Listed(Scope.SENDER, _escrow(), Shows.OWN, own="client_id"),
    "/payments": Listed(Scope.SENDER, _payment),
    "/proofs": Listed(Scope.SENDER, _proof()),
    "/mandates": Listed(Scope.SENDER, _by("GET /mandates/<int:mandate_id>")),
    "/spend/purchases": Listed(Scope.SENDER, _by("GET /spend/purchases/<int:purchase_id>")),
    "/spend/allowed": Listed(Scope.SENDER, _by("GET /spend/allowed/<int:payee_id>")),
    "/spend/allow": Listed(Scope.SENDER, _by("DELETE /spend/allow/<int:usage_id>")),
    "/spend/categories": Listed(
        Scope.SENDER, _by("GET /spend/categories/<int:category_id>"), Shows.ALL
    ),
    "/spend/merchants": Listed(
        Scope.SENDER, _by("GET /spend/merchants/<int:merchant_id>"), Shows.ALL
    ),
    "/kct_public/projects": Listed(Scope.SENDER, _by("GET /kct_public/projects/<int:project_id>")),
    "/kct_public/grants": Listed(Scope.SENDER, _by("DELETE /kct_public/grants/<int:grant_id>")),
    "/kct_public/mandates": Listed(Scope.SENDER, _public_escrow),
}


# --- Ids inside bodies and queries --------------------------------------------------------------


def _submit(api: Api, escrow_id: int) -> Answer:
    fields = {"escrow_id": escrow_id, "milestone_idx": 1, "type": "PHOTO"}
    return api.post("/proofs", files=_image()(), fields=fields)


def _claim(api: Api, escrow_id: int) -> Answer:
    body = {"escrow_id": escrow_id, "milestone_idx": 1, "type": "PHOTO"}
    claimed = {"storage_url": "https://example.org/a.jpg", "sha256": "ab" * 32}
    return api.post("/proofs", json=body | claimed)


INSIDE: tuple[Inside, ...] = (
    *matrix_public.INSIDE,
    *matrix_spend.INSIDE,
    Inside(
        "the escrow of a proof in a form",
        Scope.PROVIDER,
        _submit,
        lambda world: site_escrow(50_000, **world.parties).pk,
    ),
    Inside(
        "the escrow of a claimed proof",
        Scope.PROVIDER,
        _claim,
        lambda world: site_escrow(50_000, **world.parties).pk,
    ),
    Inside(
        "the escrow of payments",
        Scope.SENDER,
        lambda api, escrow_id: api.get(f"/payments?escrow_id={escrow_id}"),
        lambda world: make_escrow("RELEASED", **world.parties).pk,
    ),
    Inside(
        "the escrow of proofs",
        Scope.SENDER,
        lambda api, escrow_id: api.get(f"/proofs?escrow_id={escrow_id}"),
        lambda world: pending_proof(site_escrow(50_000, **world.parties)).escrow_id,
    ),
)
