"""What goes in and out of /files."""

from rest_framework import serializers

from kobatela.rest.fields import StrictSerializer
from kobatela.uploads.models import Upload


class FileIn(StrictSerializer):
    """The form that carries one file."""

    file = serializers.FileField(allow_empty_file=True)


class UploadOut(serializers.ModelSerializer[Upload]):
    """A received file, to be named in one later command."""

    upload_id = serializers.IntegerField(source="pk", read_only=True)
    size = serializers.IntegerField(source="size_bytes", read_only=True)
    storage_url = serializers.CharField(read_only=True)

    class Meta:
        model = Upload
        fields = ("upload_id", "sha256", "size", "media_type", "storage_url", "expires_at")
        read_only_fields = fields
