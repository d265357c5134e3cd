"""System checks of payments: what must be right before money moves."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from payments import hooks
from payments.models import PaymentKind
from payments.psp import registry
from payments.services.sending import GIVE_UP_AFTER, REPEAT_WITHIN
from payments.webhooks.secrets import Door, active_secrets

HANDLED_KINDS = [kind.value for kind in PaymentKind]
STRIPE_API = "https://api.stripe.com"
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
    longest = timedelta(seconds=settings.KOBATELA_PAYMENT_LEASE_S + settings.KOBATELA_PSP_TIMEOUT_S)
    if longest * 2 > GIVE_UP_AFTER - REPEAT_WITHIN:
        text = "KOBATELA_PAYMENT_LEASE_S is too long: a payment could be given up during its call."
        found.append(Error(text, id="payments.E007"))
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


def check_stripe(**kwargs: Any) -> list[CheckMessage]:
    """Whatever Stripe needs is there, and real money moves in production and nowhere else."""
    is_default = settings.KOBATELA_PSP == registry.STRIPE
    if not settings.STRIPE_ENABLED:
        text = "KOBATELA_PSP is stripe, but STRIPE_ENABLED is off."
        return [Error(text, id="payments.E020")] if is_default else []
    is_real = settings.KOBATELA_ENV not in _ENVIRONMENTS_FOR_PLAY
    key, mode = settings.STRIPE_SECRET_KEY, "live" if is_real else "test"
    pages = (settings.STRIPE_CONNECT_RETURN_URL, settings.STRIPE_CONNECT_REFRESH_URL)
    schemes = ("https://",) if is_real else ("https://", "http://")
    connects = settings.STRIPE_CONNECT_ENABLED
    problems = [
        (not key, "E021", "STRIPE_SECRET_KEY is not set."),
        (
            bool(key) and not key.startswith((f"sk_{mode}_", f"rk_{mode}_")),
            "E022",
            f"STRIPE_SECRET_KEY must begin with sk_{mode}_ or rk_{mode}_ here.",
        ),
        (
            is_real and not active_secrets(Door.STRIPE),
            "E023",
            "No webhook of Stripe can be verified: set STRIPE_WEBHOOK_SECRET.",
        ),
        (is_default and not connects, "E024", "Without STRIPE_CONNECT_ENABLED nobody is paid."),
        (
            connects and not all(page.startswith(schemes) for page in pages),
            "E025",
            "STRIPE_CONNECT_RETURN_URL and _REFRESH_URL must be addresses; in production, https.",
        ),
        (
            is_real and settings.STRIPE_API_BASE != STRIPE_API,
            "E026",
            f"STRIPE_API_BASE must be {STRIPE_API} in production.",
        ),
    ]
    return [Error(text, id=f"payments.{name}") for is_there, name, text in problems if is_there]
