"""The rest app."""

from django.apps import AppConfig


class RestConfig(AppConfig):
    """Registers the app and its checks."""

    name = "kobatela.rest"
    label = "kobatela_rest"

    def ready(self) -> None:
        """Register the system checks."""
        from kobatela.rest import checks  # noqa: F401
