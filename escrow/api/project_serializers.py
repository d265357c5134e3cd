"""What goes in and out of /kct_public. No name, address or number of a person is in any of it."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from escrow import projects
from escrow.models import (
    Domain,
    Escrow,
    EscrowGrant,
    EscrowStatus,
    ManagerRole,
    Project,
    ProjectStatus,
)
from escrow.projects import CurrencyTotal, ProjectFigures
from kobatela.kernel.money import format_minor
from kobatela.rest.fields import (
    AwareDateTimeField,
    CurrencyField,
    FilterSerializer,
    IdField,
    MoneyOut,
    StrictSerializer,
)

_PUBLIC_DOMAINS = [Domain.PUBLIC.value, Domain.AID.value]


class CountryField(serializers.RegexField):
    """Two capitals of ISO 3166-1."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[A-Z]{2}$", max_length=2, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """In capitals, however it was written."""
        return str(super().to_internal_value(data.upper() if isinstance(data, str) else data))


class ProjectIn(StrictSerializer):
    """A project to be made."""

    label = serializers.CharField(min_length=3, max_length=255)  # type: ignore[assignment]  # a field's name
    project_type = serializers.CharField(min_length=3, max_length=100)
    country = CountryField()
    city = serializers.CharField(max_length=100, required=False, allow_blank=True)
    domain = serializers.ChoiceField(choices=_PUBLIC_DOMAINS)


class ProjectFilter(FilterSerializer):
    """The filters of GET /kct_public/projects."""

    domain = serializers.ChoiceField(choices=_PUBLIC_DOMAINS, required=False)
    country = CountryField(required=False)
    status = serializers.ChoiceField(choices=list(ProjectStatus), required=False)


class MandateFilter(FilterSerializer):
    """The filters of GET /kct_public/mandates. `status` is the escrow's."""

    domain = serializers.ChoiceField(choices=_PUBLIC_DOMAINS, required=False)
    country = CountryField(required=False)
    status = serializers.ChoiceField(choices=list(EscrowStatus), required=False)
    project_id = IdField(required=False)
    currency = CurrencyField(required=False)
    updated_since = AwareDateTimeField(required=False)


class ReportFilter(FilterSerializer):
    """How GET /kct_public/projects/{id}/report is wanted."""

    format = serializers.ChoiceField(choices=["csv", "pdf"], required=False, default="csv")


class ManagerIn(StrictSerializer):
    """A user who shall manage a project too."""

    user_id = IdField()
    role = serializers.ChoiceField(
        choices=list(ManagerRole), required=False, default=ManagerRole.PROJECT_MANAGER
    )
    is_primary = serializers.BooleanField(required=False, default=False)


class AttachIn(StrictSerializer):
    """An escrow that pays for a project."""

    escrow_id = IdField()


class GrantIn(StrictSerializer):
    """Who may attach the caller's escrow to a project of theirs."""

    escrow_id = IdField()
    user_id = IdField()


class ManagerAddedOut(serializers.Serializer[Any]):
    """What came of adding a manager."""

    status = serializers.ChoiceField(choices=["added", "exists"])
    project_id = serializers.IntegerField()
    user_id = serializers.IntegerField()


class AttachedOut(serializers.Serializer[Any]):
    """What came of attaching an escrow."""

    status = serializers.ChoiceField(choices=["attached", "exists"])
    project_id = serializers.IntegerField()
    escrow_id = serializers.IntegerField()


class GrantOut(serializers.ModelSerializer[EscrowGrant]):
    """A permission to attach an escrow."""

    class Meta:
        model = EscrowGrant
        fields = ("id", "escrow_id", "user_id", "created_at")
        read_only_fields = fields


class TotalOut(serializers.Serializer[CurrencyTotal]):
    """The sums of one currency."""

    currency = serializers.CharField()
    escrows = serializers.IntegerField()
    total = MoneyOut(minor_attr="total_minor")
    funded = MoneyOut(minor_attr="funded_minor")
    released = MoneyOut(minor_attr="released_minor")
    refunded = MoneyOut(minor_attr="refunded_minor")
    remaining = MoneyOut(minor_attr="remaining_minor")


