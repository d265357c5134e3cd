"""What the comparisons with the PSPs' own records came to, in the console."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from kobatela.accounts.services.callers import staff_caller
from kobatela.kernel.admin import Command, ConsoleAdmin, NoteForm, has_role
from kobatela.kernel.money import Money
from payments.models import Difference, DifferenceStatus, ReconciliationRun
from payments.records import lines_of_run
from payments.services.difference_export import export_differences
from payments.services.differences import accept_difference

_LINES_SHOWN = 200


def _accept(request: HttpRequest, row: Difference, data: Mapping[str, Any]) -> str:
    caller = staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in
    accept_difference(difference_id=row.pk, caller=caller, note=data["note"])
    return "The difference is accepted. Nothing was booked."


def _no_acceptance(row: Difference) -> str | None:
    return None if row.status == DifferenceStatus.OPEN else f"It is {row.status}."


def _said(amount_minor: int | None, currency: str, state: str) -> str:
    if amount_minor is None:
        return "nothing"
    return f"{Money(amount_minor, currency)}, {state}"


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(ConsoleAdmin):
    """Every run with its figures, and what it found."""

    list_display = (
        "id",
        "psp",
        "reach",
        "status",
        "started_at",
        "listed",
        "ours",
        "agreed",
        "in_flight",
        "moved",
        "found",
        "opened",
        "closed",
    )
    list_filter = ("psp", "reach", "status")
    ordering = ("-id",)
    readonly_fields = ("lines",)

    @admin.display(description="differences")
    def lines(self, run: ReconciliationRun) -> SafeString:
        """What the run found, the oldest first."""
        rows = lines_of_run(run)[:_LINES_SHOWN]
        return format_html_join(
            "",
            '<div><a href="{}">{}</a> · {} · ours: {} · theirs: {} · {}</div>',
            (
                (
                    reverse("admin:payments_difference_change", args=[row.pk]),
                    row.subject,
                    row.kind,
                    _said(row.ours_minor, row.ours_currency, row.ours_state),
                    _said(row.theirs_minor, row.theirs_currency, row.theirs_state),
                    row.status,
                )
                for row in rows
            ),
        ) or SafeString("none")


@admin.register(Difference)
class DifferenceAdmin(ConsoleAdmin):
    """Every line in which a PSP's record and ours disagree."""

    list_display = ("id", "psp", "kind", "status", "about", "ours", "theirs", "occurred_at")
    list_filter = ("status", "kind", "psp", "movement", "ours_currency", "occurred_at")
    search_fields = ("=subject", "=psp_ref", "=key")
    ordering = ("-id",)
    change_list_template = "console/differences.html"
    commands: ClassVar = (
        Command(
            "accept",
            "Accept",
            _accept,
            form_class=NoteForm,
            help_text="Says why this difference is no matter. Books and payments stay as they are, "
            "and it is alerted no more until its figures change.",
            refusal=_no_acceptance,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """The export, before the default pages."""
        view = self.admin_site.admin_view(self._export)
        return [path("export/", view, name="payments_difference_export"), *super().get_urls()]

    def _export(self, request: HttpRequest) -> HttpResponseBase:
        if not has_role(request, self.view_roles):
            raise PermissionDenied
        caller = staff_caller(request.user)  # type: ignore[arg-type]  # only staff comes here
        try:
            rows: QuerySet[Any] = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:payments_difference_changelist"))
        lines = export_differences(caller=caller, rows=rows, filters=request.GET.dict())
        return StreamingHttpResponse(
            lines,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="kobatela-differences.csv"'},
        )

    @admin.display(description="about", ordering="subject")
    def about(self, row: Difference) -> str:
        """The payment or funding, or the PSP's reference of what we never ordered."""
        return row.subject

    @admin.display(description="ours")
    def ours(self, row: Difference) -> str:
        """What we say."""
        return _said(row.ours_minor, row.ours_currency, row.ours_state)

    @admin.display(description="theirs")
    def theirs(self, row: Difference) -> str:
        """What the PSP says."""
        return _said(row.theirs_minor, row.theirs_currency, row.theirs_state)
