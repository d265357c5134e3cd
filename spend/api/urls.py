"""The paths of controlled spending."""

from django.urls import path

from spend.api.catalogue import CategoryViewSet, MerchantViewSet, UsageViewSet
from spend.api.mandates import MandateViewSet
from spend.api.payees import PayeeViewSet, SpendViewSet
from spend.api.purchases import PurchaseViewSet

urlpatterns = [
    path(
        "spend/categories",
        CategoryViewSet.as_view({"get": "list", "post": "create"}),
        name="category-list",
    ),
    path(
        "spend/categories/<int:category_id>",
        CategoryViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="category-detail",
    ),
    path(
        "spend/merchants",
        MerchantViewSet.as_view({"get": "list", "post": "create"}),
        name="merchant-list",
    ),
    path(
        "spend/merchants/<int:merchant_id>",
        MerchantViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="merchant-detail",
    ),
    path("spend/allow", UsageViewSet.as_view({"get": "list", "post": "create"}), name="usage-list"),
    path(
        "spend/allow/<int:usage_id>",
        UsageViewSet.as_view({"delete": "destroy"}),
        name="usage-detail",
    ),
    path(
        "spend/allowed", PayeeViewSet.as_view({"get": "list", "post": "create"}), name="payee-list"
    ),
    path(
        "spend/allowed/<int:payee_id>",
        PayeeViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="payee-detail",
    ),
    path(
        "spend/purchases",
        PurchaseViewSet.as_view({"get": "list", "post": "create"}),
        name="purchase-list",
    ),
    path(
        "spend/purchases/<int:purchase_id>",
        PurchaseViewSet.as_view({"get": "retrieve"}),
        name="purchase-detail",
    ),
    path(
        "spend/purchases/<int:purchase_id>/refund",
        PurchaseViewSet.as_view({"post": "refund"}),
        name="purchase-refund",
    ),
    path(
        "spend/purchases/<int:purchase_id>/receipt",
        PurchaseViewSet.as_view({"get": "receipt_file", "post": "receipt"}),
        name="purchase-receipt",
    ),
    path(
        "spend/payments/<int:payment_id>/take-back",
        SpendViewSet.as_view({"post": "take_back"}),
        name="spend-take-back",
    ),
    path("spend", SpendViewSet.as_view({"post": "create"}), name="spend"),
    path(
        "mandates", MandateViewSet.as_view({"get": "list", "post": "create"}), name="mandate-list"
    ),
    path("mandates/cleanup", MandateViewSet.as_view({"post": "cleanup"}), name="mandate-cleanup"),
    path(
        "mandates/<int:mandate_id>",
        MandateViewSet.as_view({"get": "retrieve"}),
        name="mandate-detail",
    ),
    path(
        "mandates/<int:mandate_id>/revoke",
        MandateViewSet.as_view({"post": "revoke"}),
        name="mandate-revoke",
    ),
]
