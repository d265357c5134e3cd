"""Which reader an event needs: that of the door to which it came."""

from django.conf import settings

from payments.webhooks.body import STRIPE, Report, read_report
from payments.webhooks.stripe_body import read_stripe_report


def read(provider: str | None, body: bytes) -> Report:
    """What a verified body reports. `provider`: whose door it came to; None for the door at which
    the body itself says who speaks. Raises WebhookBodyInvalid and MissingEventId."""
    if provider == STRIPE:
        return read_stripe_report(body, is_live=settings.KOBATELA_ENV == "production")
    return read_report(body)


def say_the_same(provider: str, first: bytes, second: bytes) -> bool:
    """Whether two bodies under one id are one event.

    Stripe counts in the body for how many deliveries it still waits, so a repeat may differ there.
    """
    return first == second or (provider == STRIPE and read(STRIPE, first) == read(STRIPE, second))
