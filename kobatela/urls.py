"""Every path of the installation."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

handler400 = "kobatela.api.errors.bad_request"
handler403 = "kobatela.api.errors.permission_denied"
handler404 = "kobatela.api.errors.page_not_found"
handler500 = "kobatela.api.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("kobatela.api.urls")),
    path("", include("kobatela.accounts.api.urls")),
    path("", include("audit.api.urls")),
    path("", include("kobatela.uploads.api.urls")),
    path("", include("payments.api.urls")),
    path("", include("escrow.api.urls")),
    path("", include("proofs.api.urls")),
    path("", include("spend.api.urls")),
    path("", include("spend.api.transfer_urls")),
    path("admin/", admin.site.urls),
]
