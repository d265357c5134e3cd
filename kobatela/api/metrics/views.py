"""GET /metrics."""

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.request import Request

from kobatela.accounts.authentication import ApiKeyAuthentication
from kobatela.api.health.probes import ask_database, in_time, result
from kobatela.api.metrics.exposition import exposition
from kobatela.kernel.caller import STAFF_SCOPES, Caller
from kobatela.rest.errors import DatabaseUnavailable
from kobatela.rest.scopes import check_scope
from kobatela.rest.viewsets import KobatelaViewSet


class MetricsViewSet(KobatelaViewSet):
    """What the installation counts. In production it takes a key of support or admin."""

    authentication_classes = ()
    public = frozenset({"show"})

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR})
    def show(self, request: Request) -> HttpResponseBase:
        """Every metric, as Prometheus reads it."""
        if not settings.KOBATELA_METRICS_PUBLIC:
            check_scope(_caller(request), STAFF_SCOPES, is_command=False)
        return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def _caller(request: Request) -> Caller:
    """Who asks. Whoever reads metrics must not wait for a database that hangs."""
    asked = ask_database(lambda: ApiKeyAuthentication().authenticate(request))
    in_time(asked)
    found = result(asked)
    if found is None:
        raise DatabaseUnavailable
    _, caller = found
    return caller
