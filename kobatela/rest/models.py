"""The answers kept under idempotency keys."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models


class IdempotencyRecord(models.Model):
    """The answer to one request, committed together with what the request did.

    scope: `user:<id>` of the calling key's user, or `key:<id>` of an unbound key.
    fingerprint: SHA-256 of what was asked; another request under the same key is refused.
    body: the answer's exact bytes, with secrets that are shown once replaced by null.
    """

    id = models.BigAutoField(primary_key=True)
    scope = models.CharField(max_length=32)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="idempotency_key_once_per_scope")
        ]
        # Rows arrive in the order in which they expire: a few pages of BRIN find the old ones.
        indexes = [BrinIndex(fields=["expires_at"], name="idempotency_expiry")]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"
