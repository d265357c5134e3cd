"""The console's admin site."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse

from kobatela.console import desk


class ConsoleSite(admin.AdminSite):
    """What support opens on a Monday morning."""

    site_title = "Kobatela console"
    site_header = "Kobatela"
    index_title = "What waits for a person"
    index_template = "console/desk.html"
    enable_nav_sidebar = True

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The piles of work, then the list of everything there is to look up."""
        context = {"cards": desk.cards(), **(extra_context or {})}
        response = super().index(request, context)
        assert isinstance(response, TemplateResponse), "the index is a rendered page"
        return response
