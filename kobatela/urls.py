"""Every path of the installation."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

handler400 = "kobatela.api.errors.bad_request"
handler403 = "kobatela.api.errors.permission_denied"
handler404 = "kobatela.api.errors.page_not_found"
handler500 = "kobatela.api.errors.server_error"

_APPS = ("kobatela.accounts", "audit", "kobatela.uploads", "payments", "escrow", "proofs")


def _has_urls(app: str) -> bool:
    return find_spec(f"{app}.api") is not None and find_spec(f"{app}.api.urls") is not None


urlpatterns: list[URLPattern | URLResolver] = [
    *(path("", include(f"{app}.api.urls")) for app in _APPS if _has_urls(app)),
    path("", include("kobatela.api.urls")),
    path("admin/", admin.site.urls),
]
