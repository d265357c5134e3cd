"""System checks: what would let the wrong people in stops the start."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from kobatela.accounts import hooks


@register
def open_escrows_are_known(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """accounts.E001: without an answer a user in business could be given to a manager."""
    if hooks.has_open_escrow_check():
        return []
    return [
        Error(
            "Nobody tells whether a user has an open escrow.",
            hint="Call kobatela.accounts.hooks.register_open_escrow_check in AppConfig.ready.",
            id="accounts.E001",
        )
    ]


@register
def pepper_is_its_own_secret(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """accounts.E002: whoever learns SECRET_KEY must not learn the pepper of the keys with it."""
    if settings.API_KEY_PEPPER and settings.API_KEY_PEPPER == settings.SECRET_KEY:
        return [Error("API_KEY_PEPPER must not be SECRET_KEY.", id="accounts.E002")]
    return []
