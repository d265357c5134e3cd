"""What goes in and out of /escrows."""

from decimal import Decimal
from typing import Any, cast

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from escrow.models import (
    Deposit,
    Domain,
    Escrow,
    EscrowStatus,
    Milestone,
    OnDeadline,
    ProofKind,
    Validator,
)
from escrow.requirements import PROOF_REQUIREMENTS_SCHEMA, without_expected
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import format_minor
from kobatela.rest.fields import (
    AwareDateTimeField,
    CurrencyField,
    FilterSerializer,
    IdField,
    JSONObjectField,
    MoneyField,
    MoneyOut,
    StrictSerializer,
)

MAX_INDEX = 1_000_000
MAX_AGE_MINUTES = 525_600
MAX_MILESTONES = 200


@extend_schema_field(dict(PROOF_REQUIREMENTS_SCHEMA))
class ProofRequirementsField(JSONObjectField):
    """What a proof must show; its keys are checked with the milestone."""


class MilestoneIn(StrictSerializer):
    """A milestone to be added; inside a new escrow it has the escrow's currency."""

    sequence_index = serializers.IntegerField(min_value=1, max_value=MAX_INDEX)
    label = serializers.CharField(max_length=200)  # type: ignore[assignment]  # a field's name
    amount = MoneyField()
    currency = CurrencyField(required=False)
    proof_kind = serializers.ChoiceField(choices=list(ProofKind), required=False)
    validator = serializers.ChoiceField(choices=list(Validator), required=False)
    proof_requirements = ProofRequirementsField(required=False)
    geofence_lat = serializers.DecimalField(
        max_digits=9,
        decimal_places=6,
        min_value=Decimal(-90),
        max_value=Decimal(90),
        required=False,
        allow_null=True,
    )
    geofence_lng = serializers.DecimalField(
        max_digits=9,
        decimal_places=6,
        min_value=Decimal(-180),
        max_value=Decimal(180),
        required=False,
        allow_null=True,
    )
    geofence_radius_m = serializers.DecimalField(
        max_digits=9,
        decimal_places=2,
        min_value=Decimal("0.01"),
        required=False,
        allow_null=True,
    )
    max_age_minutes = serializers.IntegerField(
        min_value=1, max_value=MAX_AGE_MINUTES, required=False, allow_null=True
    )


class EscrowIn(StrictSerializer):
    """An agreement to be made."""

    client_id = IdField()
    provider_id = IdField()
    amount_total = MoneyField(currency_from="currency")
    currency = CurrencyField()
    release_conditions = JSONObjectField(required=False)
    deadline_at = AwareDateTimeField()
    domain = serializers.ChoiceField(choices=list(Domain), required=False)
    inspection_hours = serializers.IntegerField(min_value=24, max_value=720, required=False)
    on_deadline = serializers.ChoiceField(choices=list(OnDeadline), required=False)
    milestones = serializers.ListField(
        child=MilestoneIn(), required=False, max_length=MAX_MILESTONES
    )


class EscrowFilter(FilterSerializer):
    """The filters of GET /escrows. `role` is the caller's own part; the client is the sender."""

    status = serializers.ChoiceField(choices=list(EscrowStatus), required=False)
    role = serializers.ChoiceField(choices=["client", "sender", "provider"], required=False)
    deadline_before = AwareDateTimeField(required=False)
    q = serializers.CharField(max_length=100, required=False)


class NoFilter(FilterSerializer):
    """A list without filters."""


class DepositIn(StrictSerializer):
    """Money reported in, in the escrow's currency."""

    amount = MoneyField()


class RefundIn(StrictSerializer):
    """Without an amount all that is held goes back and the escrow ends."""

    amount = MoneyField(required=False, allow_null=True)
    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)


class ResolveIn(StrictSerializer):
    """How support divides what is held."""

    release = MoneyField(minimum_minor=0)
    refund = MoneyField(minimum_minor=0)
    note = serializers.CharField(max_length=2000)


class RejectDepositIn(StrictSerializer):
    """Why the money of a deposit is not there."""

    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)


class SaidIn(StrictSerializer):
    """What may come with a command."""

    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    proof_url = serializers.CharField(max_length=1024, required=False, allow_blank=True)
    upload_id = IdField(required=False, allow_null=True)


class ApprovalsOut(serializers.Serializer[Any]):
    """How many people have approved, and how many must."""

    given = serializers.IntegerField()
    needed = serializers.IntegerField()


class EscrowOut(serializers.Serializer[Escrow]):
    """An escrow. With `approvals` the command has not been carried out yet."""

    id = serializers.IntegerField()
    client_id = serializers.IntegerField()
    provider_id = serializers.IntegerField()
    amount_total = MoneyOut()
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=list(EscrowStatus))
    domain = serializers.ChoiceField(choices=list(Domain))
    release_conditions_json = JSONObjectField(source="release_conditions")
    deadline_at = serializers.DateTimeField()
    inspection_hours = serializers.IntegerField()
    on_deadline = serializers.ChoiceField(choices=list(OnDeadline))
    funded_total = MoneyOut(minor_attr="funded_minor")
    held_total = MoneyOut(minor_attr="held_minor")
    released_total = MoneyOut(minor_attr="released_minor")
    refunded_total = MoneyOut(minor_attr="refunded_minor")
    delivered_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    approvals = ApprovalsOut(required=False)

    def to_representation(self, instance: Escrow) -> dict[str, Any]:
        """Every field in its order, `approvals` only where a second person is needed.

        Written out because it is the answer of the busiest command.
        """
        currency = instance.currency
        shown: dict[str, Any] = {
            "id": instance.pk,
            "client_id": instance.client_id,
            "provider_id": instance.provider_id,
            "amount_total": format_minor(instance.amount_total_minor, currency),
            "currency": currency,
            "status": instance.status,
            "domain": instance.domain,
            "release_conditions_json": instance.release_conditions,
            "deadline_at": instance.deadline_at,
            "inspection_hours": instance.inspection_hours,
            "on_deadline": instance.on_deadline,
            "funded_total": format_minor(instance.funded_minor, currency),
            "held_total": format_minor(instance.held_minor, currency),
            "released_total": format_minor(instance.released_minor, currency),
            "refunded_total": format_minor(instance.refunded_minor, currency),
            "delivered_at": instance.delivered_at,
            "closed_at": instance.closed_at,
            "created_at": instance.created_at,
            "updated_at": instance.updated_at,
        }
        return with_approvals(shown, self.context.get("approvals"))


