"""Payments for those they concern, and the accounts to which a PSP pays them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.kernel.caller import PARTY_SCOPES, Scope
from kobatela.rest.viewsets import KobatelaViewSet
from payments import selectors
from payments.api.serializers import (
    AccountLinkIn,
    AccountLinkOut,
    PaymentFilter,
    PaymentOut,
)
from payments.services import payouts, refunds, stripe_accounts

_EVERYONE = frozenset(Scope)


class PaymentViewSet(KobatelaViewSet):
    """/payments."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "list": _EVERYONE,
        "retrieve": _EVERYONE,
        "execute": frozenset({Scope.SENDER, Scope.SUPPORT, Scope.ADMIN}),
        "confirm": PARTY_SCOPES | {Scope.SUPPORT},
    }
    simulatable = frozenset({"execute"})

    @extend_schema(parameters=[PaymentFilter], responses=PaymentOut(many=True))
    def list(self, request: Request) -> Response:
        """The payments that the caller may see, newest first."""
        found = selectors.find_payments(self.caller, **self.filters(PaymentFilter))
        return self.page(found, PaymentOut)

    @extend_schema(responses=PaymentOut)
    def retrieve(self, request: Request, payment_id: int) -> Response:
        """One payment."""
        return self._shown(selectors.get_payment(self.caller, payment_id))

    @extend_schema(request=None, responses=PaymentOut)
    def execute(self, request: Request, payment_id: int) -> Response:
        """Send a payment that waits, or try one that failed again. The answer is the row as it
        is committed; the PSP is called afterwards."""
        payment = payouts.execute_payment(payment_id=payment_id, caller=self.caller)
        return self._shown(payment)

    @extend_schema(request=None, responses=PaymentOut)
    def confirm(self, request: Request, payment_id: int) -> Response:
        """Say that a refund which the collector pays outside was paid."""
        payment = refunds.confirm_external(payment_id=payment_id, caller=self.caller)
        return self._shown(payment)

    def _shown(self, payment: Any) -> Response:
        return Response(PaymentOut(payment, context=self.get_serializer_context()).data)


class StripeAccountViewSet(KobatelaViewSet):
    """/users/{id}/psp/stripe."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {"account_link": frozenset({Scope.ADMIN})}
    shown_once: ClassVar[Mapping[str, frozenset[str]]] = {"account_link": frozenset({"url"})}
    url: str

    def prepare(self, request: Request, **kwargs: Any) -> None:
        """Stripe is called outside the command's transaction."""
        wanted = self.valid(AccountLinkIn)
        self.url = stripe_accounts.open_account_link(
            caller=self.caller, user_id=kwargs["user_id"], **wanted
        )

    @extend_schema(request=AccountLinkIn, responses={201: AccountLinkOut})
    def account_link(self, request: Request, user_id: int) -> Response:
        """The page on which a user connects their bank to Stripe. It opens once, for minutes."""
        return Response({"url": self.url}, status=201)
