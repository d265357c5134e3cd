"""The spend app."""

from django.apps import AppConfig


class SpendConfig(AppConfig):
    """Registers the app."""

    name = "spend"
    label = "spend"
