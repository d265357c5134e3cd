"""Categories, merchants and permissions in the console."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from kobatela.accounts.services.callers import staff_caller
from kobatela.kernel.admin import Command, ConsoleAdmin
from kobatela.kernel.caller import Caller
from spend.models import AllowedUsage, Category, Merchant
from spend.services import catalogue, permissions


def caller_of(request: HttpRequest) -> Caller:
    """The member of staff who is signed in."""
    return staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in


def _set_category(request: HttpRequest, category: Category, *, is_active: bool) -> str:
    catalogue.update_category(
        caller=caller_of(request),
        category_id=category.pk,
        changes={"is_active": is_active},
    )
    return "The category permits again." if is_active else "The category permits nothing any more."


def _set_merchant(request: HttpRequest, merchant: Merchant, **changes: bool) -> str:
    catalogue.update_merchant(caller=caller_of(request), merchant_id=merchant.pk, changes=changes)
    return "The merchant is changed."


def _take_back(request: HttpRequest, usage: AllowedUsage, _data: Mapping[str, Any]) -> str:
    permissions.take_back_usage(caller=caller_of(request), usage_id=usage.pk)
    return "The permission is taken back."


def _unless(is_so: bool, text: str) -> str | None:  # noqa: FBT001 - read as a word of the sentence
    return None if is_so else text


@admin.register(Category)
class CategoryAdmin(ConsoleAdmin):
    """Kinds of goods."""

    list_display = ("id", "code", "label", "is_active", "updated_at")
    list_filter = ("is_active",)
    search_fields = ("code", "label")
    ordering = ("-id",)
    commands: ClassVar = (
        Command(
            "deactivate",
            "Deactivate",
            lambda request, row, _data: _set_category(request, row, is_active=False),
            help_text="Permissions for the category permit nothing until it is active again.",
            danger=True,
            refusal=lambda row: _unless(row.is_active, "It is not active."),
        ),
        Command(
            "reactivate",
            "Reactivate",
            lambda request, row, _data: _set_category(request, row, is_active=True),
            refusal=lambda row: _unless(not row.is_active, "It is active."),
        ),
    )


@admin.register(Merchant)
class MerchantAdmin(ConsoleAdmin):
    """Who sells, and whether anybody may buy there."""

    list_display = ("id", "name", "category", "is_certified", "is_active", "payee", "updated_at")
    list_filter = ("is_active", "is_certified", ("category", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("category", "payee")
    search_fields = ("name", "=id")
    ordering = ("-id",)
    commands: ClassVar = (
        Command(
            "deactivate",
            "Deactivate",
            lambda request, row, _data: _set_merchant(request, row, is_active=False),
            help_text="Nothing is bought from them until they are active again.",
            danger=True,
            refusal=lambda row: _unless(row.is_active, "They are not active."),
        ),
        Command(
            "reactivate",
            "Reactivate",
            lambda request, row, _data: _set_merchant(request, row, is_active=True),
            refusal=lambda row: _unless(not row.is_active, "They are active."),
        ),
        Command(
            "certify",
            "Certify",
            lambda request, row, _data: _set_merchant(request, row, is_certified=True),
            help_text="Anybody with a mandate may buy from them then.",
            refusal=lambda row: _unless(not row.is_certified, "They are certified."),
        ),
        Command(
            "decertify",
            "Withdraw the certificate",
            lambda request, row, _data: _set_merchant(request, row, is_certified=False),
            danger=True,
            refusal=lambda row: _unless(row.is_certified, "They are not certified."),
        ),
    )


@admin.register(AllowedUsage)
class UsageAdmin(ConsoleAdmin):
    """Who may buy where."""

    list_display = ("id", "owner", "merchant", "category", "deactivated_at", "created_at")
    list_filter = (("deactivated_at", admin.EmptyFieldListFilter),)
    list_select_related = ("owner", "merchant", "category")
    search_fields = ("owner__username", "merchant__name", "category__code")
    ordering = ("-id",)
    commands: ClassVar = (
        Command(
            "take_back",
            "Take back",
            _take_back,
            danger=True,
            refusal=lambda row: _unless(row.deactivated_at is None, "It was taken back."),
        ),
    )
