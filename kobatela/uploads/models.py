"""Files that callers sent, each usable once."""

from django.conf import settings
from django.db import models

from kobatela.uploads.addresses import storage_url


class Upload(models.Model):
    """A file that was received whole: what it is, whose it is, and where it lies.

    size_bytes, sha256 and media_type were found by the server. original_name is the sender's text
    for it, cleaned for reading. A file that no command uses until expires_at is removed.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="uploads"
    )
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=100)
    storage_name = models.CharField(max_length=32, unique=True)
    original_name = models.CharField(max_length=100)
    received_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_for = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(size_bytes__gt=0), name="upload_has_bytes"),
            models.CheckConstraint(
                condition=models.Q(used_at__isnull=True, used_for="")
                | models.Q(used_at__isnull=False) & ~models.Q(used_for=""),
                name="upload_used_for_something",
            ),
        ]
        indexes = [
            models.Index(fields=["sha256"], name="upload_by_sha256"),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(used_at__isnull=True),
                name="upload_unused_by_expiry",
            ),
        ]

    def __str__(self) -> str:
        return f"Upload {self.pk}"

    @property
    def storage_url(self) -> str:
        """The address under which other commands take this upload."""
        return storage_url(self.pk)
