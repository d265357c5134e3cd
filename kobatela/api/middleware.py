"""The first and last thing that happens to a request: its id, its log line, its error shape."""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from kobatela.api.errors import error_page, page_for_status
from kobatela.api.hanging import watch
from kobatela.kernel import metrics
from kobatela.kernel.caller import Caller
from kobatela.kernel.context import is_valid_request_id, new_request_id, working_for
from kobatela.rest import meter
from kobatela.rest.errors import DatabaseUnavailable

_NO_ROUTE, _OTHER = "none", "other"
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
# These look at the database themselves, in time, and tell of it.
_WATCHERS = ("/health", "/metrics")
_access = logging.getLogger("kobatela.access")


class RequestIdMiddleware:
    """Gives every request its id, and every response the header, the log line and the shape."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer `request` under its id: the caller's own where it has a valid form."""
        started = time.perf_counter()
        wanted = request.META.get("HTTP_X_REQUEST_ID", "")
        name = wanted if is_valid_request_id(wanted) else new_request_id()
        with working_for(name):
            response = self.get_response(request)
            if response.status_code >= 400:
                response = _in_shape(request, response)
            response.headers["X-Request-ID"] = name
            _log(request, response, started)
            _count(request, response, started)
        # Django would log the path of every refusal again; a path may hold a secret link.
        response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001
        return response


class DatabaseWatchMiddleware:
    """Refuses at once what would wait for a database that hangs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer `request`, watched; 503 while the database is away."""
        with watch.request():
            if watch.is_away and not request.path_info.startswith(_WATCHERS):
                return error_page(DatabaseUnavailable())
            return self.get_response(request)


def _in_shape(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Replace a page that the framework wrote itself (plain 404, debug page) outside the admin."""
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("application/json") or request.path_info.startswith("/admin/"):
        return response
    return page_for_status(response.status_code)


def _log(request: HttpRequest, response: HttpResponseBase, started: float) -> None:
    if not _access.isEnabledFor(logging.INFO):
        return
    match = request.resolver_match
    caller = getattr(request, "auth", None)
    _access.info(
        "request",
        extra={
            "method": request.method,
            # The pattern and its ids, never the path itself: a path may hold a secret link.
            "path": match.route if match else None,
            "subject": _subject(match.kwargs) if match else None,
            "status": response.status_code,
            "duration_ms": round((time.perf_counter() - started) * 1000, 1),
            "actor": caller.actor if isinstance(caller, Caller) else None,
        },
    )


def _count(request: HttpRequest, response: HttpResponseBase, started: float) -> None:
    match = request.resolver_match
    # The pattern, so that there are as many series as routes and no more.
    route = match.route if match else _NO_ROUTE
    method = request.method if request.method in _METHODS else _OTHER
    meter.count(metrics.REQUESTS, method or _OTHER, route, str(response.status_code))
    meter.observe(metrics.REQUEST_SECONDS, time.perf_counter() - started, route)


def _subject(kwargs: dict[str, object]) -> str | None:
    for name, value in kwargs.items():
        if isinstance(value, int):
            return f"{name.removesuffix('_id')}:{value}"
    return None
