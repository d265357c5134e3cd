"""The spend app."""

from django.apps import AppConfig


class SpendConfig(AppConfig):
    """Registers the app, and what it does for payments and escrows."""

    name = "spend"
    label = "spend"

    def ready(self) -> None:
        """Follow payments to merchants and payees, and say who they are."""
        from escrow.hooks import register_outsiders_source
        from payments.hooks import register_payment_handler
        from spend.outsiders import outsiders_of
        from spend.services.payouts import purchase_payments, spend_payments

        register_outsiders_source(outsiders_of)
        register_payment_handler("purchase", purchase_payments())
        register_payment_handler("spend", spend_payments())
