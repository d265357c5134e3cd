"""What settings ask for when no database and no Redis are configured."""

import os
from dataclasses import dataclass
from pathlib import Path

from kobatela.embedded.postgres import PostgresServer, start_postgres
from kobatela.embedded.valkey import ValkeyServer, start_valkey

_CHECKOUT_VAR = Path(__file__).resolve().parents[2] / "var"
# Held as long as this process lives: the servers run while somebody holds them.
_postgres: dict[Path, PostgresServer] = {}
_valkey: dict[Path, ValkeyServer] = {}


@dataclass(frozen=True)
class Endpoints:
    """Addresses with passwords of the running servers."""

    database_url: str
    owner_database_url: str
    redis_url: str


def var_dir() -> Path:
    """Where this checkout keeps what it makes: KOBATELA_VAR_DIR, or its `var` folder."""
    return Path(os.environ.get("KOBATELA_VAR_DIR") or _CHECKOUT_VAR).resolve()


def ensure_postgres(var: Path) -> PostgresServer:
    """Start PostgreSQL unless it runs; it keeps running until the last process using it ends."""
    if var not in _postgres:
        _postgres[var] = start_postgres(var)
    return _postgres[var]


def ensure_valkey(var: Path) -> ValkeyServer:
    """Start Valkey unless it runs; it keeps running until the last process using it ends."""
    if var not in _valkey:
        _valkey[var] = start_valkey(var)
    return _valkey[var]


def ensure_running(var: Path | None = None) -> Endpoints:
    """Start both servers of this checkout unless they run, and use them.

    `var` defaults to `var_dir()`. Raises EmbeddedServerError when a server does not come up.
    """
    home = var.resolve() if var else var_dir()
    postgres, valkey = ensure_postgres(home), ensure_valkey(home)
    return Endpoints(postgres.app_url(), postgres.owner_url(), valkey.url)
