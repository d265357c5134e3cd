"""The payments app."""

from django.apps import AppConfig
from django.core.checks import register


class PaymentsConfig(AppConfig):
    """Registers the app's checks and rules."""

    name = "payments"
    label = "payments"

    def ready(self) -> None:
        """Register the system checks, and what the books are held against."""
        from payments import checks
        from payments.ledger.rules import register_rule
        from payments.services import ledger_checks as held

        register_rule(held.IN_TRANSIT_DISAGREES, held.IN_TRANSIT_STATEMENT)
        register_rule(held.FROZEN_DISAGREES, held.FROZEN_STATEMENT)
        register_rule(held.DEBT_DISAGREES, held.DEBT_STATEMENT)
        register_rule(held.MOVED_DISAGREES, held.MOVED_STATEMENT)

        for check in (
            checks.check_handlers,
            checks.check_psp,
            checks.check_webhook_secret,
            checks.check_times,
            checks.check_cooling,
            checks.check_stripe,
        ):
            register(check)
