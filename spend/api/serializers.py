"""What goes in and out of mandates, purchases and payments to payees."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from kobatela.kernel.money import format_minor
from kobatela.rest.fields import (
    AwareDateTimeField,
    CurrencyField,
    FilterSerializer,
    IdField,
    MoneyField,
    StrictSerializer,
)
from spend import rules
from spend.models import Mandate, MandateStatus, Purchase, PurchaseStatus

MAX_PER_HOUR = 1_000_000


class MandateIn(StrictSerializer):
    """A mandate to be given."""

    sender_id = IdField()
    beneficiary_id = IdField()
    total_amount = MoneyField(currency_from="currency")
    currency = CurrencyField()
    allowed_category_id = IdField(required=False, allow_null=True)
    allowed_merchant_id = IdField(required=False, allow_null=True)
    escrow_id = IdField(required=False, allow_null=True)
    max_per_hour = serializers.IntegerField(
        min_value=1, max_value=MAX_PER_HOUR, required=False, allow_null=True
    )
    expires_at = AwareDateTimeField()


class MandateFilter(FilterSerializer):
    """The filters of GET /mandates."""

    sender_id = IdField(required=False)
    beneficiary_id = IdField(required=False)
    escrow_id = IdField(required=False)
    currency = CurrencyField(required=False)
    status = serializers.ChoiceField(choices=list(MandateStatus), required=False)


class ApprovalsOut(serializers.Serializer[Any]):
    """How many people have approved, and how many must."""

    given = serializers.IntegerField()
    needed = serializers.IntegerField()


class MandateOut(serializers.Serializer[Mandate]):
    """A mandate, and how much of it is spent. With `approvals` it was not given yet."""

    id = serializers.IntegerField(allow_null=True)
    sender_id = serializers.IntegerField()
    beneficiary_id = serializers.IntegerField()
    total_amount = serializers.CharField()
    currency = serializers.CharField()
    allowed_category_id = serializers.IntegerField(allow_null=True)
    allowed_merchant_id = serializers.IntegerField(allow_null=True)
    escrow_id = serializers.IntegerField(allow_null=True)
    max_per_hour = serializers.IntegerField(allow_null=True)
    expires_at = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=list(MandateStatus), allow_null=True)
    spent = serializers.CharField(allow_null=True)
    remaining = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)
    approvals = ApprovalsOut(required=False)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Every field; what does not exist yet is null."""
        exists = instance.pk is not None
        spent_minor = instance.spent_minor if exists else 0
        left_minor = instance.total_minor - spent_minor
        shown = {
            "id": instance.pk,
            "sender_id": instance.sender_id,
            "beneficiary_id": instance.beneficiary_id,
            "total_amount": format_minor(instance.total_minor, instance.currency),
            "currency": instance.currency,
            "allowed_category_id": instance.allowed_category_id,
            "allowed_merchant_id": instance.allowed_merchant_id,
            "escrow_id": instance.escrow_id,
            "max_per_hour": instance.max_per_hour,
            "expires_at": instance.expires_at,
            "status": instance.status if exists else None,
            "spent": format_minor(spent_minor, instance.currency) if exists else None,
            "remaining": format_minor(left_minor, instance.currency) if exists else None,
            "created_at": instance.created_at if exists else None,
            "updated_at": instance.updated_at if exists else None,
        }
        return with_extras(shown, self.context, instance.currency)


class CleanedUpOut(serializers.Serializer[Any]):
    """How many mandates had run out."""

    expired = serializers.IntegerField()


class PurchaseIn(StrictSerializer):
    """Something to be bought. Without a beneficiary the sender buys."""

    sender_id = IdField()
    beneficiary_id = IdField(required=False, allow_null=True)
    merchant_id = IdField()
    amount = MoneyField(currency_from="currency")
    currency = CurrencyField()
    category_id = IdField(required=False, allow_null=True)


