"""The payments app."""

from django.apps import AppConfig
from django.core.checks import register


class PaymentsConfig(AppConfig):
    """Registers the app's checks."""

    name = "payments"
    label = "payments"

    def ready(self) -> None:
        """Register the system checks."""
        from payments import checks

        for check in (
            checks.check_handlers,
            checks.check_psp,
            checks.check_webhook_secret,
            checks.check_times,
            checks.check_cooling,
            checks.check_stripe,
        ):
            register(check)
