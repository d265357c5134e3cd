"""An installation that works with Stripe: with our own server in Stripe's place."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

import payments.tasks  # noqa: F401 - a task that is not loaded would be sent past the doorbells
from payments.psp.tests.stripe_server import SECRET_KEY, StripeServer, running

WEBHOOK_SECRET = "whsec_test_secret"


@pytest.fixture
def stripe_server(settings: Settings) -> Iterator[StripeServer]:
    """Stripe, and the settings with which everything new goes to it."""
    server = StripeServer()
    with running(server) as url:
        settings.KOBATELA_PSP = "stripe"
        settings.KOBATELA_PSP_TIMEOUT_S = 5
        settings.STRIPE_ENABLED = settings.STRIPE_CONNECT_ENABLED = True
        settings.STRIPE_SECRET_KEY = SECRET_KEY
        settings.STRIPE_API_BASE = url
        settings.STRIPE_WEBHOOK_SECRETS_FILE = ""
        settings.STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
        settings.STRIPE_WEBHOOK_SECRET_NEXT = ""
        settings.STRIPE_CONNECT_RETURN_URL = "https://example.org/done"
        settings.STRIPE_CONNECT_REFRESH_URL = "https://example.org/again"
        yield server
