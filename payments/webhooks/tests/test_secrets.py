"""Which secrets are active."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kobatela.kernel import clock
from payments.webhooks.secrets import active_secrets, secret_fingerprints, secret_status

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def listed(tmp_path: Path, settings: Any) -> Any:
    """Write the file of secrets."""
    path = tmp_path / "secrets.json"
    settings.PSP_WEBHOOK_SECRETS_FILE = str(path)
    settings.PSP_WEBHOOK_SECRET = "not-used-beside-a-file"

    def write(content: Any) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text)

    return write


def ids() -> list[str]:
    """The names of the active secrets."""
    with clock.frozen(NOW):
        return [secret.id for secret in active_secrets()]


@pytest.mark.parametrize(
    ("first", "second", "active", "status"),
    [
        ("", "", [], "missing"),
        ("a", "", ["primary"], "partial"),
        ("", "b", ["next"], "partial"),
        ("a", "b", ["primary", "next"], "ok"),
    ],
)
def test_the_two_variables(
    settings: Any, first: str, second: str, active: list[str], status: str
) -> None:
    settings.PSP_WEBHOOK_SECRETS_FILE = ""
    settings.PSP_WEBHOOK_SECRET, settings.PSP_WEBHOOK_SECRET_NEXT = first, second
    assert ids() == active
    assert secret_status() == status


def test_a_rotation_needs_no_restart(listed: Any) -> None:
    listed([{"id": "2026-10", "secret": "old"}])
    assert ids() == ["2026-10"]
    listed([{"id": "2026-10", "secret": "old"}, {"id": "2026-11", "secret": "new"}])
    assert ids() == ["2026-10", "2026-11"]
    listed([{"id": "2026-11", "secret": "new"}])
    assert ids() == ["2026-11"]


def test_a_secret_ends_at_its_time(listed: Any) -> None:
    listed(
        [
            {"id": "gone", "secret": "a", "not_after": "2026-11-24T11:59:59Z"},
            {"id": "last-second", "secret": "b", "not_after": "2026-11-24T13:00:00+01:00"},
            {"id": "open", "secret": "c", "not_after": None},
        ]
    )
    assert ids() == ["last-second", "open"]


@pytest.mark.parametrize(
    "content",
    ["", "{}", "not json", "[1]", '[{"id": "a"}]', '[{"id": "a", "secret": ""}]',
     '[{"id": "a", "secret": "s", "not_after": "tomorrow"}]',
     '[{"id": "a", "secret": "s", "not_after": "2026-11-25T00:00:00"}]', "[" * 100_000],
)  # fmt: skip
def test_a_broken_file_opens_no_door(listed: Any, content: str) -> None:
    listed(content)
    assert ids() == []
    assert secret_status() == "missing"


def test_a_missing_file_opens_no_door(settings: Any, tmp_path: Path) -> None:
    settings.PSP_WEBHOOK_SECRETS_FILE = str(tmp_path / "nowhere")
    assert ids() == []


def test_fingerprints_tell_secrets_apart_without_telling_them(listed: Any) -> None:
    listed([{"id": "2026-11", "secret": "new"}])
    assert secret_fingerprints() == {"2026-11": "11507a0e"}
