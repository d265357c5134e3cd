"""The proofs app."""

from django.apps import AppConfig
from django.core import checks


class ProofsConfig(AppConfig):
    """Registers the app."""

    name = "proofs"
    label = "proofs"

    def ready(self) -> None:
        """Answer for files and for evidence."""
        from escrow.hooks import register_evidence_handler
        from kobatela.uploads.hooks import register_file_inspector

        # Imported so that a doorbell finds its task by name.
        from proofs import tasks  # noqa: F401
        from proofs.services.closing import EvidenceOfEscrow
        from proofs.services.inspection import FileInspection
        from proofs.system_checks import (
            check_advisor,
            check_day_limits,
            check_ocr_pages,
            check_review_sample,
        )

        register_file_inspector(FileInspection())
        register_evidence_handler(EvidenceOfEscrow())
        checks.register(check_review_sample)
        checks.register(check_day_limits)
        checks.register(check_advisor)
        checks.register(check_ocr_pages)
