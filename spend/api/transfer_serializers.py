"""What goes in and out of /allowlist, /certified and /transactions."""

from typing import Any

from rest_framework import serializers

from kobatela.rest.fields import (
    CurrencyField,
    FilterSerializer,
    IdField,
    MoneyField,
    MoneyOut,
    StrictSerializer,
)
from spend.models import AllowedRecipient, CertifiedAccount, Level, Transfer, TransferStatus


class LevelField(serializers.ChoiceField):
    """A level, in capitals however it was written."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=list(Level), **kwargs)

    def to_internal_value(self, data: Any) -> Level:
        """The level."""
        return Level(super().to_internal_value(data.upper() if isinstance(data, str) else data))


class AllowlistIn(StrictSerializer):
    """Who may transfer to whom."""

    owner_id = IdField()
    recipient_id = IdField()


class AllowlistFilter(FilterSerializer):
    """The filters of GET /allowlist."""

    owner_id = IdField(required=False)
    recipient_id = IdField(required=False)


class AllowlistOut(serializers.ModelSerializer[AllowedRecipient]):
    """An entry of the allowlist."""

    class Meta:
        model = AllowedRecipient
        fields = ("id", "owner_id", "recipient_id", "created_at")
        read_only_fields = fields


class AllowlistAddedOut(AllowlistOut):
    """An entry of the allowlist, and whether it is new."""

    status = serializers.ChoiceField(choices=["added", "exists"])

    class Meta(AllowlistOut.Meta):
        fields = ("status", *AllowlistOut.Meta.fields)  # type: ignore[assignment]  # one field more


class CertifiedIn(StrictSerializer):
    """Who may receive from anybody."""

    user_id = IdField()
    level = LevelField()


class CertifiedFilter(FilterSerializer):
    """The filters of GET /certified."""

    user_id = IdField(required=False)
    level = LevelField(required=False)


class CertifiedOut(serializers.ModelSerializer[CertifiedAccount]):
    """A certification."""

    class Meta:
        model = CertifiedAccount
        fields = ("id", "user_id", "level", "certified_at")
        read_only_fields = fields


class CertificationOut(CertifiedOut):
    """A certification, and whether it is new."""

    status = serializers.ChoiceField(choices=["created", "updated"])

    class Meta(CertifiedOut.Meta):
        fields = ("status", *CertifiedOut.Meta.fields)  # type: ignore[assignment]  # one field more


class TransactionIn(StrictSerializer):
    """An instruction to be recorded."""

    sender_id = IdField()
    receiver_id = IdField()
    amount = MoneyField(currency_from="currency")
    currency = CurrencyField()


class TransactionFilter(FilterSerializer):
    """The filters of GET /transactions."""

    sender_id = IdField(required=False)
    receiver_id = IdField(required=False)
    currency = CurrencyField(required=False)
    status = serializers.ChoiceField(choices=list(TransferStatus), required=False)


class TransactionOut(serializers.ModelSerializer[Transfer]):
    """An authorised instruction. `moves_money` is always false: nothing was paid by it."""

    amount = MoneyOut()
    moves_money = serializers.SerializerMethodField()

    class Meta:
        model = Transfer
        fields = (
            "id",
            "sender_id",
            "receiver_id",
            "amount",
            "currency",
            "status",
            "moves_money",
            "basis",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def get_moves_money(self, transfer: Transfer) -> bool:
        """False: it records what was authorised."""
        return False
