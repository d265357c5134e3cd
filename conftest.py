"""The test database, its two roles, and what every test may use."""

import os

os.environ.setdefault("KOBATELA_ENV", "test")

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import hypothesis
import psycopg
import pytest
from django.test import TransactionTestCase
from psycopg import sql
from pytest_django import DjangoDbBlocker

import kobatela.celery  # noqa: F401 - the tasks belong to our application, as in the web
from kobatela.embedded.file_lock import FileLock

# How much the tests try: `ci` on every change, `soak` before a release.
SCALE = os.environ.get("KOBATELA_TEST_SCALE") or "ci"
hypothesis.settings.register_profile("ci", max_examples=50, deadline=None, database=None)
hypothesis.settings.register_profile("soak", max_examples=2000, deadline=None, database=None)
hypothesis.settings.load_profile(SCALE)

# Everything a migrated database holds before the first test, to be put back after each test that
# commits. Triggers are off meanwhile (session_replication_role), so order and append-only
# tables do not matter; only the owner may do that, and only on an embedded or test server.
_KEEP_PRISTINE = """
DROP SCHEMA IF EXISTS pristine CASCADE;
CREATE SCHEMA pristine;
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('CREATE TABLE pristine.%I AS TABLE public.%I', name, name);
  END LOOP;
END $$;
"""
_RESTORE_PRISTINE = """
SET session_replication_role = replica;
SET lock_timeout = '10s';
DO $$
DECLARE name text; columns text; has_rows boolean;
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('DELETE FROM public.%I', name);
    EXECUTE format('SELECT EXISTS (SELECT FROM pristine.%I)', name) INTO has_rows;
    IF has_rows THEN
      SELECT string_agg(quote_ident(column_name), ', ') INTO columns
        FROM information_schema.columns
       WHERE table_schema = 'public' AND table_name = name AND is_generated = 'NEVER';
      EXECUTE format('INSERT INTO public.%I (%s) SELECT %s FROM pristine.%I',
                     name, columns, columns, name);
    END IF;
  END LOOP;
END $$;
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where a run is divided among processes, the tests of one module that start installations of
    their own stay together: they share what was made once, and take most of a machine."""
    for item in items:
        if item.get_closest_marker("chaos"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def _owner_connection(database: str) -> "psycopg.Connection[Any]":
    from django.db import connections

    parameters = connections["owner"].get_connection_params() | {"dbname": database}
    wanted = ("host", "port", "user", "password", "dbname")
    return psycopg.connect(
        **{name: parameters[name] for name in wanted if name in parameters}, autocommit=True
    )


def _exists(server: "psycopg.Connection[Any]", name: str) -> bool:
    found = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    return found is not None


def _drop(server: "psycopg.Connection[Any]", name: str) -> None:
    """Drop a test database, whoever is still connected to it.

    FORCE ends the connections of our two roles, but may not end an autovacuum worker, which is the
    superuser's; a plain DROP may ask that one to go and waits for it, but ends nobody else.
    """
    for _ in range(5):
        for ending in (" WITH (FORCE)", ""):
            drop = sql.SQL("DROP DATABASE IF EXISTS {}" + ending)
            with suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
                server.execute(drop.format(sql.Identifier(name)))
                return
    pytest.exit(f"Somebody does not let go of the database {name}.")


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_keepdb: bool,  # noqa: FBT001 - the names are pytest-django's fixtures
    django_db_createdb: bool,  # noqa: FBT001 - likewise
) -> Iterator[None]:
    """Make and migrate the test database as its owner; the tests use the application role."""
    from django.conf import settings
    from django.core.management import call_command

    name = settings.TEST_DATABASE
    run_dir = settings.VAR_DIR / "run"
    run_dir.mkdir(parents=True, exist_ok=True)
    only_one = FileLock(run_dir / f"tests-{name}.lock")
    if not only_one.try_acquire():
        pytest.exit(f"Other tests use the database {name}; set KOBATELA_TEST_DB to another name.")
    with _owner_connection("postgres") as server:
        if not django_db_keepdb or django_db_createdb:
            _drop(server, name)
        is_old = _exists(server, name)
        if not is_old:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with django_db_blocker.unblock():
        if is_old:
            restore_database()
        call_command("migrate", database="owner", verbosity=0, interactive=False)
        with _owner_connection(name) as server:
            server.execute(_KEEP_PRISTINE)
    yield
    if not django_db_keepdb:
        with django_db_blocker.unblock(), _owner_connection("postgres") as server:
            _drop(server, name)
    only_one.release()


def restore_database() -> None:
    """Put the test database back to what the migrations left."""
    from django.conf import settings

    with _owner_connection(settings.TEST_DATABASE) as server:
        server.execute(_RESTORE_PRISTINE)


def _clean_after_commits(test_case: TransactionTestCase) -> None:
    restore_database()


# The application role may not truncate, so Django's own cleaning cannot work here.
TransactionTestCase._fixture_teardown = _clean_after_commits  # type: ignore[attr-defined]  # noqa: SLF001


class Scaled(Protocol):
    """Chooses the count for this run."""

    def __call__(self, *, ci: int, soak: int) -> int:
        """`ci` on every change, `soak` (the full count) before a release."""


@pytest.fixture(scope="session")
def scaled() -> Scaled:
    """Counts of repetitions: `rounds = scaled(ci=20, soak=200)`."""

    def choose(*, ci: int, soak: int) -> int:
        return soak if SCALE == "soak" else ci

    return choose


@dataclass
class Doorbells:
    """Which tasks were announced to the broker: (task name, arguments)."""

    rung: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def for_task(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of every announcement of one task, in order."""
        return [arguments for task, arguments in self.rung if task == name]


@pytest.fixture(autouse=True)
def doorbells(monkeypatch: pytest.MonkeyPatch) -> Doorbells:
    """No test sends a task; what would have been sent is listed here."""
    bells = Doorbells()

    def ring(task: Any, args: Any = None, kwargs: Any = None, **options: Any) -> None:
        bells.rung.append((task.name, (*(args or ()), *(kwargs or {}).values())))

    monkeypatch.setattr("celery.app.task.Task.apply_async", ring)
    return bells
