"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Registers the app."""

    name = "kobatela.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Register the system checks."""
        from kobatela.accounts import checks  # noqa: F401 - importing registers
