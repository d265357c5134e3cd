"""Users, keys and approvals in the console."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kobatela.accounts import forms
from kobatela.accounts.list_commands import ListCommand, MakingAdmin
from kobatela.accounts.models import ApiKey, Approval, User
from kobatela.accounts.services import keys, staff, users
from kobatela.accounts.services.callers import staff_caller
from kobatela.accounts.services.keys import IssuedKey
from kobatela.kernel import clock
from kobatela.kernel.admin import (
    ADMIN_GROUP,
    Command,
    ConsoleAdmin,
    NoForm,
    readable_amounts,
    reference_link,
)
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import format_minor

_ADMIN = frozenset({ADMIN_GROUP})


# Roles are given by a command of the user's page; groups hold no permissions to edit.
admin.site.unregister(Group)


def _caller(request: HttpRequest) -> Caller:
    assert isinstance(request.user, User), "the admin site lets only users in"
    return staff_caller(request.user)


def _change(request: HttpRequest, user: User, changes: Mapping[str, Any], said: str) -> str:
    users.update_user(caller=_caller(request), user_id=user.pk, changes=changes)
    return said


def _create_user(request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
    user = users.create_user(caller=_caller(request), **data)
    messages.success(request, f"The user {user} was created.")
    return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[user.pk]))


def _set_password(request: HttpRequest, user: User, data: Mapping[str, Any]) -> str:
    staff.set_password(caller=_caller(request), user_id=user.pk, password=data["password"])
    return "The password was set."


def _set_role(request: HttpRequest, user: User, data: Mapping[str, Any]) -> str:
    staff.set_staff_role(caller=_caller(request), user_id=user.pk, role=data["role"] or None)
    return f"The role is now {data['role'] or 'none'}."


def _trail(subject: str, actor: str) -> SafeString:
    trail = reverse("admin:audit_auditentry_changelist")
    return format_html(
        '<a href="{}?{}">what happened to it</a> · <a href="{}?{}">what it did</a>',
        trail,
        urlencode({"subject": subject}),
        trail,
        urlencode({"actor": actor}),
    )


@admin.register(User)
class UserAdmin(MakingAdmin):
    """Parties and staff; what changes about them is a command for admins."""

    list_display = ("username", "email", "public_tag", "manager", "is_staff", "is_active")
    list_filter = ("is_active", "is_staff", "public_tag", "groups")
    search_fields = ("=id", "username", "email")
    search_help_text = "Id, user name or e-mail address"
    list_select_related = ("managed_by",)
    ordering = ("-id",)
    fields = (
        "id",
        "username",
        "email",
        "phone",
        "language",
        "public_tag",
        "manager",
        "is_active",
        "is_staff",
        "is_superuser",
        "roles",
        "approves_from",
        "stripe_account_id",
        "last_login",
        "created_at",
        "updated_at",
        "trail",
    )
    list_commands: ClassVar[Sequence[ListCommand]] = (
        ListCommand("create", "Create a user", forms.UserForm, _create_user),
    )
    commands: ClassVar[Sequence[Command]] = (
        Command(
            "contact",
            "Change contact",
            lambda request, user, data: _change(request, user, data, "The contact was changed."),
            forms.ContactForm,
            roles=_ADMIN,
            initial=lambda user: {
                name: getattr(user, name) for name in forms.ContactForm.base_fields
            },
        ),
        Command(
            "tag",
            "Set the public tag",
            lambda request, user, data: _change(request, user, data, "The public tag was set."),
            forms.TagForm,
            help_text="GOV and ONG open public-sector projects.",
            roles=_ADMIN,
            initial=lambda user: {"public_tag": user.public_tag},
        ),
        Command(
            "manager",
            "Set the manager",
            lambda request, user, data: _change(request, user, data, "The manager was set."),
            forms.ManagerForm,
            help_text="The manager's keys act for this user. Only while the user has no live key "
            "and no open escrow; it raises an alert.",
            danger=True,
            roles=_ADMIN,
            initial=lambda user: {"managed_by": user.managed_by_id},
        ),
        Command("role", "Set the staff role", _set_role, forms.RoleForm, danger=True, roles=_ADMIN),
        Command(
            "password",
            "Set a password",
            _set_password,
            forms.PasswordForm,
            help_text="Another person's password raises an alert that both of you get, and for a "
            "day they do not count as one of two people. It ends their sessions.",
            danger=True,
            roles=_ADMIN,
            refusal=lambda user: None if user.is_staff else "Only staff sign in with a password.",
        ),
        Command(
            "deactivate",
            "Deactivate",
            lambda request, user, _data: _change(
                request, user, {"is_active": False}, "The user was deactivated."
            ),
            NoForm,
            help_text="Their keys and sessions stop at once.",
            danger=True,
            roles=_ADMIN,
            refusal=lambda user: None if user.is_active else "The user is not active.",
        ),
        Command(
            "reactivate",
            "Reactivate",
            lambda request, user, _data: _change(
                request, user, {"is_active": True}, "The user is active again."
            ),
            NoForm,
            roles=_ADMIN,
            refusal=lambda user: "The user is active." if user.is_active else None,
        ),
    )

    @admin.display(description="audit trail")
    def trail(self, user: User) -> SafeString:
        """Links into the audit trail."""
        return _trail(f"user:{user.pk}", f"staff:{user.pk}")

    @admin.display(description="managed by", ordering="managed_by")
    def manager(self, user: User) -> str:
        """The user name of the manager."""
        return user.managed_by.username if user.managed_by is not None else "-"

    @admin.display(description="staff roles")
    def roles(self, user: User) -> str:
        """The groups of a member of staff."""
        return ", ".join(user.groups.order_by("name").values_list("name", flat=True)) or "-"


def _issue_key(request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
    return _show_once(request, keys.issue_key(caller=_caller(request), **data))


def _rotate_key(request: HttpRequest, key: ApiKey, _data: Mapping[str, Any]) -> str:
    issued = keys.rotate_key(caller=_caller(request), key_id=key.pk)
    request.issued_key = issued  # type: ignore[attr-defined]  # for the page that follows
    return "The successor was issued; revoke this key once it is no longer used."


def _revoke_key(request: HttpRequest, key: ApiKey, _data: Mapping[str, Any]) -> str:
    keys.revoke_key(caller=_caller(request), key_id=key.pk)
    return "The key was revoked."


def _show_once(request: HttpRequest, issued: IssuedKey) -> HttpResponse:
    """The page with the secret: shown instead of a redirect, so that it is stored nowhere."""
    context = {
        **admin.site.each_context(request),
        "opts": ApiKey._meta,
        "title": "The new key",
        "key": issued.api_key,
        "secret": issued.secret,
        "record_url": reverse("admin:accounts_apikey_change", args=[issued.api_key.pk]),
    }
    response = TemplateResponse(request, "accounts/key_issued.html", context)
    add_never_cache_headers(response)
    return response


@admin.register(ApiKey)
class ApiKeyAdmin(MakingAdmin):
    """Keys without their secrets."""

    noun = "apikey"
    noun_is_searched = True
    list_display = ("public_id", "name", "scope", "user", "is_open", "expires_at", "last_used_at")
    list_filter = ("scope", "may_confirm_deposits")
    search_fields = ("=public_id", "name", "=user__username")
    search_help_text = "Public id, name, or the user name of the owner"
    list_select_related = ("user",)
    ordering = ("-id",)
    exclude = ("digest", "confirm_limit", "rotation_of")
    readonly_fields = ("limits", "is_open", "trail")
    list_commands: ClassVar[Sequence[ListCommand]] = (
        ListCommand(
            "issue",
            "Issue a key",
            forms.KeyForm,
            _issue_key,
            help_text="The key is shown once, on the next page.",
        ),
    )
    commands: ClassVar[Sequence[Command]] = (
        Command(
            "rotate",
            "Rotate",
            _rotate_key,
            help_text="Issues a successor alike in everything; both work until one is revoked.",
            roles=_ADMIN,
            refusal=lambda key: None if key.is_live(clock.now()) else "The key is not live.",
        ),
        Command(
            "revoke",
            "Revoke",
            _revoke_key,
            help_text="The key stops working at once.",
            danger=True,
            roles=_ADMIN,
            refusal=lambda key: "The key is revoked." if key.revoked_at is not None else None,
        ),
    )

    @admin.display(description="audit trail")
    def trail(self, key: ApiKey) -> SafeString:
        """Links into the audit trail."""
        return _trail(f"apikey:{key.public_id}", f"apikey:{key.public_id}")

    @admin.display(description="live", boolean=True)
    def is_open(self, key: ApiKey) -> bool:
        """Whether the key opens now."""
        return key.is_live(clock.now()) and (key.user is None or key.user.is_active)

    @admin.display(description="limits of deposits to confirm")
    def limits(self, key: ApiKey) -> str:
        """The key's own limits."""
        if key.confirm_limit is None:
            return "as set for the installation"
        return ", ".join(
            f"{format_minor(amount, currency)} {currency}"
            for currency, amount in sorted(key.confirm_limit.items())
        )

    def _run_command(self, request: HttpRequest, command: Command, record: Model) -> HttpResponse:
        response = super()._run_command(request, command, record)
        issued: IssuedKey | None = getattr(request, "issued_key", None)
        return response if issued is None else _show_once(request, issued)


