"""The filters of the review queue. Their choices are fixed, so that none costs a query."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from kobatela.kernel.money import parse_minor
from proofs.admin.words import WORDS
from proofs.models import Proof
from proofs.states import ProofStatus, ProofType

# Amounts as people think of them, in units of the currency.
_AMOUNT_STEPS = ("100", "1000", "10000", "1000000")


class StateFilter(admin.SimpleListFilter):
    """What waits is the queue; everything else is looked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The states other than the default."""
        return [("approved", "Approved"), ("rejected", "Rejected"), ("all", "All")]

    def choices(self, changelist: ChangeList) -> Any:
        """With the queue itself as the first choice."""
        choices = list(super().choices(changelist))
        choices[0]["display"] = "Waiting for a person"
        return iter(choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Proof]) -> QuerySet[Proof]:
        """The proofs of the chosen state; decided ones newest first."""
        if self.value() is None:
            return queryset.filter(status=ProofStatus.PENDING)
        if self.value() == "all":
            return queryset.order_by("-pk")
        return queryset.filter(status=(self.value() or "").upper()).order_by("-pk")


class ReasonFilter(admin.SimpleListFilter):
    """Why a person must look."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every code that can hold a proof, what may be fraud first."""
        return list(WORDS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Proof]) -> QuerySet[Proof]:
        """The proofs with this reason."""
        return (
            queryset.filter(review_reasons__contains=[self.value()]) if self.value() else queryset
        )


class KindFilter(admin.SimpleListFilter):
    """What the milestone asks for."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The kinds of milestones."""
        return [(item.value, item.title()) for item in ProofType if item is not ProofType.PDF]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Proof]) -> QuerySet[Proof]:
        """The proofs for milestones of this kind."""
        return queryset.filter(milestone_kind=self.value()) if self.value() else queryset


class CurrencyFilter(admin.SimpleListFilter):
    """The currency of the milestone."""

    title = "currency"
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The installation's currencies."""
        return [(currency, currency) for currency in settings.KOBATELA_CURRENCIES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Proof]) -> QuerySet[Proof]:
        """The proofs of milestones in this currency."""
        return queryset.filter(currency=self.value()) if self.value() else queryset


class AmountFilter(admin.SimpleListFilter):
    """The least amount, in units of each currency."""

    title = "amount"
    parameter_name = "amount"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The steps."""
        return [(step, f"{Decimal(step):,} or more") for step in _AMOUNT_STEPS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Proof]) -> QuerySet[Proof]:
        """The proofs that pay at least this much, whatever the currency."""
        step = self.value()
        if step not in _AMOUNT_STEPS:
            return queryset
        enough = Q(pk__in=[])
        for currency in settings.KOBATELA_CURRENCIES:
            enough |= Q(currency=currency, amount_minor__gte=parse_minor(step, currency))
        return queryset.filter(enough)


class ValidatorFilter(admin.SimpleListFilter):
    """Who decides."""

    title = "who decides"
    parameter_name = "decides"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The two validators."""
        return [("SUPPORT", "Support"), ("SENDER", "The sender")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Proof]) -> QuerySet[Proof]:
        """The proofs of milestones with this validator."""
        return queryset.filter(validator=self.value()) if self.value() else queryset
