"""The escrow app."""

from django.apps import AppConfig


class EscrowConfig(AppConfig):
    """Registers the app."""

    name = "escrow"
    label = "escrow"
