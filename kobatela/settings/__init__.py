"""Chooses the settings by KOBATELA_ENV; unset means production: nothing is lax by accident."""

import os

from django.core.exceptions import ImproperlyConfigured

_MODULES = {"dev", "test", "production"}

KOBATELA_ENV = os.environ.get("KOBATELA_ENV", "production")
if KOBATELA_ENV not in _MODULES:
    raise ImproperlyConfigured(
        f"KOBATELA_ENV is {KOBATELA_ENV!r}; it must be one of dev, test, production."
    )


def settings_module() -> str:
    """The dotted path of the settings that KOBATELA_ENV names."""
    return f"kobatela.settings.{KOBATELA_ENV}"
