"""/spend/purchases: what is bought under mandates."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from escrow import selectors as escrow_selectors
from escrow.services import deadlines
from kobatela.kernel.caller import Scope
from kobatela.rest.idempotency import Idempotency
from kobatela.uploads.downloads import as_download
from spend import selectors
from spend.api import bodies
from spend.api.base import EVERYONE, FromEscrow, id_in
from spend.api.serializers import (
    PurchaseFilter,
    PurchaseIn,
    PurchaseOut,
    ReceiptIn,
    TakeBackIn,
)
from spend.services import purchases, receipts, refunds

_SENDER = frozenset({Scope.SENDER})


class PurchaseViewSet(FromEscrow):
    """/spend/purchases."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": _SENDER | {Scope.ADMIN},
        "list": EVERYONE,
        "retrieve": EVERYONE,
        "refund": _SENDER | {Scope.SUPPORT},
        "receipt": _SENDER | {Scope.SUPPORT},
        "receipt_file": EVERYONE,
    }
    idempotency: ClassVar[Mapping[str, Idempotency]] = {"create": Idempotency.REQUIRED}
    simulatable = frozenset({"create"})

    def escrow_id_of(self, request: Request, **kwargs: Any) -> int | None:
        """The escrow of the purchase, or of the mandate that a new one would be made under."""
        if "purchase_id" in kwargs:
            return selectors.escrow_of_purchase(kwargs["purchase_id"])
        body: Any = request.data
        sender_id = id_in(body, "sender_id")
        if sender_id is None:
            return None
        currency = body.get("currency")
        if currency not in settings.KOBATELA_CURRENCIES:
            return None
        beneficiary_id = id_in(body, "beneficiary_id") or sender_id
        mandate = selectors.active_mandate(sender_id, beneficiary_id, currency)
        return mandate.escrow_id if mandate else None

    def apply_due(self, request: Request, escrow_id: int, **kwargs: Any) -> None:
        """A beneficiary need not be a party of the escrow: the purchase, or the people of the new
        one, say who may meet it."""
        if "purchase_id" in kwargs:
            is_seen = selectors.may_see_purchase(self.caller, kwargs["purchase_id"])
        else:
            body: Any = request.data
            sides = (id_in(body, "sender_id"), id_in(body, "beneficiary_id"))
            is_seen = any(self.caller.may_act_for(side) for side in sides if side is not None)
        if is_seen:
            deadlines.apply_due(escrow_id=escrow_id)

    def shows_due(self, request: Request, **kwargs: Any) -> bool:
        """The end of an escrow is its parties' affair, which a beneficiary need not be."""
        escrow_id = self.escrow_id_of(request, **kwargs)
        return escrow_id is None or escrow_selectors.is_visible(self.caller, escrow_id)

    @extend_schema(request=PurchaseIn, responses={201: PurchaseOut})
    def create(self, request: Request) -> Response:
        """Buy under a mandate."""
        order = bodies.purchase_order(self.valid(PurchaseIn))
        done = purchases.make_purchase(caller=self.caller, order=order)
        shown = self.shown(
            PurchaseOut,
            done.purchase,
            self.payments,
            limits=done.limits,
            approvals=done.approvals,
        )
        return Response(shown, status=201)

    @extend_schema(parameters=[PurchaseFilter], responses=PurchaseOut(many=True))
    def list(self, request: Request) -> Response:
        """The purchases of the caller's parties, as senders and as beneficiaries, newest first."""
        found = selectors.find_purchases(self.caller, **self.filters(PurchaseFilter))
        return self.listed(found, PurchaseOut, self.payments)

    @extend_schema(responses=PurchaseOut)
    def retrieve(self, request: Request, purchase_id: int) -> Response:
        """One purchase."""
        purchase = selectors.get_purchase(self.caller, purchase_id)
        return Response(self.shown(PurchaseOut, purchase, self.payments))

    @extend_schema(request=TakeBackIn, responses=PurchaseOut)
    def refund(self, request: Request, purchase_id: int) -> Response:
        """Give a purchase back: the budget returns, and the money once it is there."""
        done = refunds.refund_purchase(
            caller=self.caller,
            purchase_id=purchase_id,
            note=self.valid(TakeBackIn).get("note", ""),
        )
        shown = self.shown(PurchaseOut, done.purchase, self.payments, approvals=done.approvals)
        return Response(shown)

    @extend_schema(request=ReceiptIn, responses=PurchaseOut)
    def receipt(self, request: Request, purchase_id: int) -> Response:
        """Attach a file that shows what was bought."""
        purchase = receipts.add_receipt(
            caller=self.caller,
            purchase_id=purchase_id,
            upload_id=self.valid(ReceiptIn)["upload_id"],
        )
        return Response(self.shown(PurchaseOut, purchase, self.payments))

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def receipt_file(self, request: Request, purchase_id: int) -> FileResponse:
        """The receipt itself, to be saved; the reading is audited."""
        purchase = receipts.read_receipt(caller=self.caller, purchase_id=purchase_id)
        assert purchase.receipt is not None, "one without was refused"
        return as_download(purchase.receipt, f"receipt-{purchase.pk}")
