"""Commands of a console list as a whole: what makes something new."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from kobatela.kernel.admin import ADMIN_GROUP, ConsoleAdmin, has_role, refusal_text
from kobatela.kernel.errors import DomainError


@dataclass(frozen=True)
class ListCommand:
    """Something staff may make from a list.

    run: called with the request and the form's cleaned data; calls one service and returns the
        page to show. A DomainError is shown on the form; nothing was changed then.
    """

    name: str
    label: str
    form_class: type[forms.Form]
    run: Callable[[HttpRequest, Mapping[str, Any]], HttpResponse]
    help_text: str = ""
    danger: bool = False
    roles: frozenset[str] = frozenset({ADMIN_GROUP})


class MakingAdmin(ConsoleAdmin):
    """A console list with commands that make something new."""

    list_commands: ClassVar[Sequence[ListCommand]] = ()
    change_list_template = "accounts/list.html"

    def get_urls(self) -> list[URLPattern]:
        """One page for each command, before the others."""
        own = [
            path(
                f"{command.name}/",
                self.admin_site.admin_view(self._list_command_view(command)),
                name=self._url_name(command),
            )
            for command in self.list_commands
        ]
        return own + super().get_urls()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list with the commands that this person may use."""
        shown = [
            {"label": command.label, "url": reverse(f"admin:{self._url_name(command)}")}
            for command in self.list_commands
            if has_role(request, command.roles)
        ]
        return super().changelist_view(request, {**(extra_context or {}), "list_commands": shown})

    def _url_name(self, command: ListCommand) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{command.name}"

    def _list_command_view(self, command: ListCommand) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest) -> HttpResponse:
            if not has_role(request, command.roles):
                raise PermissionDenied
            form = command.form_class(request.POST or None)
            if request.method == "POST" and form.is_valid():
                try:
                    return command.run(request, form.cleaned_data)
                except DomainError as refusal:
                    form.add_error(None, refusal_text(refusal))
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": self.opts.verbose_name_plural,
                "title": command.label,
                "command": command,
                "form": form,
                "back": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
            }
            return TemplateResponse(request, "console/command.html", context)

        return view
