"""/spend/allowed and /spend: whom an escrow's sender may pay, and paying them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.kernel.caller import Scope
from kobatela.rest.idempotency import Idempotency
from spend import selectors
from spend.api import bodies
from spend.api.base import EVERYONE, STAFF, FromEscrow, SpendBase, id_in
from spend.api.catalogue_serializers import (
    PayeeChangesIn,
    PayeeFilter,
    PayeeIn,
    PayeeOut,
)
from spend.api.serializers import SpendIn, SpendingOut, TakeBackIn
from spend.services import permissions, spendings, take_backs
from spend.services.spendings import SpendingResult


class PayeeViewSet(SpendBase):
    """/spend/allowed."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": STAFF,
        "list": EVERYONE,
        "retrieve": EVERYONE,
        "partial_update": STAFF,
        "destroy": STAFF,
    }

    @extend_schema(request=PayeeIn, responses={201: PayeeOut})
    def create(self, request: Request) -> Response:
        """Let an escrow's sender pay somebody, within limits."""
        body = self.valid(PayeeIn)
        payee = permissions.allow_payee(
            caller=self.caller,
            escrow_id=body["escrow_id"],
            payee_ref=body["payee_ref"],
            label=body["label"],
            destination=bodies.destination(body.get("destination")),
            daily_limit_in=bodies.limit_in(body, "daily_limit"),
            total_limit_in=bodies.limit_in(body, "total_limit"),
        )
        return Response(self.shown(PayeeOut, payee, self.accounts), status=201)

    @extend_schema(parameters=[PayeeFilter], responses=PayeeOut(many=True))
    def list(self, request: Request) -> Response:
        """The payees that the caller may see, newest first."""
        found = selectors.find_payees(self.caller, **self.filters(PayeeFilter))
        return self.listed(found, PayeeOut, self.accounts)

    @extend_schema(responses=PayeeOut)
    def retrieve(self, request: Request, payee_id: int) -> Response:
        """One payee."""
        payee = selectors.get_payee(self.caller, payee_id)
        return Response(self.shown(PayeeOut, payee, self.accounts))

    @extend_schema(request=PayeeChangesIn(partial=True), responses=PayeeOut)
    def partial_update(self, request: Request, payee_id: int) -> Response:
        """Change what a payee is called, or where they are paid."""
        body = self.valid(PayeeChangesIn, partial=True)
        payee = permissions.update_payee(
            caller=self.caller,
            payee_id=payee_id,
            label=body.get("label"),
            destination=bodies.destination(body.get("destination")),
        )
        return Response(self.shown(PayeeOut, payee, self.accounts))

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, payee_id: int) -> Response:
        """Pay nothing more to a payee."""
        permissions.take_back_payee(caller=self.caller, payee_id=payee_id)
        return Response(status=204)


class SpendViewSet(FromEscrow):
    """/spend."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": frozenset({Scope.SENDER, Scope.ADMIN}),
        "take_back": frozenset({Scope.SENDER, Scope.SUPPORT}),
    }
    idempotency: ClassVar[Mapping[str, Idempotency]] = {"create": Idempotency.REQUIRED}
    simulatable = frozenset({"create"})

    def escrow_id_of(self, request: Request, **kwargs: Any) -> int | None:
        """As the body names it, or the payment belongs to it."""
        if "payment_id" in kwargs:
            spending = selectors.spending_of_payment(kwargs["payment_id"])
            return spending.escrow_id if spending else None
        return id_in(request.data, "escrow_id")

    @extend_schema(request=SpendIn, responses={200: SpendingOut})
    def create(self, request: Request) -> Response:
        """Pay an allowed payee from an escrow's free money."""
        body = self.valid(SpendIn)
        done = spendings.pay_payee(
            caller=self.caller,
            escrow_id=body["escrow_id"],
            payee_ref=body["payee_ref"],
            amount_in=bodies.amount_in(body["amount"]),
            note=body.get("note", ""),
        )
        return self._answer(done)

    @extend_schema(request=TakeBackIn, responses=SpendingOut)
    def take_back(self, request: Request, payment_id: int) -> Response:
        """Cancel a payment that was not paid: its money is free in the escrow again."""
        done = take_backs.take_back_spending(
            caller=self.caller,
            payment_id=payment_id,
            note=self.valid(TakeBackIn).get("note", ""),
        )
        return self._answer(done)

    def _answer(self, done: SpendingResult) -> Response:
        context = {"limits": done.limits, "approvals": done.approvals}
        return Response(SpendingOut(done, context=context).data)
