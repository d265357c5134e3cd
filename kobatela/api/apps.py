"""The api app."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """Registers the app and how its schema names things."""

    name = "kobatela.api"
    label = "kobatela_api"

    def ready(self) -> None:
        """Register the extensions of the schema."""
        from kobatela.api import openapi  # noqa: F401
