"""The books in the console, to be read."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from kobatela.kernel.admin import ConsoleAdmin
from kobatela.kernel.money import format_minor
from payments.ledger import selectors
from payments.ledger.models import Account, Transfer

_NEWEST = 100


@admin.register(Account)
class AccountAdmin(ConsoleAdmin):
    """Accounts with what is on them."""

    list_display = ("code", "currency", "kind", "balance", "is_guarded", "created_at")
    list_filter = ("currency", "kind")
    search_fields = ("code",)
    ordering = ("-id",)
    readonly_fields = ("balance", "newest_entries")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the balances, in one query."""
        found: QuerySet[Any] = super().get_queryset(request)
        summed: QuerySet[Any] = found.annotate(total_minor=Sum("balances__balance_minor"))
        return summed

    @admin.display(description="balance")
    def balance(self, account: Any) -> str:
        """In the direction in which the account grows."""
        return format_minor(account.total_minor or 0, account.currency)

    @admin.display(description="newest entries")
    def newest_entries(self, account: Account) -> SafeString:
        """The last hundred, debits positive."""
        return format_html_join(
            "",
            "<div>{} · {} · {}</div>",
            (
                (
                    f"{entry.transfer.created_at:%Y-%m-%d %H:%M:%S}",
                    entry.transfer.business_key,
                    format_minor(entry.amount_minor, account.currency),
                )
                for entry in selectors.entries_of(account)[:_NEWEST]
            ),
        )


@admin.register(Transfer)
class TransferAdmin(ConsoleAdmin):
    """Transfers with their entries."""

    # A transfer of a reference is the instruction of one user to pay another.
    noun = "posting"
    list_display = ("id", "business_key", "code", "currency", "created_at")
    list_filter = ("currency", "code")
    search_fields = ("=business_key",)
    ordering = ("-id",)
    readonly_fields = ("entries",)

    @admin.display(description="entries")
    def entries(self, transfer: Transfer) -> SafeString:
        """Both sides."""
        lines = format_html_join(
            "",
            "<div>{} · {} · {}</div>",
            (
                (
                    entry.account.code,
                    "debit" if entry.amount_minor > 0 else "credit",
                    format_minor(abs(entry.amount_minor), transfer.currency),
                )
                for entry in transfer.entries.select_related("account")
            ),
        )
        return format_html("{}", lines)
