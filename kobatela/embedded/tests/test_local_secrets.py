"""Secrets of a checkout."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kobatela.embedded.local_secrets import local_secret


def test_a_secret_stays_the_same_and_is_closed_to_others(tmp_path: Path) -> None:
    secret = local_secret(tmp_path, "pepper")
    assert local_secret(tmp_path, "pepper") == secret
    assert len(secret) == 43
    assert stat.S_IMODE((tmp_path / "secrets" / "pepper").stat().st_mode) == 0o600


def test_two_checkouts_have_different_secrets(tmp_path: Path) -> None:
    assert local_secret(tmp_path / "a", "pepper") != local_secret(tmp_path / "b", "pepper")


def test_whoever_comes_at_the_same_time_gets_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(lambda _number: local_secret(tmp_path, "pepper"), range(64)))
    assert len(secrets) == 1
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["pepper"]
