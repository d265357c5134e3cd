"""The shape of every console page: it reads; what changes something is a command with its own page.

A command calls the same service as the API, so no rule lives here. Templates stand in the console
and are found by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kobatela.kernel.errors import DomainError
from kobatela.kernel.money import format_minor

ADMIN_GROUP = "admin"
SUPPORT_GROUP = "support"
_MINOR = "_minor"
# Who looks further back than this filters or searches.
MAX_PAGES = 1_000


class UncountedChangeList(ChangeList):
    """A list that shows pages and no totals: `count(*)` costs more with every row."""

    def get_results(self, request: HttpRequest) -> None:
        """One page, and one row more to know whether there is a next page."""
        if not 1 <= self.page_num <= MAX_PAGES:
            raise IncorrectLookupParameters
        first = (self.page_num - 1) * self.list_per_page
        rows = list(self.queryset[first : first + self.list_per_page + 1])
        self.has_older = len(rows) > self.list_per_page
        self.result_list = rows[: self.list_per_page]
        self.result_count = len(self.result_list)
        self.show_full_result_count = False
        self.full_result_count = None
        self.show_admin_actions = bool(self.model_admin.actions)
        self.can_show_all = False
        self.multi_page = False
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)

    @property
    def older_link(self) -> str:
        """The query string of the next page."""
        return self.get_query_string({PAGE_VAR: self.page_num + 1})

    @property
    def newer_link(self) -> str:
        """The query string of the page before."""
        return self.get_query_string({PAGE_VAR: self.page_num - 1})


class NoForm(forms.Form):
    """A command that needs nothing but the confirmation."""


class NoteForm(forms.Form):
    """A command that needs a reason."""

    note = forms.CharField(
        label="Note", max_length=2000, widget=forms.Textarea(attrs={"rows": 3, "autofocus": True})
    )


@dataclass(frozen=True)
class Command:
    """Something staff may do to one record.

    run: called with the request, the record and the form's cleaned data; calls one service and
        returns the sentence to show. A DomainError is shown on the form; nothing was changed then.
    refusal: why the command is not offered for this record now; None when it is.
    roles: the groups whose members may use it; superusers may always.
    facts: what one must know to decide, shown beside the form.
    """

    name: str
    label: str
    run: Callable[[HttpRequest, Any, Mapping[str, Any]], str]
    form_class: type[forms.Form] = NoForm
    help_text: str = ""
    danger: bool = False
    roles: frozenset[str] = frozenset({ADMIN_GROUP, SUPPORT_GROUP})
    refusal: Callable[[Any], str | None] = field(default=lambda _record: None)
    initial: Callable[[Any], Mapping[str, Any]] = field(default=lambda _record: {})
    facts: Callable[[Any], Sequence[tuple[str, str]]] = field(default=lambda _record: ())

    def permitted(self, request: HttpRequest) -> bool:
        """Whether the person of this request may use the command at all."""
        return has_role(request, self.roles)


def has_role(request: HttpRequest, roles: frozenset[str]) -> bool:
    """Whether the signed-in person is an active superuser or staff in one of these groups."""
    user = request.user
    if not (user.is_active and user.is_staff):
        return False
    if user.is_superuser:
        return True
    cached: frozenset[str] | None = getattr(request, "_kobatela_roles", None)
    if cached is None:
        cached = frozenset(user.groups.values_list("name", flat=True))
        request._kobatela_roles = cached  # type: ignore[attr-defined]  # noqa: SLF001
    return bool(cached & roles)


def refusal_text(refusal: DomainError) -> str:
    """A refusal as one sentence, with what is wrong about which field."""
    problems = [
        f"{problem['field']}: {problem['message']}" for problem in refusal.details.get("fields", ())
    ]
    return f"{' '.join(problems) or refusal.message} ({refusal.code})"


def reference_link(reference: str) -> SafeString | str:
    """The console's page of what a reference (`escrow:12`) names; the plain text where there is
    none."""
    noun, _, which = reference.partition(":")
    for model, page in admin.site._registry.items():  # noqa: SLF001 - the site tells its pages no other way
        if not isinstance(page, ConsoleAdmin) or page.noun_of() != noun:
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        if page.noun_is_searched:
            url = f"{reverse(f'{name}_changelist')}?{urlencode({'q': which})}"
        elif which.isascii() and which.isdecimal():
            url = reverse(f"{name}_change", args=[which])
        else:
            break
        return format_html('<a href="{}">{}</a>', url, reference)
    return reference


def readable_amounts(values: Mapping[str, Any], currency: str | None = None) -> str:
    """Figures for a person, one a line: what is in minor units as an amount with its currency."""
    currency = values.get("currency", currency)
    lines = []
    for name, value in values.items():
        if name.endswith(_MINOR) and isinstance(value, int) and currency:
            shown = f"{format_minor(value, currency)} {currency}"
            lines.append(f"{name.removesuffix(_MINOR)}: {shown}")
        elif isinstance(value, Mapping) and name.endswith(_MINOR):
            # One amount for each currency.
            shown = ", ".join(f"{format_minor(each, code)} {code}" for code, each in value.items())
            lines.append(f"{name.removesuffix(_MINOR)}: {shown}")
        elif isinstance(value, Mapping):
            lines.append(readable_amounts(value, currency))
        elif value is not None and name != "currency":
            lines.append(f"{name}: {value}")
    return "\n".join(line for line in lines if line)


@cache
def _amount_of(name: str) -> Callable[[Any], str]:
    # One function for each name, because the admin compares fields by identity.
    @admin.display(description=name.removesuffix(_MINOR).replace("_", " "))
    def amount(record: Any) -> str:
        value = getattr(record, name)
        if value is None:
            return "-"
        return f"{format_minor(value, record.currency)} {record.currency}"

    amount.__name__ = name
    return amount


class ConsoleAdmin(admin.ModelAdmin[Any]):
    """A read-only list and record page with commands.

    noun: how references name such a record, where that is not the model's name.
    noun_is_searched: what follows the noun is no id; a search of the list finds it.
    """

    noun: ClassVar[str] = ""
    noun_is_searched: ClassVar[bool] = False
    commands: ClassVar[Sequence[Command]] = ()
    view_roles: ClassVar[frozenset[str]] = frozenset({ADMIN_GROUP, SUPPORT_GROUP})
    actions: Sequence[Any] | None = None
    list_per_page = 50
    show_full_result_count = False
    change_form_template = "console/record.html"
    change_list_template = "console/list.html"

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Staff of the viewing roles."""
        return has_role(request, self.view_roles)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """As for viewing."""
        return has_role(request, self.view_roles)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is added by form."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is edited by form."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is deleted."""
        return False

    def noun_of(self) -> str:
        """The word before the colon in references to its records."""
        return self.noun or str(self.opts.model_name)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Amounts as people read them; nobody should have to count minor units."""
        names = {field.name for field in self.opts.get_fields()}
        return [
            _amount_of(field)
            if isinstance(field, str) and field.endswith(_MINOR) and {field, "currency"} <= names
            else field
            for field in super().get_fields(request, obj)
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Lists are not counted."""
        return UncountedChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, titled by what it lists."""
        title = str(self.opts.verbose_name_plural)
        return super().changelist_view(
            request, {"title": title[:1].upper() + title[1:], **(extra_context or {})}
        )

    def get_urls(self) -> list[URLPattern]:
        """One page for each command, before the default ones."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path(
                f"<path:object_id>/{command.name}/",
                self.admin_site.admin_view(self._command_view(command)),
                name=f"{name}_{command.name}",
            )
            for command in self.commands
        ]
        return own + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The record with the commands that this person may use."""
        context = dict(extra_context or {})
        record = self.get_object(request, unquote(object_id))
        if record is not None:
            context["commands"] = [
                {
                    "label": command.label,
                    "danger": command.danger,
                    "refusal": command.refusal(record),
                    "url": self._command_url(command, record),
                }
                for command in self.commands
                if command.permitted(request)
            ]
        return super().change_view(request, object_id, form_url, context)

    def _command_url(self, command: Command, record: Model) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{command.name}"
        return reverse(name, args=[record.pk])

    def _command_view(self, command: Command) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            record = self.get_object(request, unquote(object_id))
            if record is None:
                raise Http404
            if not command.permitted(request):
                raise PermissionDenied
            return self._run_command(request, command, record)

        return view

    def _run_command(self, request: HttpRequest, command: Command, record: Model) -> HttpResponse:
        back = reverse(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[record.pk]
        )
        form = command.form_class(
            request.POST if request.method == "POST" else None,
            request.FILES if request.method == "POST" else None,
            initial=dict(command.initial(record)),
        )
        if request.method == "POST" and form.is_valid():
            try:
                said = command.run(request, record, form.cleaned_data)
            except DomainError as refusal:
                form.add_error(None, refusal_text(refusal))
            else:
                messages.success(request, said)
                return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": record,
            "title": command.label,
            "command": command,
            "refusal": command.refusal(record),
            "facts": command.facts(record),
            "form": form,
            "back": back,
        }
        return TemplateResponse(request, "console/command.html", context)
