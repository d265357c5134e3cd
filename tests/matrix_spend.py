"""Controlled spending in the matrix: objects of its world and the requests about them."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from escrow.tests.factories import make_escrow
from kobatela.accounts.tests.factories import make_key
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Api
from proofs.tests.factories import photo
from spend.models import Mandate
from spend.tests import factories
from tests.matrix_base import Asked, Inside, Row, World


def mandate_of(world: World, **options: Any) -> Mandate:
    """The client lets the provider spend from an escrow of theirs; one such mandate is enough."""
    given = Mandate.objects.filter(
        sender=world.client, beneficiary=world.provider, currency="EUR", status="ACTIVE"
    ).first()
    if given is not None and not options:
        return given
    escrow = make_escrow(**world.parties)
    return factories.make_mandate(beneficiary=world.provider, escrow=escrow, **options)


def purchase_of(world: World) -> int:
    """The number of something that was bought under such a mandate."""
    return factories.buy(mandate_of(world), caller=None).pk


def payee_of(world: World) -> Any:
    """Somebody whom the client may pay."""
    return factories.make_payee(make_escrow(**world.parties))


def receipt_of(world: World) -> tuple[int, dict[str, Any]]:
    """A purchase, and a receipt that its sender has uploaded."""
    api = Api(make_key(Scope.SENDER, user=world.client)[1])
    form = {"file": SimpleUploadedFile("receipt.jpg", photo(), content_type="image/jpeg")}
    upload = api.post("/files/proofs", files=form, fields={}, idempotency_key="receipt")
    assert upload.status == 201, upload.body
    return purchase_of(world), {"upload_id": upload.json["upload_id"]}


def new_mandate(world: World) -> dict[str, Any]:
    """Every field of a mandate."""
    category = factories.make_category()
    return {
        "sender_id": world.client.pk,
        "beneficiary_id": world.provider.pk,
        "total_amount": "50.00",
        "currency": "EUR",
        "allowed_category_id": category.pk,
        "allowed_merchant_id": factories.make_merchant(category).pk,
        "escrow_id": make_escrow(**world.parties).pk,
        "max_per_hour": 3,
        "expires_at": (clock.now() + timedelta(days=30)).isoformat(),
    }


def new_purchase(world: World) -> dict[str, Any]:
    """Every field of a purchase."""
    category = factories.make_category()
    mandate = mandate_of(world)
    return {
        "sender_id": mandate.sender_id,
        "beneficiary_id": mandate.beneficiary_id,
        "merchant_id": factories.make_merchant(category).pk,
        "amount": "10.00",
        "currency": "EUR",
        "category_id": category.pk,
    }


def new_spending(world: World) -> dict[str, Any]:
    """Every field of a payment to a payee."""
    payee = payee_of(world)
    return {
        "escrow_id": payee.escrow_id,
        "payee_ref": payee.payee_ref,
        "amount": "10.00",
        "note": "cement",
    }


def account() -> dict[str, Any]:
    """Where somebody who is no user is paid."""
    return {"mobile_money": {"operator": "orange", "number": "+2250701020304"}}


def new_payee(world: World) -> dict[str, Any]:
    """Every field of a payee."""
    return {
        "escrow_id": make_escrow(**world.parties).pk,
        "payee_ref": "mason-7",
        "label": "The mason",
        "destination": account(),
        "daily_limit": "20.00",
        "total_limit": "80.00",
    }


def new_merchant(_world: World) -> dict[str, Any]:
    """Every field of a merchant."""
    factories.make_category()
    return {
        "name": f"Pharmacy {factories.make_category().pk}",
        "category_id": factories.make_category().pk,
        "is_certified": True,
        "destination": {"iban": "FR7630006000011234567890189", "name": "Pharmacy"},
    }


def new_usage(world: World) -> dict[str, Any]:
    """A permission for one merchant."""
    return {"owner_id": world.provider.pk, "merchant_id": factories.make_merchant().pk}


def foreign_mandate(api: Api, escrow_id: int) -> dict[str, Any]:
    """A mandate of the caller's own user on an escrow that may be somebody else's."""
    (me,) = api.get("/users").json["items"]
    return {
        "sender_id": me["id"],
        "beneficiary_id": me["id"],
        "total_amount": "1.00",
        "currency": "EUR",
        "escrow_id": escrow_id,
        "expires_at": (clock.now() + timedelta(days=30)).isoformat(),
    }


def _kept_receipt(world: World) -> Asked:
    """A purchase that has its receipt."""
    asked = _receipt(world)
    api = Api(make_key(Scope.SENDER, user=world.client)[1])
    path = f"/spend/purchases/{asked.ids['purchase_id']}/receipt"
    assert api.post(path, json=asked.json).status == 200
    return Asked(asked.ids)


def _run_out(world: World) -> Asked:
    """A mandate that nobody has cleaned up yet."""
    mandate = mandate_of(world)
    Mandate.objects.filter(pk=mandate.pk).update(expires_at=mandate.created_at)
    return Asked({}, {}, success=202)


def _receipt(world: World) -> Asked:
    purchase_id, body = receipt_of(world)
    return Asked({"purchase_id": purchase_id}, body)


def _made(
    body: Callable[[World], Mapping[str, Any]], success: int = 201
) -> Callable[[World], Asked]:
    """A request that makes something new of a body."""
    return lambda world: Asked({}, body(world), success=success)


ROWS: Mapping[str, Row] = {
    "GET /spend/categories/<int:category_id>": Row(
        Scope.SENDER,
        lambda _: Asked({"category_id": factories.make_category().pk}),
        is_everybodys=True,
    ),
    "PATCH /spend/categories/<int:category_id>": Row(
        Scope.SUPPORT,
        lambda _: Asked({"category_id": factories.make_category().pk}, {"is_active": False}),
    ),
    "GET /spend/merchants/<int:merchant_id>": Row(
        Scope.SENDER,
        lambda _: Asked({"merchant_id": factories.make_merchant().pk}),
        is_everybodys=True,
    ),
    "PATCH /spend/merchants/<int:merchant_id>": Row(
        Scope.SUPPORT,
        lambda _: Asked({"merchant_id": factories.make_merchant().pk}, {"is_active": False}),
    ),
    "DELETE /spend/allow/<int:usage_id>": Row(
        Scope.SUPPORT,
        lambda world: Asked(
            {"usage_id": factories.allow(world.client, merchant=factories.make_merchant()).pk},
            success=204,
        ),
    ),
    "GET /spend/allowed/<int:payee_id>": Row(
        Scope.SENDER, lambda world: Asked({"payee_id": payee_of(world).pk})
    ),
    "PATCH /spend/allowed/<int:payee_id>": Row(
        Scope.SUPPORT,
        lambda world: Asked(
            {"payee_id": payee_of(world).pk}, {"label": "The mason", "destination": account()}
        ),
    ),
    "DELETE /spend/allowed/<int:payee_id>": Row(
        Scope.SUPPORT,
        lambda world: Asked({"payee_id": payee_of(world).pk}, success=204),
    ),
    "GET /spend/purchases/<int:purchase_id>": Row(
        Scope.SENDER, lambda world: Asked({"purchase_id": purchase_of(world)})
    ),
    "POST /spend/purchases/<int:purchase_id>/refund": Row(
        Scope.SENDER,
        lambda world: Asked({"purchase_id": purchase_of(world)}, {"note": "for the record"}),
    ),
    "GET /spend/purchases/<int:purchase_id>/receipt": Row(Scope.SENDER, _kept_receipt),
    "POST /spend/purchases/<int:purchase_id>/receipt": Row(Scope.SENDER, _receipt),
    "POST /spend/payments/<int:payment_id>/take-back": Row(
        Scope.SENDER,
        lambda world: Asked(
            {"payment_id": factories.pay(payee_of(world)).pk}, {"note": "a wrong account"}
        ),
    ),
    "GET /mandates/<int:mandate_id>": Row(
        Scope.SENDER, lambda world: Asked({"mandate_id": mandate_of(world).pk})
    ),
    "POST /mandates/<int:mandate_id>/revoke": Row(
        Scope.SENDER, lambda world: Asked({"mandate_id": mandate_of(world).pk})
    ),
}

# Endpoints that make something new.
NEW: Mapping[str, Row] = {
    "POST /spend/categories": Row(
        Scope.SUPPORT,
        _made(lambda _: {"code": f"food-{factories.make_category().pk}", "label": "Food"}),
    ),
    "POST /spend/merchants": Row(Scope.SUPPORT, _made(new_merchant)),
    "POST /spend/allow": Row(Scope.SUPPORT, _made(new_usage)),
    "POST /spend/allowed": Row(Scope.SUPPORT, _made(new_payee)),
    "POST /spend/purchases": Row(Scope.SENDER, _made(new_purchase)),
    "POST /spend": Row(Scope.SENDER, _made(new_spending, success=200)),
    "POST /mandates": Row(Scope.SENDER, _made(new_mandate)),
    "POST /mandates/cleanup": Row(Scope.SENDER, _run_out),
}

INSIDE: tuple[Inside, ...] = (
    Inside(
        "the escrow of a payment to a payee",
        Scope.SENDER,
        lambda api, escrow_id: api.post(
            "/spend",
            json={"escrow_id": escrow_id, "payee_ref": "mason-7", "amount": "1.00"},
            idempotency_key="matrix",
        ),
        lambda world: make_escrow(**world.parties).pk,
    ),
    Inside(
        "the escrow of a mandate",
        Scope.SENDER,
        lambda api, escrow_id: api.post("/mandates", json=foreign_mandate(api, escrow_id)),
        lambda world: make_escrow(**world.parties).pk,
    ),
    Inside(
        "the escrow of payees",
        Scope.SENDER,
        lambda api, escrow_id: api.get(f"/spend/allowed?escrow_id={escrow_id}"),
        lambda world: payee_of(world).escrow_id,
    ),
    Inside(
        "the mandate of purchases",
        Scope.SENDER,
        lambda api, mandate_id: api.get(f"/spend/purchases?mandate_id={mandate_id}"),
        lambda world: factories.buy(mandate_of(world)).mandate_id,
    ),
)
