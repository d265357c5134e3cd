"""What settings ask for when no database and no Redis are configured."""

import os
from dataclasses import dataclass
from pathlib import Path

from kobatela.embedded.postgres import PostgresServer, start_postgres
from kobatela.embedded.valkey import ValkeyServer, start_valkey

_CHECKOUT_VAR = Path(__file__).resolve().parents[2] / "var"
# Held as long as this process lives: the servers run while somebody holds them.
_held: dict[Path, tuple[PostgresServer, ValkeyServer]] = {}


@dataclass(frozen=True)
class Endpoints:
    """Addresses with passwords of the running servers."""

    database_url: str
    owner_database_url: str
    redis_url: str


def ensure_running(var: Path | None = None) -> Endpoints:
    """Start PostgreSQL and Valkey of this checkout unless they run, and use them.

    They keep running until the last process that called this has ended. `var` defaults to
    KOBATELA_VAR_DIR or the `var` folder of the checkout. Raises EmbeddedServerError.
    """
    home = (var or Path(os.environ.get("KOBATELA_VAR_DIR", _CHECKOUT_VAR))).resolve()
    if home not in _held:
        _held[home] = (start_postgres(home), start_valkey(home))
    postgres, valkey = _held[home]
    return Endpoints(postgres.app_url(), postgres.owner_url(), valkey.url)
