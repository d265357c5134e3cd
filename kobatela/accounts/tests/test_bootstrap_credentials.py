"""The way in to an installation on one's own machine."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from kobatela.accounts.key_format import key_digest, parse_key
from kobatela.accounts.models import ApiKey, User
from kobatela.accounts.services.callers import staff_scope
from kobatela.kernel.caller import Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def credentials_path(settings: Settings, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path / "credentials.json"


def _bootstrap(path: Path) -> dict[str, Any]:
    call_command("bootstrap_credentials", verbosity=0, webhook_secret="whatever", stdout=_Nowhere())
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


class _Nowhere:
    def write(self, _text: str) -> int:
        return 0

    def flush(self) -> None:
        pass


def test_the_file_has_the_promised_shape_and_is_closed_to_others(credentials_path: Path) -> None:
    credentials = _bootstrap(credentials_path)
    assert stat.S_IMODE(credentials_path.stat().st_mode) == 0o600
    assert {name: sorted(value) for name, value in credentials.items() if name != "base_url"} == {
        "admin": ["password", "totp_secret", "username"],
        "keys": ["admin", "provider", "sender", "support"],
        "users": ["provider", "sender"],
        "psp": ["base_url", "webhook_secret"],
    }
    assert credentials["admin"]["totp_secret"] is None


def test_every_key_is_live_with_its_scope_and_its_user(
    credentials_path: Path, settings: Settings
) -> None:
    credentials = _bootstrap(credentials_path)
    for scope, secret in credentials["keys"].items():
        parts = parse_key(secret)
        assert parts is not None
        key = ApiKey.objects.get(public_id=parts.public_id)
        assert (key.scope, key.revoked_at) == (scope, None)
        assert key.digest == key_digest(secret, settings.API_KEY_PEPPER)
        assert key.user is not None
        assert key.user.username == scope
        assert not key.may_confirm_deposits
    assert credentials["users"] == {
        name: User.objects.get(username=name).pk for name in ("sender", "provider")
    }


def test_the_admin_comes_in_and_the_parties_do_not(credentials_path: Path) -> None:
    admin = _bootstrap(credentials_path)["admin"]
    user = authenticate(username=admin["username"], password=admin["password"])
    assert isinstance(user, User)
    assert staff_scope(user) is Scope.ADMIN
    assert staff_scope(User.objects.get(username="support")) is Scope.SUPPORT
    for name in ("sender", "provider"):
        party = User.objects.get(username=name)
        assert (party.is_staff, party.has_usable_password()) == (False, False)


def test_a_second_run_replaces_password_and_keys_and_keeps_the_users(
    credentials_path: Path,
) -> None:
    first = _bootstrap(credentials_path)
    second = _bootstrap(credentials_path)
    assert second["users"] == first["users"]
    assert second["admin"]["password"] != first["admin"]["password"]
    assert authenticate(username="admin", password=first["admin"]["password"]) is None
    assert ApiKey.objects.filter(revoked_at=None).count() == 4
    assert ApiKey.objects.exclude(revoked_at=None).count() == 4
    assert User.objects.count() == 4


def test_production_is_refused(credentials_path: Path, settings: Settings) -> None:
    settings.KOBATELA_ENV = "production"
    with pytest.raises(CommandError):
        call_command("bootstrap_credentials")
    assert not credentials_path.exists()
    assert not User.objects.exists()
