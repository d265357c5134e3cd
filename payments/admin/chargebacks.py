"""Chargebacks in the console: what was taken back, what it froze, and what it left owing."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from kobatela.accounts.services.callers import staff_caller
from kobatela.kernel.admin import ADMIN_GROUP, Command, ConsoleAdmin
from kobatela.kernel.money import format_minor
from payments import cases
from payments.admin.tables import postings_table, table
from payments.models import Chargeback
from payments.services.chargebacks import write_off


def _write_off(request: HttpRequest, case: Chargeback, _data: Mapping[str, Any]) -> str:
    caller = staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in
    if write_off(chargeback_id=case.pk, caller=caller).approvals.granted:
        return "The debt is booked as a loss."
    return "It is noted. Another person must say the same."


def _no_write_off(case: Chargeback) -> str | None:
    if case.written_off_at:
        return "It was written off."
    return None if case.open_debt_minor else "Nothing is owed."


@admin.display(description="amount", ordering="amount_minor")
def _amount(case: Chargeback) -> str:
    return str(case.money)


@admin.display(description="frozen")
def _frozen(case: Chargeback) -> str:
    return format_minor(case.frozen_minor, case.currency)


@admin.display(description="still owed")
def _owed(case: Chargeback) -> str:
    return format_minor(case.open_debt_minor, case.currency)


@admin.register(Chargeback)
class ChargebackAdmin(ConsoleAdmin):
    """Charges that payers' banks took back. The bank decides them; the PSP reports it."""

    list_display = ("id", "escrow_id", "status", _amount, _frozen, _owed, "payer", "created_at")
    list_filter = ("status", "psp", "currency")
    search_fields = ("=psp_ref", "=funding__psp_ref", "=escrow__id", "=id")
    search_help_text = "The PSP's name of the case or the charge, or the number of an escrow."
    list_select_related = ("payer",)
    ordering = ("-id",)
    readonly_fields = ("postings", "psp_events")
    commands: ClassVar = (
        Command(
            "write_off",
            "Write off the debt",
            _write_off,
            help_text="Says that the payer will never pay what the case left owing. "
            "Two people must say so.",
            danger=True,
            roles=frozenset({ADMIN_GROUP}),
            refusal=_no_write_off,
        ),
    )

    @admin.display(description="postings")
    def postings(self, case: Chargeback) -> SafeString:
        """What it moved in the books."""
        return postings_table(cases.postings_of_chargeback(case))

    @admin.display(description="events")
    def psp_events(self, case: Chargeback) -> SafeString:
        """What the PSP reported of chargebacks on this charge."""
        return table(
            ("received", "event", "type", "status", "reason"),
            cases.dispute_events_of(case).values_list(
                "received_at", "event_id", "type", "status", "reason"
            ),
        )
