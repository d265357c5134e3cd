"""The paths of the audit app."""

from django.urls import path

from audit.api.views import AlertViewSet, EntryViewSet, ExportViewSet

urlpatterns = [
    path("audit/events", EntryViewSet.as_view({"get": "list"}), name="audit-event-list"),
    path("audit/export", ExportViewSet.as_view({"get": "export"}), name="audit-export"),
    path("alerts", AlertViewSet.as_view({"get": "list"}), name="alert-list"),
    path(
        "alerts/<int:alert_id>/acknowledge",
        AlertViewSet.as_view({"post": "acknowledge"}),
        name="alert-acknowledge",
    ),
]
