"""The console's admin site."""

from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBadRequest
from django.template.response import TemplateResponse
from django.urls import path

from kobatela.accounts.forms import SignInForm
from kobatela.console import desk
from kobatela.console.money import money_desk
from kobatela.kernel.admin import ADMIN_GROUP, SUPPORT_GROUP, has_role

# Daily work first; what is only looked up from time to time last.
_ORDER = ("proofs", "escrow", "payments", "accounts", "audit", "uploads", "ledger")


class ConsoleSite(admin.AdminSite):
    """What support opens on a Monday morning."""

    site_title = "Kobatela console"
    site_header = "Kobatela"
    site_url = None
    index_title = "What waits for a person"
    index_template = "console/desk.html"
    enable_nav_sidebar = True
    login_form = SignInForm

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The piles of work, then the list of everything there is to look up."""
        context = {"cards": desk.cards(), **(extra_context or {})}
        response = super().index(request, context)
        assert isinstance(response, TemplateResponse), "the index is a rendered page"
        return response

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - as Django calls it
        """A page of the console; a query that no column can hold is refused before it is asked."""
        page = super().admin_view(view, cacheable)

        @wraps(page)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if any("\x00" in value for _, values in request.GET.lists() for value in values):
                # Raised, Django would log the address with a traceback: anybody may send one.
                return HttpResponseBadRequest("The address holds a character that no text has.")
            return page(request, *args, **kwargs)

        return checked

    def get_urls(self) -> list[Any]:
        """The money desk, before Django's own pages."""
        return [path("money/", self.admin_view(self.money), name="money_desk"), *super().get_urls()]

    def money(self, request: HttpRequest) -> TemplateResponse:
        """What is owed, and where the money for it lies."""
        if not has_role(request, frozenset({ADMIN_GROUP, SUPPORT_GROUP})):
            raise PermissionDenied
        context = {
            **self.each_context(request),
            "title": "Money desk",
            "desk": money_desk(),
        }
        return TemplateResponse(request, "console/money.html", context)

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """The rooms of the console in the order of daily work."""
        rooms: list[dict[str, Any]] = super().get_app_list(request, app_label)
        return sorted(
            rooms,
            key=lambda room: (
                _ORDER.index(room["app_label"]) if room["app_label"] in _ORDER else len(_ORDER)
            ),
        )
