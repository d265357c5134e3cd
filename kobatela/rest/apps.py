"""The rest app."""

from django.apps import AppConfig


class RestConfig(AppConfig):
    """Registers the app."""

    name = "kobatela.rest"
    label = "kobatela_rest"
