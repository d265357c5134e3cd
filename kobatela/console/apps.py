"""The console app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Registers the app."""

    name = "kobatela.console"
    label = "console"
