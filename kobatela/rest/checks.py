"""System checks of the HTTP edge."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.urls import URLPattern, URLResolver, get_resolver

from kobatela.kernel import crashpoints
from kobatela.rest.viewsets import KobatelaViewSet


def api_routes(
    patterns: Sequence[URLPattern | URLResolver] | None = None, prefix: str = ""
) -> Iterator[tuple[str, URLPattern]]:
    """Every route of the URL configuration with its whole path pattern."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from api_routes(pattern.url_patterns, path)
        else:
            yield path, pattern


@register
def every_action_has_a_scope_row(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """rest.E001: an action that names no scopes would be closed to everyone, or forgotten."""
    found: list[CheckMessage] = []
    for path, pattern in api_routes():
        view = getattr(pattern.callback, "cls", None)
        if view is None or not issubclass(view, KobatelaViewSet):
            continue
        actions: dict[str, str] = getattr(pattern.callback, "actions", {})
        found += [
            Error(
                f"{view.__name__}.{action} ({method.upper()} /{path}) names no scopes.",
                hint="Add a row to `scopes`, or list the action in `public`.",
                id="rest.E001",
            )
            for method, action in actions.items()
            if action not in view.scopes and action not in view.public
        ]
    return found


@register
def no_crashpoint_is_armed(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """rest.E002: a process that a test may end at will holds nobody's money."""
    if not crashpoints.armed() or settings.KOBATELA_ENV in {"dev", "test"}:
        return []
    text = f"{crashpoints.VARIABLE} is set; only dev and test may have a process die on purpose."
    return [Error(text, id="rest.E002")]
