"""Real servers for development and tests, started from wheels. Production never imports this."""

from kobatela.embedded.endpoints import (
    Endpoints,
    ensure_postgres,
    ensure_running,
    ensure_valkey,
    var_dir,
)
from kobatela.embedded.postgres import PostgresServer, start_postgres
from kobatela.embedded.shared_server import EmbeddedServerError
from kobatela.embedded.valkey import ValkeyServer, start_valkey

__all__ = [
    "EmbeddedServerError",
    "Endpoints",
    "PostgresServer",
    "ValkeyServer",
    "ensure_postgres",
    "ensure_running",
    "ensure_valkey",
    "start_postgres",
    "start_valkey",
    "var_dir",
]
