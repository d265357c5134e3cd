"""Payments for those they concern, and the door for PSPs."""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.kernel import clock
from kobatela.kernel.caller import PARTY_SCOPES, Scope
from kobatela.kernel.errors import DomainError
from kobatela.rest.idempotency import Idempotency
from kobatela.rest.viewsets import KobatelaViewSet
from payments import errors, selectors
from payments.api.parsers import ExactBytesParser
from payments.api.serializers import EventStored, PaymentFilter, PaymentOut
from payments.services import events, payouts, refunds
from payments.webhooks.secrets import active_secrets
from payments.webhooks.verify import Verdict, Verified, verify

logger = logging.getLogger(__name__)

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


class PspWebhookViewSet(KobatelaViewSet):
    """/psp/webhook: no key; the signature is the proof."""

    authentication_classes = ()
    parser_classes = (ExactBytesParser,)
    public: ClassVar[frozenset[str]] = frozenset({"receive"})
    idempotency: ClassVar[Mapping[str, Idempotency]] = {"receive": Idempotency.NONE}

    @extend_schema(request=dict[str, Any], responses=EventStored)
    def receive(self, request: Request) -> Response:
        """Take a signed event. Stored and answered at once; its effect follows."""
        # A request without a body is not parsed at all.
        data = request.data
        body: bytes = data.get("raw", b"") if isinstance(data, dict) else b""
        verified = verify(
            body=body,
            timestamp=request.META.get("HTTP_X_PSP_TIMESTAMP"),
            signature=request.META.get("HTTP_X_PSP_SIGNATURE"),
            secrets=active_secrets(),
            now_s=int(clock.now().timestamp()),
            max_drift_s=settings.PSP_WEBHOOK_MAX_DRIFT_SECONDS,
        )
        if verified.verdict is not Verdict.GENUINE:
            logger.warning("A PSP webhook was refused: %s", verified.verdict)
            raise _refusal(verified)
        stored = events.store_event(body=body, secret_id=verified.secret_id)
        return Response({"ok": True, "event_id": stored.event_id, "duplicate": stored.is_duplicate})


def _refusal(verified: Verified) -> DomainError:
    if verified.verdict is Verdict.DRIFT:
        return errors.WebhookTimestampDrift(
            age_seconds=verified.age_s,
            max_drift_seconds=settings.PSP_WEBHOOK_MAX_DRIFT_SECONDS,
        )
    return _REFUSALS[verified.verdict]()


_REFUSALS: Mapping[Verdict, type[DomainError]] = {
    Verdict.UNVERIFIABLE: errors.WebhookSecretNotConfigured,
    Verdict.MISSING: errors.WebhookSignatureMissing,
    Verdict.TIMESTAMP_INVALID: errors.WebhookTimestampInvalid,
    Verdict.SIGNATURE_INVALID: errors.WebhookSignatureInvalid,
}
