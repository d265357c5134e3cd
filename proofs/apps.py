"""The proofs app."""

from django.apps import AppConfig


class ProofsConfig(AppConfig):
    """Registers the app."""

    name = "proofs"
    label = "proofs"

    def ready(self) -> None:
        """Answer for files and for evidence."""
        from kobatela.uploads.hooks import register_file_inspector
        from proofs.services.inspection import FileInspection

        register_file_inspector(FileInspection())
