"""The doors for PSPs: no key; the signature over the exact bytes is the proof."""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.kernel import clock
from kobatela.kernel.errors import DomainError
from kobatela.rest.idempotency import Idempotency
from kobatela.rest.viewsets import KobatelaViewSet
from payments import errors
from payments.api.parsers import ExactBytesParser
from payments.api.serializers import EventStored
from payments.services import events
from payments.webhooks.body import STRIPE
from payments.webhooks.secrets import Door, active_secrets
from payments.webhooks.stripe_signature import verify_stripe
from payments.webhooks.verify import Verdict, Verified, verify

logger = logging.getLogger(__name__)


class PspWebhookViewSet(KobatelaViewSet):
    """/psp/webhook. provider: whose door it is; None where the signed body says it."""

    authentication_classes = ()
    parser_classes = (ExactBytesParser,)
    public: ClassVar[frozenset[str]] = frozenset({"receive"})
    idempotency: ClassVar[Mapping[str, Idempotency]] = {"receive": Idempotency.NONE}
    provider: ClassVar[str | None] = None

    @extend_schema(request=dict[str, Any], responses=EventStored)
    def receive(self, request: Request) -> Response:
        """Take a signed event. Stored and answered at once; its effect follows."""
        # A request without a body is not parsed at all.
        data = request.data
        body: bytes = data.get("raw", b"") if isinstance(data, dict) else b""
        verified = self.judge(body, request.META)
        if verified.verdict is not Verdict.GENUINE:
            door = self.provider or "psp"
            logger.warning("A webhook at the door %s was refused: %s", door, verified.verdict)
            raise _refusal(verified)
        stored = events.store_event(body=body, secret_id=verified.secret_id, provider=self.provider)
        return Response({"ok": True, "event_id": stored.event_id, "duplicate": stored.is_duplicate})

    def judge(self, body: bytes, headers: Mapping[str, Any]) -> Verified:
        """Whether a delivery is the PSP's own."""
        return verify(
            body=body,
            timestamp=headers.get("HTTP_X_PSP_TIMESTAMP"),
            signature=headers.get("HTTP_X_PSP_SIGNATURE"),
            secrets=active_secrets(),
            now_s=_now_s(),
            max_drift_s=settings.PSP_WEBHOOK_MAX_DRIFT_SECONDS,
        )


class StripeWebhookViewSet(PspWebhookViewSet):
    """/psp/stripe/webhook."""

    provider = STRIPE

    def judge(self, body: bytes, headers: Mapping[str, Any]) -> Verified:
        """See PspWebhookViewSet. Raises StripeDisabled."""
        if not settings.STRIPE_ENABLED:
            raise errors.StripeDisabled
        return verify_stripe(
            body=body,
            header=headers.get("HTTP_STRIPE_SIGNATURE"),
            secrets=active_secrets(Door.STRIPE),
            now_s=_now_s(),
            max_drift_s=settings.PSP_WEBHOOK_MAX_DRIFT_SECONDS,
        )


def _now_s() -> int:
    return int(clock.now().timestamp())


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