class PurchaseFilter(FilterSerializer):
    """The filters of GET /spend/purchases."""

    sender_id = IdField(required=False)
    beneficiary_id = IdField(required=False)
    merchant_id = IdField(required=False)
    category_id = IdField(required=False)
    mandate_id = IdField(required=False)
    escrow_id = IdField(required=False)
    currency = CurrencyField(required=False)
    status = serializers.ChoiceField(choices=list(PurchaseStatus), required=False)


class TakeBackIn(StrictSerializer):
    """Why a purchase is given back, or a payment taken back; staff must say it."""

    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)


class ReceiptIn(StrictSerializer):
    """The upload that shows what was bought."""

    upload_id = IdField()


class PurchaseOut(serializers.Serializer[Purchase]):
    """A purchase. With `approvals` it has not been made, or given back, yet.

    payment_status: where its money is; null where no money moves. limits: what was left of each
    limit before it, only in the answer to the purchase itself.
    """

    id = serializers.IntegerField(allow_null=True)
    sender_id = serializers.IntegerField()
    beneficiary_id = serializers.IntegerField()
    merchant_id = serializers.IntegerField()
    category_id = serializers.IntegerField(allow_null=True)
    amount = serializers.CharField()
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=list(PurchaseStatus), allow_null=True)
    mandate_id = serializers.IntegerField()
    escrow_id = serializers.IntegerField(allow_null=True)
    payment_id = serializers.IntegerField(allow_null=True)
    payment_status = serializers.CharField(allow_null=True)
    receipt_upload_id = serializers.IntegerField(allow_null=True)
    refunded_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    limits = serializers.DictField(required=False)
    approvals = ApprovalsOut(required=False)

    def to_representation(self, instance: Purchase) -> dict[str, Any]:
        """Every field; what does not exist yet is null."""
        exists = not instance._state.adding  # noqa: SLF001 - a row that waits for a second person
        payment = self.context["payments"].get(instance.reference)
        shown = {
            "id": instance.pk if exists else None,
            "sender_id": instance.sender_id,
            "beneficiary_id": instance.beneficiary_id,
            "merchant_id": instance.merchant_id,
            "category_id": instance.category_id,
            "amount": format_minor(instance.amount_minor, instance.currency),
            "currency": instance.currency,
            "status": instance.status if exists else None,
            "mandate_id": instance.mandate_id,
            "escrow_id": instance.escrow_id,
            "payment_id": payment.pk if payment else None,
            "payment_status": payment.status if payment else None,
            "receipt_upload_id": instance.receipt_id,
            "refunded_at": instance.refunded_at,
            "created_at": instance.created_at if exists else None,
            "updated_at": instance.updated_at if exists else None,
        }
        return with_extras(shown, self.context, instance.currency)


class SpendingOut(serializers.Serializer[Any]):
    """A payment to a payee. With `approvals` nothing was paid yet."""

    payment_id = serializers.IntegerField(allow_null=True)
    escrow_id = serializers.IntegerField()
    amount = serializers.CharField()
    currency = serializers.CharField()
    status = serializers.CharField(allow_null=True)
    psp_ref = serializers.CharField(allow_null=True)
    limits = serializers.DictField(required=False)
    approvals = ApprovalsOut(required=False)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Every field; what does not exist yet is null."""
        payment, money = instance.payment, instance.money
        shown = {
            "payment_id": payment.pk if payment else None,
            "escrow_id": instance.escrow_id,
            "amount": format_minor(money.amount_minor, money.currency),
            "currency": money.currency,
            "status": payment.status if payment else None,
            "psp_ref": payment.psp_ref if payment else None,
        }
        return with_extras(shown, self.context, money.currency)


class SpendIn(StrictSerializer):
    """A payment to a payee, in the escrow's currency."""

    escrow_id = IdField()
    payee_ref = serializers.CharField(max_length=120)
    amount = MoneyField()
    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)


def with_extras(shown: dict[str, Any], context: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """`shown`, with the limits and the approvals of the command that is answered."""
    approvals = context.get("approvals")
    if approvals is not None:
        return shown | {"approvals": {"given": approvals.given, "needed": approvals.needed}}
    limits = context.get("limits")
    return shown if limits is None else shown | {"limits": rules.shown(limits, currency)}
