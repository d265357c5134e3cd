"""The paths of restricted transfers."""

from django.urls import path

from spend.api.transfers import AllowlistViewSet, CertifiedViewSet, TransactionViewSet

urlpatterns = [
    path(
        "allowlist",
        AllowlistViewSet.as_view({"get": "list", "post": "create"}),
        name="allowlist-list",
    ),
    path(
        "allowlist/<int:allowed_id>",
        AllowlistViewSet.as_view({"delete": "destroy"}),
        name="allowlist-detail",
    ),
    path(
        "certified",
        CertifiedViewSet.as_view({"get": "list", "post": "create"}),
        name="certified-list",
    ),
    path(
        "certified/<int:certified_id>",
        CertifiedViewSet.as_view({"delete": "destroy"}),
        name="certified-detail",
    ),
    path(
        "transactions",
        TransactionViewSet.as_view({"get": "list", "post": "create"}),
        name="transaction-list",
    ),
    path(
        "transactions/<int:transaction_id>",
        TransactionViewSet.as_view({"get": "retrieve"}),
        name="transaction-detail",
    ),
]
