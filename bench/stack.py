"""A stack of its own for a benchmark: as `make up` runs it, on a cluster of its own, gone after."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from kobatela.embedded.endpoints import var_dir
from kobatela.embedded.ports import free_port
from kobatela.embedded.stack import Stack
from kobatela.embedded.terminal import Terminal
from kobatela.kernel import clock

# The gates stay shut as they are, only not for sixteen clients that never pause.
_ENVIRONMENT = {"KOBATELA_THROTTLE_PER_MINUTE": "100000000"}
_REQUEST_TIMEOUT_S = 60.0


class _Silent(Terminal):
    def say(self, _name: str, _line: str) -> None:
        """Nothing: the figures speak."""


@contextmanager
def running_stack(environment: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """The whole stack with fresh data; `make up` beside it is not disturbed."""
    home = var_dir()
    home.mkdir(exist_ok=True)
    var = Path(tempfile.mkdtemp(prefix="bench-", dir=home))
    stack = Stack(
        var,
        environment={**_ENVIRONMENT, **(environment or {})},
        port=free_port(),
        terminal=_Silent(),
        shows_logs=False,
    )
    try:
        with stack:
            yield stack
    except BaseException:
        print(f"the logs are kept in {stack.log_dir}", file=sys.stderr)
        raise
    else:
        _remove(var)


def environment_of(stack: Stack) -> dict[str, str]:
    """Variables with which a process of our own uses the same installation."""
    return {
        **os.environ,
        **_ENVIRONMENT,
        "KOBATELA_ENV": "dev",
        "KOBATELA_VAR_DIR": str(stack.var),
        "DJANGO_SETTINGS_MODULE": "kobatela.settings.dev",
        "LOG_FORMAT": "text",
    }


def client_of(stack: Stack, key: str) -> httpx.Client:
    """An HTTP client that calls the stack with `key`."""
    return httpx.Client(
        base_url=stack.base_url,
        headers={"Authorization": f"Bearer {key}"},
        timeout=_REQUEST_TIMEOUT_S,
    )


def created(response: httpx.Response) -> dict[str, Any]:
    """The JSON of an answer 2xx. Raises RuntimeError for any other."""
    if not response.is_success:
        raise RuntimeError(
            f"{response.request.url} answered {response.status_code}: {response.text[:500]}"
        )
    answer: dict[str, Any] = response.json()
    return answer


def new_user(admin: httpx.Client, name: str) -> int:
    """The id of a new user."""
    user = created(admin.post("/users", json={"username": name, "email": f"{name}@example.org"}))
    return int(user["id"])


def in_a_year() -> str:
    """A deadline that no benchmark reaches."""
    return (clock.now() + timedelta(days=365)).isoformat()


def _remove(var: Path) -> None:
    # The cluster may lie elsewhere, where the account that runs it can enter.
    cluster_home = var / "postgres"
    if cluster_home.is_symlink():
        shutil.rmtree(cluster_home.resolve(), ignore_errors=True)
    shutil.rmtree(var, ignore_errors=True)
