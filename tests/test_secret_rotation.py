"""What docs/operations.md says of changing secrets, done while everything runs."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from kobatela.accounts.tests.factories import make_key
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer, Api
from payments.webhooks.verify import sign

pytestmark = pytest.mark.django_db
_numbers = count(1)


def report(secret: str) -> Answer:
    """A PSP event signed with a secret."""
    event = {"id": f"evt-rotation-{next(_numbers)}", "type": "payment.settled", "psp_ref": "x"}
    body, stamp = json.dumps(event).encode(), str(int(time.time()))
    signature = sign(secret.encode(), stamp.encode(), body).decode()
    headers = {"X-PSP-Timestamp": stamp, "X-PSP-Signature": signature}
    return Api().post("/psp/webhook", data=body, headers=headers)


def accepted(*secrets: str) -> list[bool]:
    """Which of these secrets sign a webhook that is taken now."""
    answers = [report(secret) for secret in secrets]
    refused = {(answer.status, answer.code) for answer in answers if answer.status != 200}
    assert refused <= {(401, "WEBHOOK_SIGNATURE_INVALID")}
    return [answer.status == 200 for answer in answers]


@pytest.fixture
def listed(tmp_path: Path, settings: Settings) -> Callable[..., None]:
    """Write the file of secrets, as an operator does."""
    path = tmp_path / "psp-secrets.json"
    settings.PSP_WEBHOOK_SECRETS_FILE = str(path)

    def write(*secrets: Any) -> None:
        path.write_text(json.dumps(secrets))

    return write


def test_d37_a_webhook_secret_is_changed_without_a_restart_or_a_lost_event(
    listed: Callable[..., None],
) -> None:
    old, new = {"id": "2026-10", "secret": "old-one"}, {"id": "2026-11", "secret": "new-one"}
    listed(old)
    assert accepted("old-one", "new-one") == [True, False]

    # The new one is added, then the PSP is told, then the old one ends by its own date.
    listed({**old, "not_after": (clock.now() + timedelta(hours=1)).isoformat()}, new)
    assert accepted("old-one", "new-one") == [True, True]
    shown = Api(make_key(Scope.SUPPORT)[1]).get("/health").json
    assert set(shown["psp_webhook_secret_fingerprints"]) == {"2026-10", "2026-11"}
    listed({**old, "not_after": (clock.now() - timedelta(seconds=1)).isoformat()}, new)
    assert accepted("old-one", "new-one") == [False, True]

    listed(new)
    assert accepted("old-one", "new-one") == [False, True]


def test_r2_two_variables_take_both_secrets_while_they_change(settings: Settings) -> None:
    settings.PSP_WEBHOOK_SECRETS_FILE = ""
    settings.PSP_WEBHOOK_SECRET, settings.PSP_WEBHOOK_SECRET_NEXT = "old-one", "new-one"
    assert accepted("old-one", "new-one") == [True, True]
    settings.PSP_WEBHOOK_SECRET, settings.PSP_WEBHOOK_SECRET_NEXT = "new-one", ""
    assert accepted("old-one", "new-one") == [False, True]


def test_r2_a_file_that_cannot_be_read_takes_nothing_rather_than_anything(
    listed: Callable[..., None], settings: Settings
) -> None:
    settings.PSP_WEBHOOK_SECRET = "beside-the-file"
    Path(settings.PSP_WEBHOOK_SECRETS_FILE).write_text("not json")

    answer = report("beside-the-file")

    assert (answer.status, answer.code) == (503, "WEBHOOK_SECRET_NOT_CONFIGURED")


def test_r2_the_drift_has_one_default_in_code_and_example(settings: Settings) -> None:
    assert settings.PSP_WEBHOOK_MAX_DRIFT_SECONDS == 300
    assert "PSP_WEBHOOK_MAX_DRIFT_SECONDS=300" in Path(".env.example").read_text()


def test_an_api_key_is_rotated_with_two_live_keys_in_between() -> None:
    admin = Api(make_key(Scope.ADMIN)[1])
    key, old = make_key(Scope.SENDER)

    new = admin.post(f"/apikeys/{key.pk}/rotate", json={}).json["key"]
    assert [Api(secret).get("/escrows").status for secret in (old, new)] == [200, 200]
    assert admin.delete(f"/apikeys/{key.pk}").status == 204

    assert [Api(secret).get("/escrows").status for secret in (old, new)] == [401, 200]


def test_a_new_pepper_stops_every_key_and_new_ones_work(settings: Settings) -> None:
    _, before = make_key(Scope.SUPPORT)
    assert Api(before).get("/alerts").status == 200

    settings.API_KEY_PEPPER = "another-pepper-than-before"
    _, after = make_key(Scope.SUPPORT)

    assert Api(before).get("/alerts").code == "UNAUTHORIZED"
    assert Api(after).get("/alerts").status == 200


def test_a_new_secret_key_leaves_api_keys_alone(settings: Settings) -> None:
    _, secret = make_key(Scope.SUPPORT)
    settings.SECRET_KEY = "another-secret-key-than-before"

    assert Api(secret).get("/alerts").status == 200


def test_each_of_these_is_on_the_operations_page() -> None:
    text = Path("docs/operations.md").read_text()
    section = text.partition("## Changing secrets\n")[2].partition("\n## ")[0]
    for name in ("PSP_WEBHOOK_SECRETS_FILE", "PSP_WEBHOOK_SECRET_NEXT", "*rotate*",
                 "API_KEY_PEPPER", "SECRET_KEY"):  # fmt: skip
        assert name in section
