"""Categories, merchants and permissions in the console."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from kobatela.accounts.list_commands import ListCommand, MakingAdmin
from kobatela.kernel.admin import Command
from spend.admin.making import (
    STAFF,
    IdField,
    PaidToAdmin,
    PaidToForm,
    caller_of,
    destination_of,
    made,
    pay_elsewhere,
)
from spend.models import AllowedUsage, Category, Merchant
from spend.services import catalogue, permissions


class CategoryForm(forms.Form):
    """A kind of goods."""

    code = forms.CharField(max_length=64, help_text="Its name for ever.")
    label = forms.CharField(max_length=255)


class MerchantForm(PaidToForm):
    """Who sells what, and where they are paid."""

    name = forms.CharField(max_length=255)
    category_id = IdField(label="Id of the category", required=False)
    is_certified = forms.BooleanField(
        label="Certified", required=False, help_text="Anybody with a mandate may buy from them."
    )
    field_order = ("name", "category_id", "is_certified")


class UsageForm(forms.Form):
    """Who may buy from one merchant, or in one category."""

    owner_id = IdField(label="Id of the user who buys")
    merchant_id = IdField(label="Id of the merchant", required=False)
    category_id = IdField(label="Or id of the category", required=False)


def _create_category(request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
    category = catalogue.create_category(caller=caller_of(request), **data)
    return made(request, category, "The category is added.")


def _create_merchant(request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
    merchant = catalogue.create_merchant(
        caller=caller_of(request),
        name=data["name"],
        category_id=data["category_id"],
        is_certified=data["is_certified"],
        destination=destination_of(data),
    )
    return made(request, merchant, "The merchant is added.")


def _pay_elsewhere(request: HttpRequest, merchant: Merchant, data: Mapping[str, Any]) -> str:
    catalogue.update_merchant(
        caller=caller_of(request),
        merchant_id=merchant.pk,
        changes={},
        destination=destination_of(data),
    )
    return "It is noted where they are paid."


def _allow_usage(request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
    done = permissions.allow_usage(caller=caller_of(request), **data)
    said = "The permission is given." if done.is_new else "The permission was given before."
    return made(request, done.usage, said)


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
class CategoryAdmin(MakingAdmin):
    """Kinds of goods."""

    list_display = ("id", "code", "label", "is_active", "updated_at")
    list_filter = ("is_active",)
    search_fields = ("code", "label")
    ordering = ("-id",)
    list_commands: ClassVar = (
        ListCommand("create", "Add a category", CategoryForm, _create_category, roles=STAFF),
    )
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
class MerchantAdmin(PaidToAdmin):
    """Who sells, and whether anybody may buy there."""

    list_display = ("id", "name", "category", "is_certified", "is_active", "paid_to", "updated_at")
    list_filter = ("is_active", "is_certified", ("category", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("category", "payee")
    search_fields = ("name", "=id")
    ordering = ("-id",)
    list_commands: ClassVar = (
        ListCommand("create", "Add a merchant", MerchantForm, _create_merchant, roles=STAFF),
    )
    commands: ClassVar = (
        pay_elsewhere(_pay_elsewhere),
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
class UsageAdmin(MakingAdmin):
    """Who may buy where."""

    list_display = ("id", "owner", "merchant", "category", "deactivated_at", "created_at")
    list_filter = (("deactivated_at", admin.EmptyFieldListFilter),)
    list_select_related = ("owner", "merchant", "category")
    search_fields = ("owner__username", "merchant__name", "category__code")
    ordering = ("-id",)
    list_commands: ClassVar = (
        ListCommand("allow", "Give a permission", UsageForm, _allow_usage, roles=STAFF),
    )
    commands: ClassVar = (
        Command(
            "take_back",
            "Take back",
            _take_back,
            danger=True,
            refusal=lambda row: _unless(row.deactivated_at is None, "It was taken back."),
        ),
    )
