"""The uploads app."""

from django.apps import AppConfig
from django.core import checks


class UploadsConfig(AppConfig):
    """Registers the app."""

    name = "kobatela.uploads"
    label = "uploads"

    def ready(self) -> None:
        """Register the system checks."""
        from kobatela.uploads.checks import check_inspector, check_limits, check_storage

        checks.register(check_inspector)
        checks.register(check_limits)
        checks.register(check_storage)
