"""Reading the audit trail and alerts."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import selectors
from audit.api.serializers import (
    AcknowledgeIn,
    AlertFilter,
    AlertOut,
    EntryFilter,
    EntryOut,
    ExportFilter,
)
from audit.selectors import Horizon
from audit.services import exports
from audit.services.alerts import acknowledge_alert
from kobatela.kernel.caller import Scope
from kobatela.rest.viewsets import KobatelaViewSet

_STAFF = frozenset({Scope.SUPPORT, Scope.ADMIN})


class EntryViewSet(KobatelaViewSet):
    """GET /audit/events."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {"list": _STAFF}

    @extend_schema(parameters=[EntryFilter], responses=EntryOut(many=True))
    def list(self, request: Request) -> Response:
        """Audit entries, newest first."""
        return self.page(selectors.entries(**self.filters(EntryFilter)), EntryOut)


class ExportViewSet(KobatelaViewSet):
    """GET /audit/export."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {"export": frozenset({Scope.ADMIN})}

    @extend_schema(
        parameters=[ExportFilter], responses={(200, "application/jsonl"): OpenApiTypes.BINARY}
    )
    def export(self, request: Request) -> HttpResponseBase:
        """All entries that match, oldest first, one canonical JSON object a line; audited."""
        filters = self.filters(ExportFilter, is_paged=False)
        horizon = exports.begin_export(
            actor=self.caller.actor, on_behalf_of=self.caller.on_behalf_of, filters=filters
        )
        return exported(horizon, filters)


def exported(horizon: Horizon, filters: Mapping[str, Any]) -> StreamingHttpResponse:
    """The lines as a file, sent while they are read."""
    lines = exports.export_lines(horizon=horizon, **filters)
    response = StreamingHttpResponse(lines, content_type="application/jsonl")
    response.headers["Content-Disposition"] = 'attachment; filename="kobatela-audit.jsonl"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


class AlertViewSet(KobatelaViewSet):
    """/alerts."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {"list": _STAFF, "acknowledge": _STAFF}

    @extend_schema(parameters=[AlertFilter], responses=AlertOut(many=True))
    def list(self, request: Request) -> Response:
        """Alerts, newest first."""
        return self.page(selectors.alerts(**self.filters(AlertFilter)), AlertOut)

    @extend_schema(request=AcknowledgeIn, responses=AlertOut)
    def acknowledge(self, request: Request, alert_id: int) -> Response:
        """Say that somebody has looked; doing so again changes nothing."""
        note = self.valid(AcknowledgeIn).get("note", "")
        alert = acknowledge_alert(
            alert_id=alert_id,
            actor=self.caller.actor,
            on_behalf_of=self.caller.on_behalf_of,
            note=note,
        )
        return Response(AlertOut(alert).data)
