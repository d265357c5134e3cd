"""How the list of escrows is narrowed down."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from kobatela.kernel import clock

_WITHIN = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}


class DeadlineFilter(admin.SimpleListFilter):
    """By the moment at which a deadline acts next: inspection and the PSP's limit count too."""

    title = "next deadline"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """The choices."""
        return [
            ("over", "overdue"),
            ("day", "within a day"),
            ("week", "within a week"),
            ("month", "within 30 days"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The escrows of the chosen span."""
        now = clock.now()
        if self.value() == "over":
            return queryset.filter(next_deadline_at__lte=now)
        within = _WITHIN.get(self.value() or "")
        if within is None:
            return queryset
        return queryset.filter(next_deadline_at__gt=now, next_deadline_at__lte=now + within)