class MilestoneOut(serializers.Serializer[Milestone]):
    """A milestone. Who only provides reads neither the fence nor the expected values."""

    id = serializers.IntegerField()
    escrow_id = serializers.IntegerField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field's name
    amount = MoneyOut()
    currency = serializers.CharField()
    sequence_index = serializers.IntegerField()
    status = serializers.CharField()
    proof_kind = serializers.ChoiceField(choices=list(ProofKind))
    validator = serializers.ChoiceField(choices=list(Validator))
    proof_requirements = ProofRequirementsField()
    geofence_lat = serializers.FloatField(allow_null=True)
    geofence_lng = serializers.FloatField(allow_null=True)
    geofence_radius_m = serializers.FloatField(allow_null=True)
    max_age_minutes = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def to_representation(self, instance: Milestone) -> dict[str, Any]:
        """All fields; masked for a caller who does not act for the client."""
        shown: dict[str, Any] = super().to_representation(instance)
        if self._reads_all(instance.escrow.client_id):
            return shown
        shown["proof_requirements"] = without_expected(instance.proof_requirements)
        return shown | dict.fromkeys(("geofence_lat", "geofence_lng", "geofence_radius_m"))

    def _reads_all(self, client_id: int) -> bool:
        # Asked once for a whole list: the answer may cost a query.
        context = cast("dict[str, Any]", self.context)
        known: dict[int, bool] = context.setdefault("reads_all_of_client", {})
        if client_id not in known:
            caller: Caller = self.context["caller"]
            known[client_id] = caller.is_staff or caller.may_act_for(client_id)
        return known[client_id]


class DepositOut(serializers.Serializer[Deposit]):
    """A deposit. `source` is null while it waits."""

    id = serializers.IntegerField()
    escrow_id = serializers.IntegerField()
    amount = MoneyOut()
    currency = serializers.CharField()
    status = serializers.CharField()
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]  # a field's name
    refunded = MoneyOut()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    approvals = ApprovalsOut(required=False)

    def to_representation(self, instance: Deposit) -> dict[str, Any]:
        """All fields, `approvals` only where a second person is needed."""
        shown = {
            "id": instance.pk,
            "escrow_id": instance.escrow_id,
            "amount": format_minor(instance.amount_minor, instance.currency),
            "currency": instance.currency,
            "status": instance.status,
            "source": instance.source or None,
            "refunded": format_minor(instance.refunded_minor, instance.currency),
            "created_at": instance.created_at,
            "updated_at": instance.updated_at,
        }
        return with_approvals(shown, self.context.get("approvals"))


class FundingSessionOut(serializers.Serializer[Any]):
    """A funding at the PSP. `client_secret` is shown once."""

    funding_id = serializers.IntegerField(source="id")
    client_secret = serializers.CharField()
    amount = MoneyOut()
    currency = serializers.CharField()


class BalancesOut(serializers.Serializer[Any]):
    """Where the escrow's money is. `frozen` is the part of `held` that a chargeback may take."""

    funded = serializers.CharField()
    held = serializers.CharField()
    frozen = serializers.CharField()
    free = serializers.CharField()
    released = serializers.CharField()
    refunded = serializers.CharField()
    in_transit = serializers.CharField()


class DeadlineOut(serializers.Serializer[Any]):
    """If nobody acts, `outcome` happens `at` that moment."""

    name = serializers.CharField()
    at = serializers.DateTimeField()
    outcome = serializers.CharField()
    started = serializers.BooleanField()


class PlatformFeeOut(serializers.Serializer[Any]):
    """What the platform takes when all that is held is released."""

    bps = serializers.IntegerField()
    amount = serializers.CharField()


class SummaryOut(serializers.Serializer[Any]):
    """One page about an escrow."""

    escrow = EscrowOut()
    milestones = MilestoneOut(many=True)
    balances = BalancesOut()
    current_milestone = MilestoneOut(allow_null=True)
    allowed_actions = serializers.ListField(child=serializers.CharField())
    deadlines = DeadlineOut(many=True)
    platform_fee = PlatformFeeOut()


class TimelineOut(serializers.Serializer[Any]):
    """One thing that happened."""

    at = serializers.DateTimeField()
    kind = serializers.CharField()
    actor = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]  # a field's name


def with_approvals(shown: dict[str, Any], approvals: Any) -> dict[str, Any]:
    """`shown` with how many people have approved, where that is not enough yet."""
    if approvals is not None:
        shown["approvals"] = {"given": approvals.given, "needed": approvals.needed}
    return shown
