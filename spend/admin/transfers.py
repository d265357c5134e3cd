"""Restricted transfers in the console: who may receive, and what was authorised."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from kobatela.accounts.list_commands import ListCommand, MakingAdmin
from kobatela.accounts.services.callers import staff_caller
from kobatela.kernel.admin import ADMIN_GROUP, Command, ConsoleAdmin
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import format_minor
from spend.models import AllowedRecipient, CertifiedAccount, Level, Transfer
from spend.services import transfers as services

_ADMIN = frozenset({ADMIN_GROUP})


class RecipientForm(forms.Form):
    """Who may transfer to whom."""

    owner_id = forms.IntegerField(label="Id of the sender", min_value=1)
    recipient_id = forms.IntegerField(label="Id of the receiver", min_value=1)


class CertifyForm(forms.Form):
    """Who may receive from anybody."""

    user_id = forms.IntegerField(label="Id of the user", min_value=1)
    level = forms.TypedChoiceField(choices=[(x.value, x.value) for x in Level], coerce=Level)


def _caller(request: HttpRequest) -> Caller:
    return staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in


def _made(request: HttpRequest, said: str, page: str) -> HttpResponse:
    messages.success(request, said)
    return HttpResponseRedirect(reverse(f"admin:{page}_changelist"))


def _allow(request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
    done = services.allow_recipient(caller=_caller(request), **data)
    said = "It is on the allowlist." if done.is_new else "It was on the allowlist already."
    return _made(request, said, "spend_allowedrecipient")


def _certify(request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
    services.certify_account(caller=_caller(request), **data)
    return _made(request, "The user is certified.", "spend_certifiedaccount")


def _remove_recipient(request: HttpRequest, row: AllowedRecipient, _data: Any) -> str:
    services.remove_recipient(caller=_caller(request), allowed_id=row.pk)
    return "It is no longer on the allowlist."


def _remove_certification(request: HttpRequest, row: CertifiedAccount, _data: Any) -> str:
    services.remove_certification(caller=_caller(request), certified_id=row.pk)
    return "The user is no longer certified."


def _is_gone(row: AllowedRecipient | CertifiedAccount) -> str | None:
    return None if row.removed_at is None else "It was taken back already."


class StandingFilter(admin.SimpleListFilter):
    """What holds now, or what was taken back."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """The choices."""
        return [("now", "in force"), ("gone", "taken back")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """The rows of the chosen standing."""
        if self.value() not in {"now", "gone"}:
            return queryset
        return queryset.filter(removed_at__isnull=self.value() == "now")


@admin.register(AllowedRecipient)
class AllowedRecipientAdmin(MakingAdmin):
    """Who may transfer to whom."""

    list_display = ("id", "owner", "recipient", "created_by", "created_at", "removed_at")
    list_filter = (StandingFilter,)
    search_fields = ("=owner__username", "=recipient__username")
    search_help_text = "Username of either side, exactly"
    list_select_related = ("owner", "recipient")
    raw_id_fields = ("owner", "recipient")
    ordering = ("-id",)
    list_commands: ClassVar[Sequence[ListCommand]] = (
        ListCommand("allow", "Allow a transfer", RecipientForm, _allow, roles=_ADMIN),
    )
    commands: ClassVar[Sequence[Command]] = (
        Command(
            "remove", "Take back", _remove_recipient, danger=True, roles=_ADMIN, refusal=_is_gone
        ),
    )


@admin.register(CertifiedAccount)
class CertifiedAccountAdmin(MakingAdmin):
    """Who may receive from anybody."""

    list_display = ("id", "user", "level", "certified_by", "certified_at", "removed_at")
    list_filter = (StandingFilter, "level")
    search_fields = ("=user__username",)
    search_help_text = "Username, exactly"
    list_select_related = ("user",)
    raw_id_fields = ("user",)
    ordering = ("-id",)
    list_commands: ClassVar[Sequence[ListCommand]] = (
        ListCommand("certify", "Certify a user", CertifyForm, _certify, roles=_ADMIN),
    )
    commands: ClassVar[Sequence[Command]] = (
        Command(
            "remove",
            "Take back",
            _remove_certification,
            danger=True,
            roles=_ADMIN,
            refusal=_is_gone,
        ),
    )


@admin.register(Transfer)
class TransferAdmin(ConsoleAdmin):
    """What was authorised. None of it moved money."""

    list_display = ("id", "sender", "receiver", "amount", "basis", "created_by", "created_at")
    list_filter = ("basis", "currency", "created_at")
    search_fields = ("=id", "=sender__username", "=receiver__username")
    search_help_text = "Id, or the username of either side, exactly"
    list_select_related = ("sender", "receiver")
    raw_id_fields = ("sender", "receiver")
    ordering = ("-id",)

    @admin.display(description="amount")
    def amount(self, transfer: Transfer) -> str:
        """How much."""
        return f"{format_minor(transfer.amount_minor, transfer.currency)} {transfer.currency}"
