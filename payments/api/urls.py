"""The paths of the payments app."""

from django.urls import path

from payments.api.views import PaymentViewSet, PspWebhookViewSet

urlpatterns = [
    path("payments", PaymentViewSet.as_view({"get": "list"}), name="payment-list"),
    path(
        "payments/<int:payment_id>",
        PaymentViewSet.as_view({"get": "retrieve"}),
        name="payment-detail",
    ),
    path(
        "payments/execute/<int:payment_id>",
        PaymentViewSet.as_view({"post": "execute"}),
        name="payment-execute",
    ),
    path(
        "payments/<int:payment_id>/confirm",
        PaymentViewSet.as_view({"post": "confirm"}),
        name="payment-confirm",
    ),
    path("psp/webhook", PspWebhookViewSet.as_view({"post": "receive"}), name="psp-webhook"),
]
