"""What goes in and out of destinations and batches. No account goes out in full."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kobatela.rest.fields import CurrencyField, FilterSerializer, MoneyOut, StrictSerializer
from payments.models import (
    Batch,
    BatchLine,
    BatchLineStatus,
    BatchStatus,
    Destination,
    DestinationKind,
)
from payments.services.routes import PAID_BY_PEOPLE

_BY_PEOPLE = sorted(PAID_BY_PEOPLE)


class DestinationIn(StrictSerializer):
    """An account. mobile_money: operator and number. bank: iban, or account_number with bank_code.
    stripe: stripe_account_id. name: whose account it is. currency: the one it takes; any if none.
    """

    kind = serializers.ChoiceField(choices=list(DestinationKind))
    currency = CurrencyField(required=False, allow_null=True)
    name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    operator = serializers.CharField(max_length=40, required=False)
    number = serializers.CharField(max_length=40, required=False)
    iban = serializers.CharField(max_length=64, required=False)
    account_number = serializers.CharField(max_length=64, required=False)
    bank_code = serializers.CharField(max_length=40, required=False)
    stripe_account_id = serializers.CharField(max_length=64, required=False)


class DestinationOut(serializers.ModelSerializer[Destination]):
    """Where a user is paid. `usable_until` is set once a successor waits to take its place."""

    currency = serializers.SerializerMethodField()
    verified = serializers.BooleanField()

    class Meta:
        model = Destination
        fields = (
            "id",
            "user_id",
            "kind",
            "currency",
            "operator",
            "masked",
            "verified",
            "usable_from",
            "usable_until",
            "created_at",
        )
        read_only_fields = fields

    def get_currency(self, destination: Destination) -> str | None:
        """Null for any."""
        return destination.currency or None


class BatchIn(StrictSerializer):
    """Which payments to collect."""

    currency = CurrencyField()
    kind = serializers.ChoiceField(choices=_BY_PEOPLE)


class BatchFilter(FilterSerializer):
    """The filters of GET /payments/batches."""

    status = serializers.ChoiceField(choices=list(BatchStatus), required=False)
    currency = CurrencyField(required=False)
    kind = serializers.ChoiceField(choices=_BY_PEOPLE, required=False)


class CancelIn(StrictSerializer):
    """Why a batch is given up."""

    note = serializers.CharField(max_length=2000)


class StatementIn(StrictSerializer):
    """The form that carries a statement."""

    file = serializers.FileField(allow_empty_file=True)


class BatchApprovalsOut(serializers.Serializer[Any]):
    """How many people have approved, and how many must."""

    given = serializers.IntegerField()
    needed = serializers.IntegerField()


class BatchOut(serializers.ModelSerializer[Batch]):
    """A batch. `lines` counts them; from the export on, those in the file."""

    lines = serializers.IntegerField(source="line_count")
    total = MoneyOut()
    file_sha256 = serializers.SerializerMethodField()
    approvals = serializers.SerializerMethodField()

    class Meta:
        model = Batch
        fields: tuple[str, ...] = (
            "id",
            "currency",
            "kind",
            "status",
            "lines",
            "total",
            "approvals",
            "file_sha256",
            "note",
            "created_by",
            "created_at",
            "approved_at",
            "exported_at",
            "closed_at",
            "updated_at",
        )
        read_only_fields: tuple[str, ...] = fields

    def get_file_sha256(self, batch: Batch) -> str | None:
        """Of the file as it was first released; null before."""
        return batch.file_sha256 or None

    @extend_schema_field(BatchApprovalsOut)
    def get_approvals(self, batch: Batch) -> dict[str, int]:
        """Two are needed, always."""
        return {"given": self.context["given"].get(batch.reference, 0), "needed": 2}


class BatchLineOut(serializers.ModelSerializer[BatchLine]):
    """A line of a batch. `line` names it in the file and the statement."""

    line = serializers.CharField(source="code")
    amount = MoneyOut(currency_attr="payment.currency")
    status = serializers.ChoiceField(choices=list(BatchLineStatus))
    destination = DestinationOut()

    class Meta:
        model = BatchLine
        fields = (
            "line",
            "number",
            "payment_id",
            "amount",
            "status",
            "destination",
            "bank_reference",
            "reported_on",
        )
        read_only_fields = fields


class BatchDetailOut(BatchOut):
    """A batch with its lines."""

    items = serializers.SerializerMethodField()

    class Meta(BatchOut.Meta):
        fields = (*BatchOut.Meta.fields, "items")
        read_only_fields = fields

    @extend_schema_field(BatchLineOut(many=True))
    def get_items(self, batch: Batch) -> Any:
        """The lines in the order of the file."""
        return BatchLineOut(self.context["lines"], many=True).data


class ProblemOut(serializers.Serializer[Any]):
    """A row of a statement that changed nothing. `row`: its place in the file, the header is 1."""

    row = serializers.IntegerField()
    code = serializers.CharField()
    line = serializers.CharField(allow_blank=True)


class StatementOut(serializers.Serializer[Any]):
    """What a statement did."""

    batch_id = serializers.IntegerField(source="batch.pk")
    status = serializers.CharField(source="batch.status")
    settled = serializers.IntegerField()
    failed = serializers.IntegerField()
    returned = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    problems = ProblemOut(many=True)
