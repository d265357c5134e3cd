"""The audit app."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Registers the app."""

    name = "audit"
    label = "audit"
