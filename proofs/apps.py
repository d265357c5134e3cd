"""The proofs app."""

from django.apps import AppConfig


class ProofsConfig(AppConfig):
    """Registers the app."""

    name = "proofs"
    label = "proofs"
