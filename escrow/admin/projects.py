"""Public-sector projects in the console: their managers, their escrows, their sums."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from escrow import projects
from escrow.admin.commands import caller_of
from escrow.models import EscrowGrant, Project, ProjectStatus
from escrow.services.projects import close_project, remove_manager
from kobatela.kernel.admin import ADMIN_GROUP, Command, ConsoleAdmin
from kobatela.kernel.money import format_minor

_SHOWN_ESCROWS = 200


def _close(request: HttpRequest, project: Project, _data: Any) -> str:
    close_project(actor=caller_of(request).actor, project_id=project.pk)
    return "The project is closed: it takes no more escrows."


class ManagerForm(forms.Form):
    """Which of the managers."""

    user_id = forms.IntegerField(label="Number of the user", min_value=1)


def _remove_manager(request: HttpRequest, project: Project, data: Mapping[str, Any]) -> str:
    remove_manager(actor=caller_of(request).actor, project_id=project.pk, user_id=data["user_id"])
    return "This user does not manage the project any more."


@admin.register(Project)
class ProjectAdmin(ConsoleAdmin):
    """Projects of ministries and NGOs."""

    list_display = ("id", "label", "country", "domain", "status", "project_type", "created_at")
    list_display_links = ("label",)
    list_filter = ("status", "domain", "country")
    search_fields = ("=id", "label")
    search_help_text = "Id, or part of the label"
    ordering = ("-id",)
    readonly_fields = ("who_manages", "sums", "escrows")
    commands: ClassVar[Sequence[Command]] = (
        Command(
            "remove_manager",
            "Remove a manager",
            _remove_manager,
            form_class=ManagerForm,
            help_text="They see the project no more. What they did in it stays.",
            danger=True,
            roles=frozenset({ADMIN_GROUP}),
        ),
        Command(
            "close",
            "Close",
            _close,
            help_text="It takes no more escrows; those that it has go on.",
            danger=True,
            roles=frozenset({ADMIN_GROUP}),
            refusal=lambda project: (
                None if project.status == ProjectStatus.ACTIVE else "The project is closed."
            ),
        ),
    )

    @admin.display(description="managers")
    def who_manages(self, project: Project) -> SafeString:
        """Each with a link to their page."""
        found = project.managers.select_related("user").order_by("pk")
        return format_html_join(
            ", ",
            '<a href="{}">{}</a> (#{}, {}{})',
            (
                (
                    reverse("admin:accounts_user_change", args=[manager.user_id]),
                    manager.user.username,
                    manager.user_id,
                    manager.role,
                    ", primary" if manager.is_primary else "",
                )
                for manager in found
            ),
        )

    @admin.display(description="sums by currency")
    def sums(self, project: Project) -> SafeString:
        """What the escrows come to."""
        return format_html_join(
            "; ",
            "{} {}: funded {}, released {}, remaining {}",
            (
                (
                    format_minor(total.total_minor, total.currency),
                    total.currency,
                    format_minor(total.funded_minor, total.currency),
                    format_minor(total.released_minor, total.currency),
                    format_minor(total.remaining_minor, total.currency),
                )
                for total in projects.totals(projects.escrows_of(project))
            ),
        ) or format_html("{}", "nothing is attached")

    @admin.display(description="escrows")
    def escrows(self, project: Project) -> SafeString:
        """Links to the escrows, the first of them where there are many."""
        found = projects.escrows_of(project)[:_SHOWN_ESCROWS]
        return format_html_join(
            ", ",
            '<a href="{}">#{}</a> {}',
            (
                (reverse("admin:escrow_escrow_change", args=[escrow.pk]), escrow.pk, escrow.status)
                for escrow in found
            ),
        )


@admin.register(EscrowGrant)
class EscrowGrantAdmin(ConsoleAdmin):
    """By whom else an escrow may be attached to a project."""

    list_display = ("id", "escrow", "user", "created_at")
    list_select_related = ("escrow", "user")
    search_fields = ("=escrow__id", "=user__username")
    search_help_text = "Number of the escrow, or the username"
    ordering = ("-id",)
    raw_id_fields = ("escrow", "user")
