"""The paths of the payments app."""

from django.urls import path

from payments.api.doors import PspWebhookViewSet, StripeWebhookViewSet
from payments.api.payouts import BatchViewSet, DestinationViewSet
from payments.api.views import PaymentViewSet, StripeAccountViewSet

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
    path(
        "psp/stripe/webhook",
        StripeWebhookViewSet.as_view({"post": "receive"}),
        name="psp-stripe-webhook",
    ),
    path(
        "users/<int:user_id>/psp/stripe/account-link",
        StripeAccountViewSet.as_view({"post": "account_link"}),
        name="user-stripe-account-link",
    ),
    path(
        "users/<int:user_id>/destinations",
        DestinationViewSet.as_view({"get": "list", "post": "create"}),
        name="destination-list",
    ),
    path(
        "users/<int:user_id>/destinations/<int:destination_id>",
        DestinationViewSet.as_view({"delete": "destroy"}),
        name="destination-detail",
    ),
    path(
        "payments/batches",
        BatchViewSet.as_view({"get": "list", "post": "create"}),
        name="batch-list",
    ),
    path(
        "payments/batches/<int:batch_id>",
        BatchViewSet.as_view({"get": "retrieve"}),
        name="batch-detail",
    ),
    path(
        "payments/batches/<int:batch_id>/approve",
        BatchViewSet.as_view({"post": "approve"}),
        name="batch-approve",
    ),
    path(
        "payments/batches/<int:batch_id>/cancel",
        BatchViewSet.as_view({"post": "cancel"}),
        name="batch-cancel",
    ),
    path(
        "payments/batches/<int:batch_id>/file",
        BatchViewSet.as_view({"get": "file"}),
        name="batch-file",
    ),
    path(
        "payments/batches/<int:batch_id>/statement",
        BatchViewSet.as_view({"post": "statement"}),
        name="batch-statement",
    ),
]
