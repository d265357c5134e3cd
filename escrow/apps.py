"""The escrow app."""

from django.apps import AppConfig
from django.core import checks


class EscrowConfig(AppConfig):
    """Registers the app, and what it does for the floors below."""

    name = "escrow"
    label = "escrow"

    def ready(self) -> None:
        """Register hooks and system checks."""
        from escrow.books import HELD_DISAGREES, HELD_STATEMENT
        from escrow.checks import (
            check_evidence_handler,
            check_fees_and_limits,
            check_outsiders_source,
        )
        from escrow.selectors import has_open_escrow
        from escrow.services.chargebacks import EscrowChargebacks
        from escrow.services.fundings import EscrowFundings
        from escrow.services.payouts import EscrowPayouts, EscrowRefunds
        from kobatela.accounts.hooks import register_open_escrow_check
        from payments.hooks import (
            register_chargeback_handler,
            register_funding_handler,
            register_payment_handler,
        )
        from payments.ledger.rules import register_rule

        register_rule(HELD_DISAGREES, HELD_STATEMENT)
        register_open_escrow_check(has_open_escrow)
        register_payment_handler("payout", EscrowPayouts())
        register_payment_handler("refund", EscrowRefunds())
        register_funding_handler(EscrowFundings())
        register_chargeback_handler(EscrowChargebacks())
        checks.register(check_evidence_handler)
        checks.register(check_outsiders_source)
        checks.register(check_fees_and_limits)
