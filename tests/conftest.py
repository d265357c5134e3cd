"""Fixtures of the stories."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings as django_settings
from pytest_django import Settings

from conftest import Doorbells
from payments.psp.tests.stripe_server import SECRET_KEY, StripeServer, running
from tests.house import House, PspServer, books_agree, psp_server


@pytest.fixture(scope="session")
def psp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PspServer]:
    """One PSP server for all stories; each reads only what it caused itself."""
    folder = tmp_path_factory.mktemp("psp")
    with psp_server(folder, django_settings.PSP_WEBHOOK_SECRET) as server:
        yield server


@pytest.fixture(scope="session")
def stripe_url() -> Iterator[str]:
    """One server in Stripe's place for all tests that only need it to answer."""
    with running(StripeServer()) as url:
        yield url


@pytest.fixture
def ground(settings: Settings, tmp_path: Path, psp: PspServer, stripe_url: str) -> None:
    """What endpoints stand on: files of the test's own, a PSP, and Stripe for payees' accounts."""
    settings.KOBATELA_FILES_DIR = tmp_path / "private"
    settings.FAKE_PSP_URL = psp.url
    settings.STRIPE_ENABLED = settings.STRIPE_CONNECT_ENABLED = True
    settings.STRIPE_SECRET_KEY = SECRET_KEY
    settings.STRIPE_API_BASE = stripe_url
    settings.STRIPE_CONNECT_RETURN_URL = "https://example.org/done"
    settings.STRIPE_CONNECT_REFRESH_URL = "https://example.org/again"


@pytest.fixture
def house(
    psp: PspServer,
    doorbells: Doorbells,
    settings: Settings,
    transactional_db: None,
) -> Iterator[House]:
    """An installation of a story's own; in the end its books must agree."""
    settings.FAKE_PSP_URL = psp.url
    # A task that no module has defined yet would go to the broker by its name, past `doorbells`.
    current_app.loader.import_default_modules()
    while not psp.reports.empty():
        psp.reports.get()
    yield House(psp, doorbells)
    assert books_agree()
