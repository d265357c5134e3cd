"""System checks of the escrow app: what would only fail later stops the start."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from escrow.hooks import has_evidence_handler, has_outsiders_source

_MOST_FEE_BPS = 5_000


def check_evidence_handler(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """escrow.E001: nobody keeps the evidence, so a closing escrow would leave proofs pending."""
    if has_evidence_handler():
        return []
    return [
        Error(
            "No evidence handler is registered.",
            hint="Call escrow.hooks.register_evidence_handler in an AppConfig.ready.",
            id="escrow.E001",
        )
    ]


def check_outsiders_source(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """escrow.E004: nobody says who is paid from an escrow, so their names could leave with it."""
    if has_outsiders_source():
        return []
    return [
        Error(
            "Nobody says who is paid from an escrow.",
            hint="Call escrow.hooks.register_outsiders_source in an AppConfig.ready.",
            id="escrow.E004",
        )
    ]


def check_fees_and_limits(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """escrow.E002, escrow.E003: figures with which no money could be paid."""
    found: list[CheckMessage] = []
    if not 0 <= settings.KOBATELA_FEE_BPS <= _MOST_FEE_BPS:
        found.append(
            Error(
                "KOBATELA_FEE_BPS is not within 0 and 5000 (hundredths of a percent).",
                id="escrow.E002",
            )
        )
    if settings.KOBATELA_PSP_HOLD_DAYS < 1:
        found.append(Error("KOBATELA_PSP_HOLD_DAYS is not at least 1.", id="escrow.E003"))
    return found
