"""The payments app."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Registers the app."""

    name = "payments"
    label = "payments"
