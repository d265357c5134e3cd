"""System checks of payments: what must be right before money moves."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from payments import hooks
from payments.models import PaymentKind
from payments.psp import registry
from payments.webhooks.secrets import active_secrets

HANDLED_KINDS = [PaymentKind.PAYOUT.value, PaymentKind.REFUND.value]
_ENVIRONMENTS_FOR_PLAY = frozenset({"dev", "test"})
_COOLING_IN_PRODUCTION_S = 24 * 3600


def check_handlers(**kwargs: Any) -> list[CheckMessage]:
    """Somebody must hear what becomes of every payment and funding."""
    return [
        Error(f"Nobody handles {kind}: register a handler in payments.hooks.", id="payments.E001")
        for kind in hooks.unhandled(HANDLED_KINDS)
    ]


def check_psp(**kwargs: Any) -> list[CheckMessage]:
    """The sandbox moves no money, so production must not believe it."""
    if settings.KOBATELA_PSP == registry.FAKE and settings.KOBATELA_ENV == "production":
        return [
            Error(
                "KOBATELA_PSP is fake, which pays nobody; production refuses it.",
                id="payments.E002",
            )
        ]
    return []


def check_webhook_secret(**kwargs: Any) -> list[CheckMessage]:
    """Without a secret no report of the PSP can be believed."""
    if settings.KOBATELA_ENV in _ENVIRONMENTS_FOR_PLAY or active_secrets():
        return []
    return [
        Error(
            "No active webhook secret: set PSP_WEBHOOK_SECRET, PSP_WEBHOOK_SECRET_NEXT or "
            "PSP_WEBHOOK_SECRETS_FILE.",
            id="payments.E003",
        )
    ]


def check_times(**kwargs: Any) -> list[CheckMessage]:
    """A worker must be done with the PSP before another may take the payment over."""
    found: list[CheckMessage] = []
    if settings.KOBATELA_PAYMENT_LEASE_S <= settings.KOBATELA_PSP_TIMEOUT_S:
        found.append(
            Error(
                "KOBATELA_PAYMENT_LEASE_S must be longer than KOBATELA_PSP_TIMEOUT_S.",
                id="payments.E004",
            )
        )
    if settings.PSP_WEBHOOK_MAX_DRIFT_SECONDS < 1:
        found.append(Error("PSP_WEBHOOK_MAX_DRIFT_SECONDS must be above 0.", id="payments.E005"))
    return found


def check_cooling(**kwargs: Any) -> list[CheckMessage]:
    """Whoever takes over an account must not be paid before its owner can notice."""
    cooling_s = settings.KOBATELA_DESTINATION_COOLING_S
    least_s = _COOLING_IN_PRODUCTION_S if settings.KOBATELA_ENV == "production" else 0
    if cooling_s >= least_s:
        return []
    text = f"KOBATELA_DESTINATION_COOLING_S must be at least {least_s}."
    return [Error(text, id="payments.E006")]
