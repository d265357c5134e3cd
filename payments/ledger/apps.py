"""The ledger app."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Registers the app."""

    name = "payments.ledger"
    label = "ledger"