def totals_out(totals: Sequence[CurrencyTotal]) -> list[Any]:
    """The sums of each currency, as clients read them."""
    return [TotalOut(total).data for total in totals]


class ProjectOut(serializers.ModelSerializer[Project]):
    """A project with its figures by currency.

    The three amounts without a currency are those of the only currency, and null where a
    project has escrows in several or none.
    """

    total_amount = serializers.SerializerMethodField()
    released_amount = serializers.SerializerMethodField()
    remaining_amount = serializers.SerializerMethodField()
    currency = serializers.SerializerMethodField()
    current_milestone = serializers.SerializerMethodField()
    totals = serializers.SerializerMethodField()

    class Meta:
        model = Project
        fields = (
            "id",
            "label",
            "project_type",
            "country",
            "city",
            "domain",
            "status",
            "total_amount",
            "released_amount",
            "remaining_amount",
            "currency",
            "current_milestone",
            "totals",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def get_total_amount(self, project: Project) -> str | None:
        """What its escrows come to."""
        return self._only(project, "total_minor")

    def get_released_amount(self, project: Project) -> str | None:
        """What was given to providers, paid or on its way."""
        return self._only(project, "released_minor")

    def get_remaining_amount(self, project: Project) -> str | None:
        """What may still be given to providers."""
        return self._only(project, "remaining_minor")

    def get_currency(self, project: Project) -> str | None:
        """The only currency of its escrows."""
        found = self._figures(project).totals
        return found[0].currency if len(found) == 1 else None

    def get_current_milestone(self, project: Project) -> int | None:
        """The sequence index of the open milestone, where the project has one escrow."""
        return self._figures(project).current_milestone

    @extend_schema_field(TotalOut(many=True))
    def get_totals(self, project: Project) -> Any:
        """The sums of each currency."""
        return totals_out(self._figures(project).totals)

    def _only(self, project: Project, name: str) -> str | None:
        found = self._figures(project).totals
        if len(found) != 1:
            return None
        return format_minor(getattr(found[0], name), found[0].currency)

    def _figures(self, project: Project) -> ProjectFigures:
        figures: ProjectFigures = self.context["figures"][project.pk]
        return figures


class PublicMandateOut(serializers.ModelSerializer[Escrow]):
    """A public or aid escrow as its project's managers see it; without its parties."""

    escrow_id = serializers.IntegerField(source="pk")
    project_id = serializers.IntegerField(source="attachment.project_id")
    project = serializers.CharField(source="attachment.project.label")
    country = serializers.CharField(source="attachment.project.country")
    city = serializers.CharField(source="attachment.project.city")
    total = MoneyOut(minor_attr="amount_total_minor")
    released = MoneyOut(minor_attr="released_minor")
    remaining = serializers.SerializerMethodField()
    milestones_paid = serializers.IntegerField()
    milestones_total = serializers.IntegerField()
    current_milestone = serializers.IntegerField(source="current_index", allow_null=True)
    updated_at = serializers.DateTimeField(source="changed_at")

    class Meta:
        model = Escrow
        fields = (
            "reference",
            "escrow_id",
            "project_id",
            "project",
            "domain",
            "country",
            "city",
            "status",
            "currency",
            "total",
            "released",
            "remaining",
            "milestones_paid",
            "milestones_total",
            "current_milestone",
            "updated_at",
        )
        read_only_fields = fields

    def get_remaining(self, escrow: Escrow) -> str:
        """What may still be given to the provider; nothing once the escrow has ended."""
        return format_minor(projects.remaining_minor(escrow), escrow.currency)


@extend_schema_serializer(many=False)
class MandatesOut(serializers.Serializer[Any]):
    """A page of public escrows, and the sums of all that match by currency."""

    items = PublicMandateOut(many=True)
    next = serializers.CharField(allow_null=True)
    totals = TotalOut(many=True)
