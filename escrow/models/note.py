"""What was said with a command."""

from collections.abc import Mapping
from typing import Any

from django.db import models

from escrow.models.escrow import Escrow


class Note(models.Model):
    """What somebody said, or handed in, with a command. The audit entry names it by id."""

    escrow = models.ForeignKey(Escrow, on_delete=models.PROTECT, related_name="notes")
    command = models.CharField(max_length=40)
    actor = models.CharField(max_length=80)
    text = models.TextField(default="", blank=True)
    proof_url = models.CharField(max_length=1024, default="", blank=True)
    upload = models.ForeignKey("uploads.Upload", on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"note {self.pk} on escrow {self.escrow_id}"

    def as_said(self) -> Mapping[str, Any]:
        """The parts that were given, for the timeline."""
        said = {"note": self.text, "proof_url": self.proof_url, "upload_id": self.upload_id}
        return {name: value for name, value in said.items() if value}
