"""System checks of proofs: limits that cannot be meant stop the start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error


def check_review_sample(**_kwargs: Any) -> list[CheckMessage]:
    """The drawn share is a share."""
    if 0 <= settings.KOBATELA_REVIEW_SAMPLE <= 1:
        return []
    return [Error("KOBATELA_REVIEW_SAMPLE must lie between 0 and 1.", id="proofs.E001")]


def check_day_limits(**_kwargs: Any) -> list[CheckMessage]:
    """A day that is full with the first photo of the largest amount was not meant."""
    days = settings.KOBATELA_AUTO_APPROVE_DAY_MAX_MINOR
    small = [
        currency
        for currency, amount_minor in settings.KOBATELA_AUTO_APPROVE_MAX_MINOR.items()
        if days.get(currency, 0) < amount_minor
    ]
    if not small:
        return []
    return [
        Error(
            f"KOBATELA_AUTO_APPROVE_DAY_MAX is below KOBATELA_AUTO_APPROVE_MAX for {small}.",
            id="proofs.E002",
        )
    ]
