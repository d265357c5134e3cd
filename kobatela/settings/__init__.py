"""Chooses the settings by KOBATELA_ENV; unset means production, so nothing is lax by accident."""

import os

from django.core.exceptions import ImproperlyConfigured

_ENVIRONMENTS = ("dev", "test", "production")


def settings_module() -> str:
    """The dotted path of the settings that KOBATELA_ENV names. Raises ImproperlyConfigured."""
    name = os.environ.get("KOBATELA_ENV") or "production"
    if name not in _ENVIRONMENTS:
        raise ImproperlyConfigured(
            f"KOBATELA_ENV is {name!r}; it must be one of {', '.join(_ENVIRONMENTS)}."
        )
    return f"kobatela.settings.{name}"


def require_environment(name: str) -> str:
    """Say whose settings are being loaded; refuse them when KOBATELA_ENV says otherwise.

    Test settings may be loaded with KOBATELA_ENV unset, as test runners and type checkers do:
    they lead to a test database only. Raises ImproperlyConfigured.
    """
    said = os.environ.get("KOBATELA_ENV") or ("test" if name == "test" else "production")
    if said != name:
        raise ImproperlyConfigured(
            f"The settings for {name} were asked for, but KOBATELA_ENV says {said}."
        )
    return name
