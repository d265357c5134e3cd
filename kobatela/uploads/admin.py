"""Received files in the console: who sent what, and what became of it."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from kobatela.kernel.admin import ConsoleAdmin
from kobatela.uploads.models import Upload


@admin.register(Upload)
class UploadAdmin(ConsoleAdmin):
    """A list to search; the bytes themselves are shown nowhere."""

    list_display = ("id", "owner", "media_type", "size_bytes", "sha256", "received_at", "used_for")
    # What is looked for is told by its form, in get_search_results.
    search_fields = ("id",)
    search_help_text = "The number of an upload or of its owner, or the SHA-256 of a file."
    ordering = ("-id",)
    sortable_by = ()
    exclude = ("storage_name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the owners, in one query."""
        return super().get_queryset(request).select_related("owner")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A number is an upload's or an owner's, anything else the hash of a file."""
        term = search_term.strip().lower()
        if not term:
            return queryset, False
        if term.isascii() and term.isdecimal() and len(term) <= 18:
            return queryset.filter(Q(pk=int(term)) | Q(owner_id=int(term))), False
        return queryset.filter(sha256=term), False
