"""What goes in and out of the catalogue: categories, merchants, permissions and payees."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kobatela.kernel.money import format_minor
from kobatela.rest.fields import FilterSerializer, IdField, MoneyField, StrictSerializer
from spend.models import AllowedPayee, AllowedUsage, Category, Merchant


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"operator": {"type": "string"}, "number": {"type": "string"}},
            },
        ]
    }
)
class MobileMoneyField(serializers.Field[Any, Any, Any, Any]):
    """A mobile money account: `{operator, number}`, or its number alone."""

    default_error_messages = {"invalid": "A number, or an object with operator and number."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """operator (empty when it is not named) and number."""
        if isinstance(data, str):
            data = {"number": data}
        if not isinstance(data, Mapping):
            self.fail("invalid")
        found = {name: data.get(name, "") for name in ("operator", "number")}
        if not all(isinstance(value, str) and len(value) <= 64 for value in found.values()):
            self.fail("invalid")
        return found

    def to_representation(self, value: Any) -> Any:
        """As it came."""
        return value


class PaidToIn(StrictSerializer):
    """Where somebody is paid: one of user_id, iban (with name) and mobile_money."""

    user_id = IdField(required=False)
    iban = serializers.CharField(max_length=64, required=False)
    mobile_money = MobileMoneyField(required=False)
    name = serializers.CharField(max_length=150, required=False, allow_blank=True)


class PaidToOut(serializers.Serializer[Any]):
    """Where somebody is paid. No account is shown in full."""

    user_id = serializers.IntegerField(allow_null=True)
    kind = serializers.CharField(allow_null=True)
    masked = serializers.CharField(allow_null=True)


class CategoryIn(StrictSerializer):
    """A category to be added."""

    code = serializers.CharField(max_length=64)
    label = serializers.CharField(max_length=255)  # type: ignore[assignment]  # a field's name


class CategoryChangesIn(StrictSerializer):
    """What can change of a category; its code is its name for ever."""

    label = serializers.CharField(max_length=255, required=False)  # type: ignore[assignment]  # as above
    is_active = serializers.BooleanField(required=False)


class CategoryFilter(FilterSerializer):
    """The filters of GET /spend/categories. `q` is part of a code or a label."""

    is_active = serializers.BooleanField(required=False)
    q = serializers.CharField(max_length=100, required=False)


class CategoryOut(serializers.ModelSerializer[Category]):
    """A kind of goods."""

    class Meta:
        model = Category
        fields = ("id", "code", "label", "is_active", "created_at", "updated_at")
        read_only_fields = fields


class MerchantIn(StrictSerializer):
    """A merchant to be added."""

    name = serializers.CharField(max_length=255)
    category_id = IdField(required=False, allow_null=True)
    is_certified = serializers.BooleanField(required=False)
    destination = PaidToIn(required=False, allow_null=True)


class MerchantChangesIn(StrictSerializer):
    """What can change of a merchant."""

    name = serializers.CharField(max_length=255, required=False)
    category_id = IdField(required=False, allow_null=True)
    is_certified = serializers.BooleanField(required=False)
    is_active = serializers.BooleanField(required=False)
    destination = PaidToIn(required=False)


class MerchantFilter(FilterSerializer):
    """The filters of GET /spend/merchants. `q` is part of a name."""

    category_id = IdField(required=False)
    is_certified = serializers.BooleanField(required=False)
    is_active = serializers.BooleanField(required=False)
    q = serializers.CharField(max_length=100, required=False)


class MerchantOut(serializers.ModelSerializer[Merchant]):
    """Somebody who sells. Only staff read where they are paid."""

    destination = PaidToOut(allow_null=True, read_only=True, required=False)

    class Meta:
        model = Merchant
        fields = (
            "id",
            "name",
            "category_id",
            "is_certified",
            "is_active",
            "destination",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def to_representation(self, instance: Merchant) -> dict[str, Any]:
        """All fields; the destination for staff only."""
        shown = {
            "id": instance.pk,
            "name": instance.name,
            "category_id": instance.category_id,
            "is_certified": instance.is_certified,
            "is_active": instance.is_active,
            "destination": None,
            "created_at": instance.created_at,
            "updated_at": instance.updated_at,
        }
        if self.context["caller"].is_staff:
            shown["destination"] = destination_out(self.context, instance)
        return shown


class UsageIn(StrictSerializer):
    """A permission to be given: for one merchant or for one category."""

    owner_id = IdField()
    merchant_id = IdField(required=False, allow_null=True)
    category_id = IdField(required=False, allow_null=True)


class UsageFilter(FilterSerializer):
    """The filters of GET /spend/allow."""

    owner_id = IdField(required=False)
    merchant_id = IdField(required=False)
    category_id = IdField(required=False)
    is_active = serializers.BooleanField(required=False)


class UsageOut(serializers.Serializer[AllowedUsage]):
    """A permission to buy."""

    id = serializers.IntegerField()
    owner_id = serializers.IntegerField()
    merchant_id = serializers.IntegerField(allow_null=True)
    category_id = serializers.IntegerField(allow_null=True)
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: AllowedUsage) -> dict[str, Any]:
        """All fields."""
        return {
            "id": instance.pk,
            "owner_id": instance.owner_id,
            "merchant_id": instance.merchant_id,
            "category_id": instance.category_id,
            "is_active": instance.deactivated_at is None,
            "created_at": instance.created_at,
        }


class UsageGivenOut(UsageOut):
    """The permission, and whether it was given by this request."""

    status = serializers.ChoiceField(choices=["added", "exists"])

    def to_representation(self, instance: AllowedUsage) -> dict[str, Any]:
        """With `status` first, as the predecessor answered."""
        return {"status": self.context["status"], **super().to_representation(instance)}


class PayeeIn(StrictSerializer):
    """A payee to be allowed, with limits in the escrow's currency."""

    escrow_id = IdField()
    payee_ref = serializers.CharField(min_length=2, max_length=120)
    label = serializers.CharField(min_length=2, max_length=200)  # type: ignore[assignment]  # as above
    destination = PaidToIn(required=False, allow_null=True)
    daily_limit = MoneyField(required=False, allow_null=True)
    total_limit = MoneyField(required=False, allow_null=True)


