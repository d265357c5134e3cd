"""The embedded Valkey."""

from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from kobatela.embedded.shared_server import EmbeddedServerError
from kobatela.embedded.valkey import ValkeyServer, start_valkey


def test_it_keeps_values_while_it_runs(valkey: ValkeyServer) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.set("door", "open")
        assert client.get("door") == b"open"


def test_it_wants_its_password(valkey: ValkeyServer) -> None:
    with (
        redis.Redis(host="127.0.0.1", port=valkey.port, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_a_second_start_uses_the_running_server(valkey: ValkeyServer) -> None:
    again = start_valkey(valkey.var)
    assert again.pid == valkey.pid
    again.release()
    assert valkey.is_running()


def test_a_killed_server_is_started_again(valkey: ValkeyServer) -> None:
    before = valkey.pid
    valkey.kill()
    again = start_valkey(valkey.var)
    assert again.pid != before
    again.release()


def test_it_writes_nothing_to_disk(valkey: ValkeyServer, var: Path) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.set("door", "open")
    valkey.stop()
    assert {path.name for path in (var / "valkey").iterdir()} <= {"valkey.conf", "valkey.pid"}


def test_a_server_that_cannot_start_says_why(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kobatela.embedded.valkey.free_port", lambda _preferred: 70000)
    with pytest.raises(EmbeddedServerError, match="must be between 0 and 65535"):
        start_valkey(var)
