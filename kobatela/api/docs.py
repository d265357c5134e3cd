"""The description of the API, and two pages that show it. Everything is served from here."""

from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from kobatela.api.errors import error_page
from kobatela.rest.encoding import json_bytes
from kobatela.rest.errors import NotFound

# Both viewers set styles from scripts and draw small data: images; nothing comes from elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view
    """GET /openapi.json: the API in OpenAPI 3.1."""
    if not settings.KOBATELA_DOCS_ENABLED:
        return error_page(NotFound())
    return HttpResponse(_schema(), content_type="application/json")


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """GET /docs: the API to try out."""
    return _page(request, "api/docs.html")


@require_safe
def redoc(request: HttpRequest) -> HttpResponse:
    """GET /redoc: the API to read."""
    return _page(request, "api/redoc.html")


def _page(request: HttpRequest, template: str) -> HttpResponse:
    if not settings.KOBATELA_DOCS_ENABLED:
        return error_page(NotFound())
    response = render(request, template)
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@lru_cache(maxsize=1)
def _schema() -> bytes:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]  # half typed
    schema = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return json_bytes(schema)
