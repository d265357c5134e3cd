"""Received files in the console: who sent what, and what became of it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from kobatela.kernel.admin import ConsoleAdmin
from kobatela.uploads.models import Upload


@admin.register(Upload)
class UploadAdmin(ConsoleAdmin):
    """A list to search; the bytes themselves are shown nowhere."""

    list_display = ("id", "owner", "media_type", "size_bytes", "sha256", "received_at", "used_for")
    list_filter = ("media_type",)
    search_fields = ("=sha256", "=used_for")
    ordering = ("-id",)
    exclude = ("storage_name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the owners, in one query."""
        return super().get_queryset(request).select_related("owner")
