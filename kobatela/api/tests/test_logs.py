"""What the log must never hold, tried with canaries through real requests."""

import json
import logging
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.module_loading import import_string

from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_key, make_user
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Api

pytestmark = pytest.mark.django_db

EMAIL = "awa.canary@example.org"
IBAN = "FR76 3000 6000 0112 3456 7890 189"
PHONE = "+225 07 08 09 10 11"
CANARIES = (EMAIL, IBAN, IBAN.replace(" ", ""), PHONE, "canary-note", "canary-key", "canary-link")


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Every line that the log gets, as it is written."""
    written: list[str] = []
    formats: Any = settings.LOGGING["formatters"]
    formatter: logging.Formatter = import_string(formats["json"]["()"])()

    class Written(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(formatter.format(record))

    handler = Written()
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


def refuse_twice() -> None:
    """Make the database quote the row it refuses."""
    with transaction.atomic():
        User.objects.create(username="canary", email=EMAIL)


def test_no_secret_and_no_personal_data_reach_the_log(lines: list[str]) -> None:
    _, secret = make_key(Scope.SUPPORT)
    User.objects.create(username="first", email=EMAIL)
    api = Api(secret)
    api.get(f"/users?email={EMAIL}&note=canary-note")
    api.get("/links/canary-link")
    api.post("/users", json={"username": "awa", "email": EMAIL, "phone": PHONE})
    Api("koba_test_canary-key").get("/users")
    with pytest.raises(IntegrityError) as quoted:
        refuse_twice()
    defect = ValueError(f"{IBAN} {IBAN.replace(' ', '')} {PHONE} {secret}")
    for error, status in ((quoted.value, 409), (defect, 500)):
        with patch("kobatela.accounts.services.users.create_user", side_effect=error):
            answer = api.post("/users", json={"username": "b", "email": "b@example.org"})
        assert answer.status == status
    text = "\n".join(lines)
    assert "IntegrityError" in text
    assert "accounts_user" in text
    for canary in (*CANARIES, secret):
        assert canary not in text, canary


def test_a_line_says_who_did_what_to_which_object_under_which_request(lines: list[str]) -> None:
    user = make_user()
    key, secret = make_key(Scope.SENDER, user=user)
    Api(secret).get(f"/users/{user.pk}", headers={"X-Request-ID": "order-1"})
    (line,) = [json.loads(text) for text in lines if '"kobatela.access"' in text]
    assert line.pop("duration_ms") >= 0
    assert line.pop("at")
    assert line == {
        "level": "info",
        "logger": "kobatela.access",
        "message": "request",
        "request_id": "order-1",
        "actor": f"apikey:{key.public_id}",
        "subject": f"user:{user.pk}",
        "status": 200,
        "path": "users/<int:user_id>",
        "method": "GET",
    }
