"""Reading the audit trail and alerts."""

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import selectors
from audit.api.serializers import AcknowledgeIn, AlertFilter, AlertOut, EntryFilter, EntryOut
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
