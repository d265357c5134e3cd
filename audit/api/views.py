"""Reading the audit trail and alerts."""

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import selectors
from audit.api.serializers import AlertFilter, AlertOut, EntryFilter, EntryOut
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
    """GET /alerts."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {"list": _STAFF}

    @extend_schema(parameters=[AlertFilter], responses=AlertOut(many=True))
    def list(self, request: Request) -> Response:
        """Alerts, newest first."""
        return self.page(selectors.alerts(**self.filters(AlertFilter)), AlertOut)