class PayeeChangesIn(StrictSerializer):
    """What can change of a payee; other limits are those of another payee."""

    label = serializers.CharField(min_length=2, max_length=200, required=False)  # type: ignore[assignment]  # as above
    destination = PaidToIn(required=False)


class PayeeFilter(FilterSerializer):
    """The filters of GET /spend/allowed."""

    escrow_id = IdField(required=False)
    payee_ref = serializers.CharField(max_length=120, required=False)
    is_active = serializers.BooleanField(required=False)


class PayeeOut(serializers.Serializer[AllowedPayee]):
    """Who may be paid from an escrow."""

    id = serializers.IntegerField()
    escrow_id = serializers.IntegerField()
    payee_ref = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # as above
    currency = serializers.CharField()
    daily_limit = serializers.CharField(allow_null=True)
    total_limit = serializers.CharField(allow_null=True)
    destination = PaidToOut(allow_null=True)
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def to_representation(self, instance: AllowedPayee) -> dict[str, Any]:
        """All fields; a limit that is not set is null."""
        return {
            "id": instance.pk,
            "escrow_id": instance.escrow_id,
            "payee_ref": instance.payee_ref,
            "label": instance.label,
            "currency": instance.currency,
            "daily_limit": _amount(instance.daily_limit_minor, instance.currency),
            "total_limit": _amount(instance.total_limit_minor, instance.currency),
            "destination": destination_out(self.context, instance),
            "is_active": instance.deactivated_at is None,
            "created_at": instance.created_at,
            "updated_at": instance.updated_at,
        }


def destination_out(context: Mapping[str, Any], row: Merchant | AllowedPayee) -> Any:
    """Where a merchant or a payee is paid; null when they named nothing. Asked once for a list."""
    if row.payee_id is not None:
        return {"user_id": row.payee_id, "kind": "user", "masked": None}
    account = context["accounts"].get(row.reference)
    if account is None:
        return None
    return {"user_id": None, "kind": account.kind, "masked": account.masked}


def _amount(amount_minor: int | None, currency: str) -> str | None:
    return None if amount_minor is None else format_minor(amount_minor, currency)
