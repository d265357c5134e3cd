"""Escrows and deposits in the console."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from escrow import selectors
from escrow.admin import page
from escrow.admin.commands import DEPOSIT_COMMANDS, ESCROW_COMMANDS, caller_of
from escrow.admin.filters import DeadlineFilter
from escrow.admin.projects import EscrowGrantAdmin, ProjectAdmin
from escrow.models import Deposit, Escrow
from escrow.rules import CONFIRM_DEPOSIT
from escrow.services.reading import read_escrow
from kobatela.accounts.services.approvals import approval_state
from kobatela.kernel.admin import ConsoleAdmin

__all__ = ["DepositAdmin", "EscrowAdmin", "EscrowGrantAdmin", "ProjectAdmin"]


def _tag(status: str) -> SafeString:
    return format_html('<span class="console-tag {}">{}</span>', page.tone_of(status), status)


@admin.register(Escrow)
class EscrowAdmin(ConsoleAdmin):
    """Escrows: who, how much, what runs out when; and all about one of them on its page."""

    change_form_template = "admin/escrow/escrow/page.html"
    list_display = ("number", "state", "parties", "amount", "held", "deadline_at", "updated_at")
    list_display_links = ("number",)
    list_filter = ("status", "currency", "domain", DeadlineFilter)
    list_select_related = ("client", "provider")
    # What is looked for is told by get_search_results.
    search_fields = ("id",)
    search_help_text = "The number of an escrow, or part of the username of a party."
    ordering = ("-id",)
    sortable_by = ("deadline_at", "updated_at")
    fields: ClassVar = ()
    commands: ClassVar = ESCROW_COMMANDS

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """As `q` of the API does."""
        term = search_term.strip()
        return (queryset.filter(selectors.matching(term)) if term else queryset), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of an escrow; that it was read is audited."""
        escrow = self.get_object(request, unquote(object_id))
        context = dict(extra_context or {})
        if isinstance(escrow, Escrow) and self.has_view_permission(request):
            read_escrow(caller=caller_of(request), escrow_id=escrow.pk)
            context["page"] = page.build(escrow)
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description="escrow", ordering="-id")
    def number(self, escrow: Escrow) -> str:
        """Its number."""
        return f"#{escrow.pk}"

    @admin.display(description="status")
    def state(self, escrow: Escrow) -> SafeString:
        """Its state in colour."""
        return _tag(escrow.status)

    @admin.display(description="parties")
    def parties(self, escrow: Escrow) -> str:
        """Who pays whom."""
        return f"{escrow.client} → {escrow.provider}"

    @admin.display(description="total")
    def amount(self, escrow: Escrow) -> str:
        """What was agreed."""
        return page.amount(escrow.amount_total_minor, escrow.currency)

    @admin.display(description="held")
    def held(self, escrow: Escrow) -> str:
        """What is in it now."""
        return page.amount(escrow.held_minor, escrow.currency)


@admin.register(Deposit)
class DepositAdmin(ConsoleAdmin):
    """Deposits, and whether their money is there."""

    list_display = ("id", "escrow", "money", "state", "source", "reported_by", "created_at")
    list_filter = ("status", "currency")
    search_fields = ("=id", "=escrow__id", "=charge_ref")
    list_select_related = ("escrow",)
    ordering = ("-id",)
    readonly_fields = ("approvals",)
    commands: ClassVar = DEPOSIT_COMMANDS

    @admin.display(description="amount")
    def money(self, deposit: Deposit) -> str:
        """How much."""
        return page.amount(deposit.amount_minor, deposit.currency)

    @admin.display(description="status")
    def state(self, deposit: Deposit) -> SafeString:
        """Its state in colour."""
        return _tag(deposit.status)

    @admin.display(description="approvals")
    def approvals(self, deposit: Deposit) -> str:
        """How many people have approved, where two must."""
        state = approval_state(deposit.reference, CONFIRM_DEPOSIT.name)
        if state is None:
            return "none yet; a large sum, or what makes one within a day, takes two people"
        return f"{state.given} of {state.needed}"