@admin.register(Approval)
class ApprovalAdmin(ConsoleAdmin):
    """Who approved what, and what waits for a second person."""

    list_display = (
        "id",
        "about",
        "command",
        "amount",
        "status",
        "given",
        "first_user",
        "created_at",
    )
    list_filter = ("status", "command", "needed")
    search_fields = ("=subject",)
    search_help_text = "Subject, as in proof:7"
    list_select_related = ("first_user",)
    ordering = ("-id",)
    exclude = ("subject", "figures", "escrow_id")
    readonly_fields = ("about", "escrow", "asked")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """What needs two people; what one may release alone is in the audit trail."""
        return super().get_queryset(request).filter(needed=2)

    @admin.display(description="amount")
    def amount(self, approval: Approval) -> str:
        """The amount with its currency."""
        return f"{format_minor(approval.amount_minor, approval.currency)} {approval.currency}"

    @admin.display(description="subject", ordering="subject")
    def about(self, approval: Approval) -> SafeString | str:
        """What is to be approved, as a link to its page."""
        return reference_link(approval.subject)

    @admin.display(description="escrow")
    def escrow(self, approval: Approval) -> SafeString | str:
        """The escrow whose money it is."""
        return "-" if approval.escrow_id is None else reference_link(f"escrow:{approval.escrow_id}")

    @admin.display(description="asked for")
    def asked(self, approval: Approval) -> str:
        """What the second person must ask for likewise."""
        return readable_amounts(json.loads(approval.figures))

    @admin.display(description="given")
    def given(self, approval: Approval) -> str:
        """How many have approved."""
        return f"{2 if approval.second_user_id else 1} of {approval.needed}"
