"""The uploads app."""

from django.apps import AppConfig


class UploadsConfig(AppConfig):
    """Registers the app."""

    name = "kobatela.uploads"
    label = "uploads"
