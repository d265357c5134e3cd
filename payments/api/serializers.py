"""What goes in and out of /payments and /psp."""

from typing import Any

from rest_framework import serializers

from kobatela.rest.fields import (
    CurrencyField,
    FilterSerializer,
    IdField,
    MoneyOut,
    StrictSerializer,
)
from payments.models import Payment, PaymentKind, PaymentMethod, PaymentStatus


class PaymentFilter(FilterSerializer):
    """The filters of GET /payments. `q` is a PSP reference or a business key."""

    escrow_id = IdField(required=False)
    milestone_id = IdField(required=False)
    status = serializers.ChoiceField(choices=list(PaymentStatus), required=False)
    kind = serializers.ChoiceField(choices=list(PaymentKind), required=False)
    method = serializers.ChoiceField(choices=list(PaymentMethod), required=False)
    currency = CurrencyField(required=False)
    q = serializers.CharField(required=False, max_length=160)


class PaymentOut(serializers.ModelSerializer[Payment]):
    """One payment. `reason` is a code: why it waits or failed; a PSP's own words stay inside."""

    amount = MoneyOut()
    idempotency_key = serializers.CharField(source="business_key", read_only=True)
    reason = serializers.SerializerMethodField()

    class Meta:
        model = Payment
        fields = (
            "id",
            "escrow_id",
            "milestone_id",
            "amount",
            "currency",
            "payer_id",
            "payee_id",
            "collector_id",
            "kind",
            "method",
            "psp",
            "psp_ref",
            "status",
            "attempt",
            "idempotency_key",
            "reason",
            "sent_at",
            "settled_at",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def get_reason(self, payment: Payment) -> str | None:
        """Null when there is nothing to say."""
        return payment.reason or None


class EventStored(serializers.Serializer[Any]):
    """The answer to a webhook."""

    ok = serializers.BooleanField()
    event_id = serializers.CharField()
    duplicate = serializers.BooleanField()


class AccountLinkIn(StrictSerializer):
    """What is needed to connect a user who has no account at Stripe yet. `recipient` is for
    payees in countries where Stripe only pays out."""

    country = serializers.RegexField("^[A-Z]{2}$", required=False)
    service_agreement = serializers.ChoiceField(choices=["full", "recipient"], required=False)


class AccountLinkOut(serializers.Serializer[Any]):
    """A page of Stripe's."""

    url = serializers.URLField()
