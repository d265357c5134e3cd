"""GET /health, /health/live, /health/ready."""

from typing import Any

from django.db import Error
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.accounts.authentication import ApiKeyAuthentication
from kobatela.api.health.probes import Seen
from kobatela.api.health.report import examine, public_report, staff_report
from kobatela.api.health.serializers import HealthOut, LiveOut
from kobatela.kernel.errors import DomainError, Kind
from kobatela.rest.viewsets import KobatelaViewSet


class NotReady(DomainError):
    """Requests should not be sent here now."""

    code = "NOT_READY"
    kind = Kind.UNAVAILABLE
    message = "The service is not ready for requests."
    passing = True
    retry_after_s = 5


class HealthViewSet(KobatelaViewSet):
    """Whether this installation works. Nothing here ever answers 500."""

    authentication_classes = ()
    public = frozenset({"show", "live", "ready"})

    @extend_schema(responses=HealthOut)
    def show(self, request: Request) -> Response:
        """The state of the installation; a staff key is told more."""
        seen = examine()
        report = public_report(seen)
        if seen.database is not None:
            report |= _for_staff(request, seen)
        return Response(report)

    @extend_schema(responses=LiveOut)
    def live(self, request: Request) -> Response:
        """The process answers."""
        return Response({"status": "ok"})

    @extend_schema(responses=LiveOut)
    def ready(self, request: Request) -> Response:
        """Requests may be sent here: the database answers and has the schema of the code."""
        report = public_report(examine())
        if report["migrations_status"] != "up_to_date":
            raise NotReady(
                db_status=report["db_status"], migrations_status=report["migrations_status"]
            )
        return Response({"status": "ok"})


def _for_staff(request: Request, seen: Seen) -> dict[str, Any]:
    # Health is for anyone: a key that is not genuine gets what no key gets.
    try:
        _, caller = ApiKeyAuthentication().authenticate(request)
        return staff_report(seen) if caller.is_staff else {}
    except (DomainError, Error):
        return {}
