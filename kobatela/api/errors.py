"""Every error as clients see it. The only file that knows which HTTP status a refusal has."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.response import Response

from kobatela.api.foreign import as_domain_error
from kobatela.api.refusals import noted
from kobatela.kernel.context import request_id
from kobatela.kernel.errors import DomainError, Kind
from kobatela.rest import errors
from kobatela.rest.encoding import json_bytes

STATUS: Mapping[Kind, int] = {
    Kind.MALFORMED: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.NOT_ACCEPTABLE: 406,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED_TYPE: 415,
    Kind.INVALID: 422,
    Kind.THROTTLED: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
}
_BY_STATUS: Mapping[int, type[DomainError]] = {
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.PayloadTooLarge,
    503: errors.DatabaseUnavailable,
}


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """The answer to any exception that a view let out."""
    refusal = noted(as_domain_error(error), context.get("request"))
    response = Response(error_body(refusal), status=STATUS[refusal.kind])
    if refusal.retry_after_s is not None:
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    if refusal.kind is Kind.UNAUTHENTICATED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if refusal.kind is Kind.METHOD_NOT_ALLOWED:
        methods = getattr(context.get("view"), "action_map", None) or {}
        response.headers["Allow"] = ", ".join(method.upper() for method in methods)
    return response


def error_body(refusal: DomainError) -> dict[str, Any]:
    """The one shape of every error."""
    return {
        "error": {
            "code": refusal.code,
            "message": refusal.message,
            "details": refusal.details,
            "request_id": request_id(),
        }
    }


def error_page(refusal: DomainError) -> HttpResponse:
    """The answer to an error outside any view of ours."""
    page = HttpResponse(
        json_bytes(error_body(refusal)),
        status=STATUS[refusal.kind],
        content_type="application/json",
    )
    if refusal.retry_after_s is not None:
        page.headers["Retry-After"] = str(refusal.retry_after_s)
    return page


def page_for_status(status: int) -> HttpResponse:
    """An error that the framework answered by itself, in our shape."""
    other = errors.InternalError if status >= 500 else errors.BadRequest
    return error_page(_BY_STATUS.get(status, other)())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's
    """Django's handler400."""
    return error_page(as_domain_error(exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """Django's handler403."""
    return error_page(errors.Forbidden())


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """Django's handler404."""
    return error_page(errors.NotFound())


def server_error(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Django's handler500. The traceback is in the log already."""
    return error_page(errors.InternalError())
